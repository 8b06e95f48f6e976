/*
 * Descriptors of processes: pidfd_open(2), CLONE_PIDFD. Of a task of the tree they are opened again
 * when the whole tree exists, by the first task that has one. Of a process that is gone there is
 * only the fact that it is gone, and which pidfds mean the same one (Linux 6.9: by inode): for each
 * such process the broker makes one that ends at once.
 *
 * Not covered: single threads (PIDFD_THREAD) that are no leader, processes outside of the tree, the
 * exit status that a pidfd of a reaped process can still tell (PIDFD_GET_INFO).
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/scan.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/file_common.h"
#include "schema/fdinfo.pb-c.h"

/* PIDFD_THREAD is O_EXCL, PIDFD_NONBLOCK is O_NONBLOCK: as fdinfo shows them. */
#define PIDFD_FLAGS ((uint32_t)(O_EXCL | O_NONBLOCK))

struct pidfd {
	struct file file;
	pid_t pid; /* dump: as we see it; restore: in the tree. -1: it is gone */
};

static struct pidfd *pidfd_of(struct file *f)
{
	return container_of(f, struct pidfd, file);
}

/* ---- dump ---- */

static bool pidfd_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:[pidfd]") == 0;
}

static int pidfd_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct scan s = scan_over(value, strlen(value));

	if (strcmp(key, "Pid") != 0)
		return 0;
	return scan_int(&s, &pidfd_of(f)->pid) ? 0 : -EINVAL;
}

static const struct thread *thread_by_host_tid(const struct model *m, pid_t tid)
{
	struct thread *th;
	struct task *t;

	task_for_each(t, m) {
		if (t->host_pid == tid)
			return list_is_empty(&t->threads) ? NULL : task_leader(t);
		thread_for_each(th, t)
			if (th->host_tid == tid)
				return th;
	}
	return NULL;
}

/* Turns the number that we see into the tree's. */
static int pidfd_resolve(struct collect *c, struct file *f)
{
	struct pidfd *p = pidfd_of(f);
	const struct thread *th;

	if (p->pid == -1)
		return 0;
	th = p->pid > 0 ? thread_by_host_tid(c->model, p->pid) : NULL;
	if (!th)
		return report_refuse_with(c->report, -ENOTSUP, CODE_FILE_KIND,
					  "dump a tree that has the process in it, or close the "
					  "descriptor before the dump",
					  p->pid > 0 ? "is a pidfd of process %d, which is not in "
						       "the tree"
						     : "is a pidfd of a process in a pid namespace "
						       "that cannot be seen from here (%d)",
					  p->pid);
	if (th != task_leader(th->task))
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_KIND,
				     "is a pidfd of thread %d: threads are not there yet when "
				     "descriptors are made",
				     p->pid);
	p->pid = th->task->pid;
	return 0;
}

static int pidfd_encode(const struct file *f, struct file_record *out)
{
	PidfdEntry *pe = ARENA_NEW(out->arena, PidfdEntry);

	if (!pe)
		return -ENOMEM;
	pidfd_entry__init(pe);
	pe->id = f->id;
	pe->ino = (uint32_t)f->ino;
	pe->flags = f->flags & ~(uint32_t)O_RDWR;
	pe->nspid = container_of(f, const struct pidfd, file)->pid;
	pe->fown = fown_encode(&f->fown, out->arena);
	out->fe->pidfd = pe;
	return pe->fown ? 0 : -ENOMEM;
}

/* ---- restore ---- */

static int pidfd_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const PidfdEntry *pe = in->fe->pidfd;

	if (!pe || pe->nspid == 0 || pe->nspid < -1)
		return -EUCLEAN;
	f->flags = pe->flags | O_RDWR;
	f->ino = pe->ino;
	f->fown = fown_decode(pe->fown);
	pidfd_of(f)->pid = pe->nspid;
	return 0;
}

static int pidfd_plan(struct model *m, struct report *rep)
{
	vec_for_each(at, &m->files) {
		struct file *f = *at;
		pid_t pid = f->kind == file_kinds[FILE_KIND_pidfd] ? pidfd_of(f)->pid : -1;

		if (pid == -1)
			continue;
		if (!model_task(m, pid))
			return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
					     "file %u is a pidfd of process %d, which is not in "
					     "the images",
					     f->id, pid);
		f->maker = f->task ? f->task : m->root;
	}
	return 0;
}

static int pidfd_make(struct env *env, struct file *f, pid_t pid, int *ret_fd)
{
	scoped(fd_close) int fd = sys_pidfd_open(pid, f->flags & PIDFD_FLAGS);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot open a pidfd of process %d", pid);
	r = env_apply_common(env, f, fd, false);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/* The pidfds of all that mean the same gone process, while `pid` stands in for it. */
static int pidfd_make_all(struct env *env, const struct file *first, pid_t pid)
{
	vec_for_each(at, &env->model->files) {
		struct file *f = *at;
		int fd = -EBADF, r;

		if (f->kind != first->kind || pidfd_of(f)->pid != -1 || f->ino != first->ino)
			continue;
		r = pidfd_make(env, f, pid, &fd);
		if (r == 0)
			r = env_deposit_take(env, f, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int pidfd_make_gone(struct env *env, struct file *f)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)sys_clone3(&args, sizeof(args));
	siginfo_t info;
	int r, gone;

	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		return report_fail(env->report, pid, "cannot create a helper process");
	r = pidfd_make_all(env, f, pid);
	gone = sys_kill(pid, SIGKILL);
	while (gone == 0) {
		gone = sys_waitid(P_PID, (id_t)pid, &info, WEXITED);
		if (gone != -EINTR)
			break;
		gone = 0;
	}
	if (r == 0 && gone < 0)
		return report_fail(env->report, gone, "cannot end the helper process %d", pid);
	return r;
}

static int pidfd_create(struct env *env, struct file *f, int *ret_fd)
{
	int r;

	if (pidfd_of(f)->pid != -1)
		return pidfd_make(env, f, pidfd_of(f)->pid, ret_fd);
	r = pidfd_make_gone(env, f);
	if (r == 0)
		*ret_fd = fd_take(&f->made_fd);
	return r;
}

const struct file_kind file_kind_pidfd = {
	.name = "pidfd",
	.about = "descriptors of processes (pidfd), of the tree or gone",
	.tag = FD_TYPES__PIDFD,
	.size = sizeof(struct pidfd),
	.match = pidfd_match,
	.fdinfo = pidfd_fdinfo,
	.resolve = pidfd_resolve,
	.encode = pidfd_encode,
	.decode = pidfd_decode,
	.plan = pidfd_plan,
	.create = pidfd_create,
};
