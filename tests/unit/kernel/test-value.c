/* Files of one value, and the few small files beside them: syscall, timens_offsets. */
#include "unit/check.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#include "child.h"
#include "kernel/proc/syscall.h"
#include "kernel/proc/timens.h"
#include "kernel/proc/value.h"

static void numbers(void **state)
{
	int64_t i = 0;
	uint64_t u = 0;

	assert_int_equal(proc_i64_parse("-17\n", 4, &i), 0);
	assert_int_equal(i, -17);
	assert_int_equal(proc_i64_parse(" 5 ", 3, &i), 0);
	assert_int_equal(i, 5);
	assert_int_equal(proc_i64_parse("", 0, &i), -EINVAL);
	assert_int_equal(proc_i64_parse("\n", 1, &i), -EINVAL);
	assert_int_equal(proc_i64_parse("5 6\n", 4, &i), -EINVAL);
	assert_int_equal(proc_u64_parse("00400000\n", 9, 16, &u), 0);
	assert_int_equal(u, 0x400000);
	assert_int_equal(proc_u64_parse("-1", 2, 10, &u), -EINVAL);
}

static void a_child(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	char text[64];
	uint64_t u;
	int64_t i;

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_true(proc_value_text(&p, "comm", text, sizeof(text)) > 0);
	assert_memory_equal(text, "test-kernel-val", 15);
	assert_int_equal(proc_value_set(&p, "oom_score_adj", "123"), 0);
	assert_int_equal(proc_value_i64(&p, "oom_score_adj", &i), 0);
	assert_int_equal(i, 123);
	assert_int_equal(proc_value_set(&p, "oom_score_adj", "12345"), -EINVAL);
	assert_int_equal(proc_value_u64(&p, "personality", 16, &u), 0);
	assert_int_equal(proc_value_u64(&p, "comm", 10, &u), -EINVAL);
	assert_int_equal(proc_value_i64(&p, "nonsense", &i), -ENOENT);
}

static void sysctls(void **state)
{
	char text[64];
	int64_t i = 0;

	assert_int_equal(proc_sysctl_i64("kernel/pid_max", &i), 0);
	assert_true(i > 300);
	assert_int_equal(proc_sysctl_i64("kernel/cap_last_cap", &i), 0);
	assert_true(i >= 37);
	assert_true(proc_sysctl_text("kernel/ostype", text, sizeof(text)) > 0);
	assert_string_equal(text, "Linux");
	assert_int_equal(proc_sysctl_text("kernel/ostype", text, 3), -EFBIG);
	assert_int_equal(proc_sysctl_i64("kernel/nonsense", &i), -ENOENT);
}

static void system_calls(void **state)
{
	static const char blocked[] = "0 0x3 0x7f 0x400 0x0 0x5 0x6 0x7ffc 0x7f21\n";
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_syscall sc;

	assert_int_equal(proc_syscall_parse(blocked, strlen(blocked), &sc), 0);
	assert_false(sc.running);
	assert_int_equal(sc.nr, 0);
	assert_int_equal(sc.args[2], 0x400);
	assert_int_equal(sc.sp, 0x7ffc);
	assert_int_equal(sc.ip, 0x7f21);
	assert_int_equal(proc_syscall_parse("-1 0x7ffc 0x7f21\n", 17, &sc), 0);
	assert_int_equal(sc.nr, -1);
	assert_int_equal(proc_syscall_parse("running\n", 8, &sc), 0);
	assert_true(sc.running);
	assert_int_equal(proc_syscall_parse("", 0, &sc), -EINVAL);
	assert_int_equal(proc_syscall_parse(blocked, 20, &sc), -EINVAL);

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_int_equal(proc_syscall_read(&p, &sc), 0);
	assert_int_equal(sc.nr, SYS_pause);
}

static void clocks(void **state)
{
	static const char text[] =
		"monotonic           0         5\nboottime     -3456000  999999999\n";
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_timens t;

	assert_int_equal(proc_timens_parse(text, strlen(text), &t), 0);
	assert_int_equal(t.monotonic.tv_nsec, 5);
	assert_int_equal(t.boottime.tv_sec, -3456000);
	assert_int_equal(proc_timens_parse("1 2 3\n7 4 5\nnew 6 7\n", 20, &t), 0);
	assert_int_equal(t.monotonic.tv_sec, 2);
	assert_int_equal(t.boottime.tv_sec, 4);
	assert_int_equal(proc_timens_parse("monotonic 0 1000000000\n", 23, &t), -EINVAL);
	assert_int_equal(proc_timens_parse("monotonic 0\n", 12, &t), -EINVAL);
	assert_int_equal(proc_timens_parse("\n", 1, &t), -EINVAL);
	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_timens_read(&p, &t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(a_child),
		cmocka_unit_test(sysctls), cmocka_unit_test(system_calls),
		cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
