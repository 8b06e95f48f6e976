/* Resource limits. */
#include "unit/check.h"

#include <sys/resource.h>

#include "kernel/proc/limits.h"

static const char whole[] =
	"Limit                     Soft Limit           Hard Limit           Units     \n"
	"Max cpu time              1                    unlimited            seconds   \n"
	"Max file size             unlimited            unlimited            bytes     \n"
	"Max data size             unlimited            unlimited            bytes     \n"
	"Max stack size            8388608              unlimited            bytes     \n"
	"Max core file size        0                    18446744073709551614 bytes     \n"
	"Max resident set          unlimited            unlimited            bytes     \n"
	"Max processes             96365                96365                processes \n"
	"Max open files            20000                20000                files     \n"
	"Max locked memory         8388608              8388608              bytes     \n"
	"Max address space         unlimited            unlimited            bytes     \n"
	"Max file locks            unlimited            unlimited            locks     \n"
	"Max pending signals       96365                96365                signals   \n"
	"Max msgqueue size         819200               819200               bytes     \n"
	"Max nice priority         0                    0                    \n"
	"Max realtime priority     0                    0                    \n"
	"Max realtime timeout      unlimited            7                    us        \n";

static void fields(void **state)
{
	struct proc_limits l;

	assert_int_equal(proc_limits_parse(whole, strlen(whole), &l), 0);
	assert_int_equal(l.limit[RLIMIT_CPU].soft, 1);
	assert_true(l.limit[RLIMIT_CPU].hard == UINT64_MAX);
	assert_int_equal(l.limit[RLIMIT_STACK].soft, 8388608);
	assert_true(l.limit[RLIMIT_CORE].hard == UINT64_MAX - 1);
	assert_int_equal(l.limit[RLIMIT_RTTIME].hard, 7);
}

static void damage_is_refused(void **state)
{
	struct proc_limits l;

	assert_int_equal(proc_limits_parse("", 0, &l), -EINVAL);
	for (size_t len = 0; len < sizeof(whole) - 34; len++)
		assert_int_equal(proc_limits_parse(whole, len, &l), -EINVAL);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_limits l;
	struct rlimit rl;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_limits_read(&p, &l), 0);
	for (unsigned i = 0; i < PROC_LIMITS; i++) {
		assert_int_equal(getrlimit(i, &rl), 0);
		assert_true(l.limit[i].soft == rl.rlim_cur && l.limit[i].hard == rl.rlim_max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
