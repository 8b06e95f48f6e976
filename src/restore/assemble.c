/*
 * A task after its birth: files that only it can make, descriptors into their slots, links between
 * objects, cwd and root, and the parts of tasks that host code can set. After this only the
 * interpreter is left to do its work.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "report/log.h"
#include "restore/restore_int.h"

static int task_make_files(struct restore *r, struct task *t)
{
	vec_for_each(f, &r->model.files) {
		int rc = (*f)->maker == t ? file_make(&r->env, *f) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int slot_place(struct restore *r, const struct slot *s)
{
	bool owned = false;
	int fd, rc = env_file_fd(&r->env, s->file, &fd, &owned);

	if (rc < 0)
		return rc;
	rc = fd_place(fd, s->fd, s->cloexec);
	if (owned)
		fd_close(fd);
	if (rc < 0)
		return report_fail(r->report, rc, "cannot place file %u at fd %d", s->file->id,
				   s->fd);
	return 0;
}

static int task_place(struct restore *r, struct task *t)
{
	int rc;

	if (t->fdtable->owner != t)
		return 0;
	/* What is below the floor is not ours any more: the log, the pipe and the images live above
	 * it. */
	if (r->env.floor > 0)
		(void)!sys_close_range(0, (unsigned)r->env.floor - 1, 0);
	vec_for_each(s, &t->fdtable->slots) {
		rc = slot_place(r, s);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Files that wait in a queue and nowhere else: somebody must settle them. */
static int queued_settle(struct restore *r, struct task *t)
{
	vec_for_each(f, &r->model.files) {
		bool owned = false;
		int fd, rc;

		if (t != r->model.root || (*f)->in_slots || !(*f)->in_queue || !(*f)->kind->settle)
			continue;
		REPORT_FRAME(r->report, "file %u (%s)", (*f)->id, (*f)->kind->name);
		rc = env_file_fd(&r->env, *f, &fd, &owned);
		if (rc == 0)
			rc = (*f)->kind->settle(&r->env, *f, fd);
		if (owned)
			fd_close(fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int task_settle_files(struct restore *r, struct task *t)
{
	if (t->fdtable->owner != t)
		return 0;
	vec_for_each(s, &t->fdtable->slots) {
		struct file *f = s->file;

		int rc = 0;

		if (f->task != t || f->fd != s->fd)
			continue;
		REPORT_FRAME(r->report, "fd %d (%s)", s->fd, f->kind->name);
		if (f->kind->settle)
			rc = f->kind->settle(&r->env, f, s->fd);
		if (rc == 0)
			rc = env_apply_owner(&r->env, f, s->fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Of the terminal that it took as leader of its session. */
static int task_set_foreground(struct restore *r, const struct task *t)
{
	pid_t group = t->ctty_pgrp;
	int rc = t->ctty && group > 0 ? sys_ioctl_ptr(t->ctty->made_fd, TIOCSPGRP, &group) : 0;

	if (rc == -ESRCH || rc == -EPERM) {
		report_warn(r->report, CODE_SYSTEM,
			    "group %d of its terminal's foreground does not exist", group);
		rc = 0;
	}
	return rc < 0 ? report_fail(r->report, rc, "cannot set its terminal's foreground group")
		      : 0;
}

static int task_set_fs(struct restore *r, struct task *t)
{
	bool owned;
	int fd, rc;

	if (!t->fs || t->fs->owner != t)
		return 0;
	if (t->fs->root) {
		struct stat ours, theirs;

		rc = env_file_fd(&r->env, t->fs->root, &fd, &owned);
		if (rc < 0)
			return rc;
		/* A chroot to where we are would be a needless privilege. */
		if (fstat(fd, &theirs) == 0 && stat("/", &ours) == 0 &&
		    (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino)) {
			rc = sys_fchdir(fd);
			if (rc == 0)
				rc = sys_chroot(".");
			if (rc < 0)
				return report_fail(r->report, rc, "cannot change root");
		}
	}
	rc = env_file_fd(&r->env, t->fs->cwd, &fd, &owned);
	if (rc == 0) {
		rc = sys_fchdir(fd);
		if (rc < 0)
			return report_fail(r->report, rc, "cannot enter the working directory");
	}
	if (rc == 0)
		(void)umask((mode_t)t->fs->umask);
	return rc;
}

/* Parts that host code sets; thread parts are called once per thread, before those threads exist.
 */
static int task_set_parts(struct restore *r, struct task *t)
{
	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];
		struct thread *th;

		if (!k->early)
			continue;
		thread_for_each(th, t) {
			int rc;

			if (!part_is_visited_by(k, th))
				continue;
			REPORT_FRAME(r->report, "%s", k->name);
			rc = k->early(&r->env, th, part_of(th, (enum task_kind_index)i));
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int task_assemble(struct restore *r, struct task *t)
{
	int rc = task_make_files(r, t);

	if (rc == 0)
		rc = stage_finish(r->shared, STAGE_create);
	if (rc == 0)
		rc = task_place(r, t);
	if (rc == 0)
		rc = stage_finish(r->shared, STAGE_place);
	if (rc == 0)
		rc = task_settle_files(r, t);
	if (rc == 0)
		rc = queued_settle(r, t);
	if (rc == 0)
		rc = memory_finish(r, t);
	if (rc == 0)
		rc = task_set_foreground(r, t);
	if (rc == 0)
		rc = task_set_parts(r, t);
	if (rc == 0)
		rc = program_build(r, t);
	if (rc == 0)
		rc = task_set_fs(r, t); /* last: there may be no procfs below the new root */
	if (rc == 0)
		rc = stage_finish(r->shared, STAGE_settle);
	if (rc == 0)
		rc = task_set_fs(r, t);
	if (rc == 0)
		rc = stage_finish(r->shared, STAGE_root);
	return rc;
}
