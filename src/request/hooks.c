/* Telling others. See hooks.h. */
#include "request/hooks.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

const char *hook_text(enum hook hook)
{
	static const char *const texts[] = {
#define X(id, text) [HOOK_##id] = text,
		HOOKS(X)
#undef X
	};

	return hook < HOOK_MAX ? texts[hook] : "";
}

/* Puts what a script is told into our environment, which it inherits. */
static int environment_set(const struct hooks *h, enum hook hook, pid_t root_pid)
{
	char dir[64], pid[16];

	(void)snprintf(dir, sizeof(dir), "/proc/%d/fd/%d", getpid(), h->images_fd);
	(void)snprintf(pid, sizeof(pid), "%d", root_pid);
	if (setenv("CRTOOLS_SCRIPT_ACTION", hook_text(hook), 1) < 0 ||
	    setenv("CRTOOLS_IMAGE_DIR", dir, 1) < 0)
		return -errno;
	if (root_pid > 0 && setenv("CRTOOLS_INIT_PID", pid, 1) < 0)
		return -errno;
	return 0;
}

/* The script shall not inherit what we block or ignore. */
static int script_spawn(const char *path, pid_t *ret_pid)
{
	char *argv[] = { (char *)path, NULL };
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none); /* neither can fail */
	(void)sigfillset(&all);
	r = posix_spawnattr_init(&attr);
	if (r != 0)
		return -r;
	r = posix_spawnattr_setsigmask(&attr, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attr, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnp(ret_pid, path, NULL, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	return -r;
}

static int script_run(const char *path, struct report *rep)
{
	REPORT_FRAME(rep, "script %s", path);
	int status, r;
	pid_t pid;

	r = script_spawn(path, &pid);
	if (r < 0)
		return report_fail(rep, r, "cannot run it");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return report_fail(rep, -errno, "cannot wait for it");
	if (WIFSIGNALED(status))
		return report_refuse(rep, -ECANCELED, CODE_HOOK_FAILED, "was killed by signal %d",
				     WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return report_refuse(rep, -ECANCELED, CODE_HOOK_FAILED, "exited with %d",
				     WEXITSTATUS(status));
	return 0;
}

int hooks_run(const struct hooks *h, enum hook hook, pid_t root_pid, struct report *rep)
{
	REPORT_FRAME(rep, "hook %s", hook_text(hook));
	int r = 0, ret = 0;

	log_debug("hook %s", hook_text(hook));
	if (h->listen)
		ret = h->listen(h->ctx, hook, root_pid, rep);
	if (ret < 0 || h->n_scripts == 0)
		return ret;

	r = environment_set(h, hook, root_pid);
	if (r < 0)
		return report_fail(rep, r, "cannot set the environment");
	/* All are run even if one fails: each may have something to take back. */
	for (size_t i = 0; i < h->n_scripts; i++) {
		r = script_run(h->scripts[i], rep);
		ret = r < 0 ? r : ret;
	}
	(void)unsetenv("CRTOOLS_SCRIPT_ACTION"); /* fails only for a bad name */
	return ret;
}

int hooks_write_pidfile(const struct hooks *h, pid_t pid, struct report *rep)
{
	scoped(fd_close) int fd = -EBADF;
	char text[16];
	int len, r;

	if (!h->pidfile)
		return 0;
	REPORT_FRAME(rep, "pid file %s", h->pidfile);
	fd = openat(h->work_fd, h->pidfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return report_fail(rep, -errno, "cannot make it");
	len = snprintf(text, sizeof(text), "%d", pid);
	r = fd_write_all(fd, text, (size_t)len);
	if (r < 0) {
		(void)unlinkat(h->work_fd, h->pidfile, 0); /* the failure is reported anyway */
		return report_fail(rep, r, "cannot write it");
	}
	return 0;
}

void hooks_remove_pidfile(const struct hooks *h)
{
	if (h->pidfile)
		(void)unlinkat(h->work_fd, h->pidfile, 0); /* may be gone: fine */
}

int hooks_ready(struct hooks *h, struct report *rep)
{
	int fd = h->status_fd, r;

	if (fd < 0)
		return 0;
	h->status_fd = -1;
	r = fd_write_all(fd, "", 1);
	fd_close(fd);
	if (r < 0)
		return report_fail(rep, r, "cannot write to the status descriptor %d", fd);
	return 0;
}
