/* The auxiliary vector. */
#include "unit/check.h"

#include <sys/auxv.h>

#include "child.h"
#include "kernel/proc/auxv.h"

static void pairs(void **state)
{
	uint64_t words[8] = { 3, 30, 5, 50, 0, 0, 9, 9 };
	uint64_t endless[PROC_AUXV_MAX + 2];
	struct proc_auxv a;
	uint64_t v = 0;

	assert_int_equal(proc_auxv_parse(words, sizeof(words), &a), 0);
	assert_int_equal(a.n, 6);
	assert_true(proc_auxv_find(&a, 5, &v));
	assert_int_equal(v, 50);
	assert_false(proc_auxv_find(&a, 9, &v));
	assert_int_equal(proc_auxv_parse(words, 32, &a), -EINVAL);
	assert_int_equal(proc_auxv_parse(words, 47, &a), -EINVAL);
	assert_int_equal(proc_auxv_parse(words, 0, &a), -EINVAL);
	memset(endless, 1, sizeof(endless));
	assert_int_equal(proc_auxv_parse(endless, sizeof(endless), &a), -EINVAL);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_auxv a;
	uint64_t v = 0;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_auxv_read(&p, &a), 0);
	assert_true(proc_auxv_find(&a, AT_SYSINFO_EHDR, &v));
	assert_int_equal(v, getauxval(AT_SYSINFO_EHDR));
	assert_true(proc_auxv_find(&a, AT_PAGESZ, &v));
	assert_int_equal(v, PAGE_SIZE);
}

static void a_zombie_has_none(void **state)
{
	scoped(child_end) pid_t pid = child_start(child_exits, NULL);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_auxv a;

	assert_true(child_reaches(pid, 'Z'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_true(proc_auxv_read(&p, &a) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs),
		cmocka_unit_test(our_own),
		cmocka_unit_test(a_zombie_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
