/* What the probes have in common. See probe.h. */
#include "kernel/feature/probe.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/pidfd.h"
#include "kernel/sys.h"

static pid_t start(int (*fn)(void *arg), void *arg, int *ret_pidfd, int *answer)
{
	int pidfd = -EBADF;
	/* No exit signal: no SIGCHLD, and invisible to wait() without __WALL. */
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd };
	pid_t pid = sys_clone3(&args, CLONE_ARGS_SIZE_VER0);
	int r;

	if (pid == 0) {
		r = sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (r == 0)
			r = fn(arg);
		if (answer)
			*answer = r;
		_exit(0);
	}
	*ret_pidfd = pidfd;
	return pid;
}

pid_t probe_child_start(int (*fn)(void *arg), void *arg)
{
	int pidfd;
	pid_t pid = start(fn, arg, &pidfd, NULL);

	if (pid > 0)
		fd_close(pidfd);
	return pid;
}

void probe_child_end(pid_t pid)
{
	int r;

	if (pid <= 0)
		return;
	(void)!sys_kill(pid, SIGKILL); /* a zombie at worst */
	do
		r = sys_wait4(pid, NULL, __WALL, NULL);
	while (r == -EINTR);
}

int probe_in_child(int (*fn)(void *arg), void *arg)
{
	int *answer;
	int pidfd, r;
	pid_t pid;

	r = sys_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0,
		     (void **)&answer);
	if (r < 0)
		return r;
	*answer = -ECHILD; /* died before it could say */
	pid = start(fn, arg, &pidfd, answer);
	if (pid < 0) {
		r = pid;
	} else {
		r = pidfd_wait(pidfd, 5 * USEC_PER_SEC);
		probe_child_end(pid);
		fd_close(pidfd);
		if (r == 0)
			r = *answer;
	}
	(void)munmap(answer, PAGE_SIZE); /* ours */
	return r;
}

int probe_answer(int r)
{
	switch (r) {
	case -ENOSYS:
	case -EINVAL:
	case -ENOTTY:
	case -EOPNOTSUPP:
	case -ENOPROTOOPT:
		return 0;
	default:
		return r < 0 ? r : 1;
	}
}

int probe_path(const char *path)
{
	int r = sys_faccessat(AT_FDCWD, path, F_OK, 0);

	return r == -ENOENT || r == -ENOTDIR ? 0 : r < 0 ? r : 1;
}
