/* Restore: what makers and receivers of open files have in common. See env.h. */
#include "object/env.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/proc/dir.h"
#include "kernel/sys.h"

int env_proc_self(const struct env *env, struct proc_pid *ret)
{
	scoped(fd_close) int proc =
		sys_openat(env->root_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int r = proc < 0 ? proc : proc_pid_open_at(proc, 0, ret);

	return r == -ESRCH ? -ENOENT : r;
}

int env_lift_fd(const struct env *env, int *fd)
{
	int high;

	if (*fd >= env->floor)
		return 0;
	high = fd_dup_above(*fd, env->floor);
	if (high < 0)
		return high;
	fd_close(*fd);
	*fd = high;
	return 0;
}

int env_keep_fd_take(struct env *env, struct file *f, int fd)
{
	int r;

	assert(f->made_fd < 0);
	if (f->maker && f->planned_fd > 0 && fd != f->planned_fd) {
		r = fd_place(fd, f->planned_fd, true);
		fd_close(fd);
		fd = f->planned_fd;
	} else {
		r = env_lift_fd(env, &fd);
		if (r < 0)
			fd_close(fd);
	}
	if (r < 0)
		return report_fail(env->report, r, "cannot keep the descriptor of file %u", f->id);
	f->made_fd = fd;
	return 0;
}

int env_deposit_take(struct env *env, struct file *other, int fd)
{
	return env_keep_fd_take(env, other, fd);
}

int env_file_fd(struct env *env, const struct file *f, int *ret_fd, bool *ret_owned)
{
	/* The broker made it before the tree was born, so every task has it at the same number;
	 * what a task made, it has itself, and others fetch it there. */
	bool ours = !f->maker || f->maker == env->task;

	if (ours && f->made_fd < 0)
		return report_fail(env->report, -EBADF, "file %u (%s) was not made", f->id,
				   f->kind->name);
	if (ours) {
		*ret_fd = f->made_fd;
		*ret_owned = false;
		return 0;
	}

	int pidfd = sys_pidfd_open(f->maker->pid, 0);
	int fd = pidfd < 0 ? pidfd : sys_pidfd_getfd(pidfd, f->planned_fd, 0);

	fd_close(pidfd);
	if (fd >= 0) {
		int r = env_lift_fd(env, &fd);

		if (r < 0) {
			fd_close(fd);
			fd = r;
		}
	}
	if (fd < 0)
		return report_fail(env->report, fd, "cannot fetch file %u (%s) from task %d", f->id,
				   f->kind->name, f->maker->pid);
	*ret_fd = fd;
	*ret_owned = true;
	return 0;
}

int env_reopen(const struct env *env, int fd, unsigned flags)
{
	char self[32];
	int again, r;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = sys_openat(AT_FDCWD, self, (int)flags | O_CLOEXEC | O_NOCTTY, 0);
	if (again < 0)
		return again;
	r = env_lift_fd(env, &again);
	if (r < 0) {
		fd_close(again);
		return r;
	}
	return again;
}

const struct external *env_find_inherit(const struct env *env, const char *key)
{
	for (unsigned i = 0; env->policy && i < env->policy->n_inherits; i++)
		if (strcmp(env->policy->inherits[i].key, key) == 0)
			return &env->policy->inherits[i];
	return NULL;
}

/* The kernel notes who set the owner, and asks later whether that one may send a signal. A helper
 * with our descriptors and the right user ids does it: our own would lose more than the ids. */
static int owner_set_as(const struct fown *fown, int fd, struct f_owner_ex *ex)
{
	struct clone_args args = { .flags = CLONE_FILES };
	pid_t pid = (pid_t)sys_clone3(&args, sizeof(args));
	siginfo_t info = { 0 };
	int r;

	if (pid == 0) {
		r = sys_setresuid(fown->uid, fown->euid, fown->euid);
		if (r == 0)
			r = sys_fcntl_ptr(fd, F_SETOWN_EX, ex);
		_exit(r < 0 ? -r : 0);
	}
	if (pid < 0)
		return pid;
	do {
		r = sys_waitid(P_PID, (id_t)pid, &info, WEXITED | __WALL);
	} while (r == -EINTR);
	if (r < 0)
		return r;
	return info.si_code == CLD_EXITED ? -info.si_status : -ECHILD;
}

int env_apply_owner(const struct env *env, const struct file *f, int fd)
{
	struct f_owner_ex ex = { .type = (int)f->fown.pid_type, .pid = (pid_t)f->fown.pid };
	int r = 0;

	if (f->flags & O_PATH)
		return 0;
	if (f->fown.signum)
		r = sys_fcntl(fd, F_SETSIG, f->fown.signum);
	if (r >= 0 && f->fown.pid && f->fown.uid == getuid() && f->fown.euid == geteuid())
		r = sys_fcntl_ptr(fd, F_SETOWN_EX, &ex);
	else if (r >= 0 && f->fown.pid)
		r = owner_set_as(&f->fown, fd, &ex);
	if (r == -ESRCH) {
		report_warn(env->report, CODE_SYSTEM,
			    "its signals went to %s %d, which does not exist: nobody gets them",
			    ex.type == F_OWNER_PGRP ? "process group" : "task", ex.pid);
		return 0;
	}
	return r < 0 ? report_fail(env->report, r, "cannot set the signal owner") : 0;
}

int env_apply_common(struct env *env, const struct file *f, int fd, bool seek)
{
	const unsigned settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC;
	int now = sys_fcntl(fd, F_GETFL, 0);
	int r = now;

	if (now >= 0 && ((unsigned)now & settable) != (f->flags & settable))
		r = sys_fcntl(fd, F_SETFL, f->flags & settable);
	if (r < 0)
		return report_fail(env->report, r, "cannot set flags %#o", f->flags & settable);
	if (seek && f->pos) {
		int64_t at = lseek(fd, (off_t)f->pos, SEEK_SET);

		if (at < 0)
			return report_fail(env->report, -errno, "cannot seek to %lld",
					   (long long)f->pos);
	}
	return 0;
}
