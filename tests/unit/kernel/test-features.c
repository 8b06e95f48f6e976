/* Probes answer, leave nothing behind, and answer the same twice. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "child.h"
#include "kernel/features.h"
#include "kernel/proc/fdinfo.h"

static void words(void **state)
{
	for (unsigned i = 0; i < FEATURE_MAX; i++) {
		const char *text = feature_text((enum feature)i);

		assert_int_equal(feature_find(text), i);
		assert_true(strlen(feature_about((enum feature)i)) > 0);
		assert_true(strlen(feature_since((enum feature)i)) > 0);
	}
	assert_int_equal(feature_find("uffd-noncoop"), FEATURE_uffd_noncoop);
	assert_int_equal(feature_find("flux_capacitor"), FEATURE_MAX);
	assert_int_equal(feature_find(""), FEATURE_MAX);
}

static size_t open_files(void)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_numbers_done) struct proc_numbers fds = { 0 };

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_fds_read(&p, &fds), 0);
	return fds.n;
}

static void all_of_them(void **state)
{
	size_t files = open_files();
	struct features f = { 0 };

	for (unsigned i = 0; i < FEATURE_MAX; i++) {
		bool has = false, again = false;
		usec_t start = usec_now();
		int r = feature_ask(&f, (enum feature)i, &has);
		usec_t took = usec_now() - start;

		if (getenv("SHOW"))
			(void)printf("%s=%s %d us %d\n", feature_text((enum feature)i),
				     r < 0 ? "unknown"
				     : has ? "yes"
					   : "no",
				     r, (int)took);
		assert_int_equal(feature_ask(&f, (enum feature)i, &again), r);
		assert_int_equal(has, again);
		assert_int_equal(feature_has(&f, (enum feature)i), r == 0 && has);
		if (open_files() != files)
			fail_msg("%s leaks a descriptor", feature_text((enum feature)i));
		assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	}
}

/* What no kernel that we run on lacks. */
static void the_obvious(void **state)
{
	struct features f = { 0 };

	assert_true(feature_has(&f, FEATURE_memfd));
	assert_true(feature_has(&f, FEATURE_pidfd));
	assert_true(feature_has(&f, FEATURE_mnt_id));
	assert_true(feature_has(&f, FEATURE_fdinfo_lock));
	assert_true(feature_has(&f, FEATURE_ns_pid));
	assert_true(feature_has(&f, FEATURE_process_vm));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(all_of_them),
		cmocka_unit_test(the_obvious),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
