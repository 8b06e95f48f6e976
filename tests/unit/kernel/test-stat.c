/* One line of numbers, and names that try to look like one. */
#include "unit/check.h"

#include "child.h"

#define TAIL                                                                                       \
	" S 1 2 3 34816 -1 4194560 1 0 0 0 0 0 0 0 20 -5 4 0 1234 3133440 408 "                    \
	"18446744073709551615 94865862283264 94865862303145 140731245976672 0 0 0 0 0 0 0 0 0 17 " \
	"1 0 2 0 0 0 94865862319152 94865862320768 94866500399104 140731245984184 "                \
	"140731245984204 140731245984204 140731245985771 256\n"

static int parse(const char *text, struct proc_stat *ret)
{
	return proc_stat_parse(text, strlen(text), ret);
}

static void fields(void **state)
{
	struct proc_stat st;

	assert_int_equal(parse("13216 (cat)" TAIL, &st), 0);
	assert_int_equal(st.pid, 13216);
	assert_string_equal(st.comm, "cat");
	assert_int_equal(st.state, 'S');
	assert_int_equal(st.ppid, 1);
	assert_int_equal(st.pgrp, 2);
	assert_int_equal(st.session, 3);
	assert_int_equal(st.tty_nr, 34816);
	assert_int_equal(st.tty_pgrp, -1);
	assert_int_equal(st.nice, -5);
	assert_int_equal(st.threads, 4);
	assert_int_equal(st.start_time, 1234);
	assert_int_equal(st.start_code, 94865862283264);
	assert_int_equal(st.policy, 2);
	assert_int_equal(st.env_end, 140731245985771);
	assert_int_equal(st.exit_code, 256);
}

static void names_may_hold_anything(void **state)
{
	struct proc_stat st;

	assert_int_equal(parse("1 (a) R 9 (\n)" TAIL, &st), 0);
	assert_string_equal(st.comm, "a) R 9 (\n");
	assert_int_equal(st.ppid, 1);
	assert_int_equal(parse("1 ()" TAIL, &st), 0);
	assert_string_equal(st.comm, "");
}

static void damage_is_refused(void **state)
{
	static const char whole[] = "13216 (cat)" TAIL;
	static const char *const bad[] = {
		"",
		")",
		"1 (",
		"1 )(",
		"x (cat)" TAIL,
		"1 (cat) ",
		"1 (cat) S",
		"99999999999 (cat)" TAIL,
	};
	struct proc_stat st;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &st), -EINVAL);
	/* Every cut before the last field. */
	for (size_t len = 0; len < sizeof(whole) - 5; len++)
		assert_int_equal(proc_stat_parse(whole, len, &st), -EINVAL);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_stat st;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_stat_read(&p, &st), 0);
	assert_int_equal(st.pid, getpid());
	assert_int_equal(st.ppid, getppid());
	assert_int_equal(st.session, getsid(0));
	assert_int_equal(st.state, 'R');
	assert_true(st.arg_start < st.arg_end);
}

static void a_zombie_and_then_nothing(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	pid_t pid = child_start(child_exits, NULL);
	struct proc_stat st;

	assert_true(child_reaches(pid, 'Z'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_int_equal(proc_stat_read(&p, &st), 0);
	assert_true(proc_stat_is_dead(&st));
	assert_int_equal(WEXITSTATUS(st.exit_code), 7);
	child_end(pid);
	assert_int_equal(proc_stat_read(&p, &st), -ESRCH);
	assert_int_equal(proc_pid_open(pid, &p), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(names_may_hold_anything),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(our_own),
		cmocka_unit_test(a_zombie_and_then_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
