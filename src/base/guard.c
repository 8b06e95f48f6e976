/* A child that acts when we die. See guard.h. */
#include "base/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static _Noreturn void guard_main(int leash, guard_fn fn, void *arg)
{
	sigset_t all;
	char byte;

	(void)sigfillset(&all); /* these cannot fail */
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (fd_read_all(leash, &byte, 1) < 0)
		fn(arg);
	_exit(0);
}

int guard_start(struct guard *g, guard_fn fn, void *arg)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	g->pid = fork();
	if (g->pid == 0) {
		fd_close(ends[1]);
		guard_main(ends[0], fn, arg);
	}
	fd_close(ends[0]);
	if (g->pid < 0) {
		int r = -errno;

		fd_close(ends[1]);
		*g = (struct guard){ .leash = -EBADF };
		return r;
	}
	g->leash = ends[1];
	return 0;
}

void guard_release(struct guard *g)
{
	if (g->pid <= 0)
		return;
	(void)!fd_write_all(g->leash, "", 1); /* EPIPE: it is gone already */
	fd_close(fd_take(&g->leash));
	(void)waitpid(g->pid, NULL, 0);
	g->pid = 0;
}
