/* Descriptors of tasks. See pidfd.h. */
#include "kernel/pidfd.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "kernel/sys.h"

/* PIDFD_THREAD, Linux 6.9; not in older headers. By definition the same bit as O_EXCL. */
enum { FLAG_THREAD = O_EXCL };

int pidfd_new(pid_t pid, enum pidfd_of what)
{
	return sys_pidfd_open(pid, what == PIDFD_OF_THREAD ? FLAG_THREAD : 0);
}

int pidfd_fetch(int pidfd, int fd)
{
	return sys_pidfd_getfd(pidfd, fd, 0);
}

int pidfd_signal(int pidfd, int sig, const siginfo_t *info)
{
	return sys_pidfd_send_signal(pidfd, sig, info, 0);
}

int pidfd_wait(int pidfd, usec_t timeout)
{
	usec_t deadline = usec_now() + timeout;

	if (pidfd < 0) /* which poll(2) would pass over */
		return -EBADF;
	for (;;) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		usec_t now = usec_now();
		usec_t left = now < deadline ? deadline - now : 0;
		usec_t ms = MIN((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC, (usec_t)INT_MAX);
		int r = sys_poll(&p, 1, (int)ms);

		if (r > 0)
			return p.revents & POLLNVAL ? -EBADF : 0;
		if (r < 0 && r != -EINTR)
			return r;
		if (r == 0 && usec_now() >= deadline)
			return -ETIMEDOUT;
	}
}
