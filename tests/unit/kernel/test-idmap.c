/* Id maps of user namespaces. */
#include "unit/check.h"

#include "base/str.h"
#include "kernel/proc/idmap.h"

static int parse(const char *text, struct proc_idmap *ret)
{
	return proc_idmap_parse(text, strlen(text), ret);
}

static void ranges(void **state)
{
	struct proc_idmap m;
	uint32_t id = 0;

	assert_int_equal(parse("         0     100000         10\n      1000       1000   1\n", &m),
			 0);
	assert_int_equal(m.n, 2);
	assert_true(proc_idmap_out(&m, 9, &id));
	assert_int_equal(id, 100009);
	assert_false(proc_idmap_out(&m, 10, &id));
	assert_true(proc_idmap_in(&m, 1000, &id));
	assert_int_equal(id, 1000);
	assert_false(proc_idmap_in(&m, 99999, &id));
	assert_int_equal(parse("0 0 4294967295\n", &m), 0);
	assert_true(proc_idmap_out(&m, 4294967294, &id));
	assert_false(proc_idmap_out(&m, 4294967295, &id));
	assert_int_equal(parse("", &m), 0);
	assert_int_equal(m.n, 0);
}

static void damage_is_refused(void **state)
{
	scoped(str_done) struct str many = { 0 };
	struct proc_idmap m;

	assert_int_equal(parse("0 0\n", &m), -EINVAL);
	assert_int_equal(parse("0 0 0\n", &m), -EINVAL);
	assert_int_equal(parse("0 0 1 1\n", &m), -EINVAL);
	assert_int_equal(parse("-1 0 1\n", &m), -EINVAL);
	assert_int_equal(parse("0 0 4294967296\n", &m), -EINVAL);
	for (int i = 0; i <= PROC_IDMAP_MAX; i++)
		(void)str_addf(&many, "%d %d 1\n", i, i);
	assert_int_equal(parse(str_get(&many), &m), -EINVAL);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_idmap m;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_idmap_read(&p, PROC_UIDS, &m), 0);
	assert_int_equal(proc_idmap_read(&p, PROC_GIDS, &m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
