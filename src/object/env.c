/* Restore: what makers and receivers of open files have in common. See env.h. */
#include "object/env.h"

#include <fcntl.h>
#include <string.h>
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

int env_deposit_take(struct env *env, struct file *other, int fd)
{
	int r = env_lift_fd(env, &fd);

	if (r < 0) {
		fd_close(fd);
		return report_fail(env->report, r, "cannot keep the descriptor of file %u", other->id);
	}
	assert(other->made_fd < 0);
	other->made_fd = fd;
	return 0;
}

int env_file_fd(struct env *env, const struct file *f, int *ret_fd, bool *ret_owned)
{
	/* The broker made it before the tree was born, so every task has it at the same number; what a task made, it has
	 * itself, and others fetch it there. */
	if (f->made_fd < 0)
		return report_fail(env->report, -EBADF, "file %u (%s) was not made", f->id,
				   f->kind->name);
	if (!f->maker || f->maker == env->task) {
		*ret_fd = f->made_fd;
		*ret_owned = false;
		return 0;
	}

	int pidfd = sys_pidfd_open(f->maker->pid, 0);
	int fd = pidfd < 0 ? pidfd : sys_pidfd_getfd(pidfd, f->made_fd, 0);

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

static int env_apply_owner(const struct env *env, const struct file *f, int fd)
{
	struct f_owner_ex ex = { .type = (int)f->fown.pid_type, .pid = (pid_t)f->fown.pid };
	int r = 0;

	if (f->fown.signum)
		r = sys_fcntl(fd, F_SETSIG, f->fown.signum);
	if (r >= 0 && f->fown.pid)
		r = sys_fcntl(fd, F_SETOWN_EX, (unsigned long)&ex);
	if (r < 0)
		return report_fail(env->report, r, "cannot set the signal owner");
	return 0;
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
	return env_apply_owner(env, f, fd);
}
