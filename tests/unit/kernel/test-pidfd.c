/* Descriptors of tasks. */
#include "unit/check.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "child.h"
#include "kernel/kcmp.h"
#include "kernel/pidfd.h"

static void fetch_and_end(void **state)
{
	scoped(fd_close) int event = eventfd(0, 0);
	pid_t pid = child_start(NULL, NULL);
	scoped(fd_close) int pidfd = pidfd_new(pid, PIDFD_OF_TASK);
	scoped(fd_close) int copy = -EBADF;
	bool same = false;

	assert_true(pidfd >= 0);
	assert_int_equal(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	copy = pidfd_fetch(pidfd, event);
	assert_true(copy >= 0);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(kcmp_same(KCMP_FILE, (struct kcmp_ref){ getpid(), copy },
				   (struct kcmp_ref){ getpid(), event }, &same),
			 0);
	assert_true(same);
	assert_int_equal(pidfd_fetch(pidfd, 9999), -EBADF);
	assert_int_equal(pidfd_wait(pidfd, 1000), -ETIMEDOUT);
	assert_int_equal(pidfd_signal(pidfd, 0, NULL), 0);
	assert_int_equal(pidfd_signal(pidfd, SIGKILL, NULL), 0);
	assert_int_equal(pidfd_wait(pidfd, 5 * USEC_PER_SEC), 0);
	child_end(pid);
	assert_int_equal(pidfd_wait(pidfd, 0), 0);
	assert_int_equal(pidfd_signal(pidfd, 0, NULL), -ESRCH);
	assert_int_equal(pidfd_fetch(pidfd, event), -ESRCH);
	assert_int_equal(pidfd_new(pid, PIDFD_OF_TASK), -ESRCH);
	assert_int_equal(pidfd_wait(-EBADF, 0), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
