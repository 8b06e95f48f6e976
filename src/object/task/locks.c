/*
 * Locks on files, as the fdinfo of the descriptors shows them: flock(2), fcntl(2) locks of tasks
 * (POSIX) and of open files (OFD), leases. filelocks.img names for each a task and a descriptor
 * through which it is held.
 *
 * POSIX locks end when their task closes any descriptor of the file, so they are set when the
 * restore has closed all of its own. A lease that somebody is breaking is set and broken again by
 * an open(2) that does not wait; nobody is its owner meanwhile, so that no signal is sent.
 *
 * Not covered: locks and delegations of file servers, mandatory flock(2) modes, how long ago the
 * breaking of a lease began.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "image/reader.h"
#include "image/writer.h"
#include "inject/batch.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "schema/file-lock.pb-c.h"

/* As images number them. */
enum lock_flag { LOCK_IS_POSIX = 1, LOCK_IS_FLOCK = 2, LOCK_IS_OFD = 4, LOCK_IS_LEASE = 8 };

/* Of a lease: being broken; the other bits are what it is to become. */
#define LEASE_BREAKING 4

struct lock {
	uint32_t flag, type;
	pid_t pid;
	int fd;
	int64_t start, len; /* len 0: to the end */
};

struct locks {
	VEC(struct lock);
};

static struct locks *locks_of(struct model *m)
{
	void **extra = task_kind_extra(m, TASK_KIND_locks);

	if (extra && !*extra)
		*extra = NEW(struct locks);
	return extra ? *extra : NULL;
}

static void locks_done(void *extra)
{
	struct locks *all = extra;

	vec_done(all);
	mem_free(all);
}

/* ---- dump ---- */

static uint32_t flag_of(enum proc_lock_kind kind)
{
	switch (kind) {
	case PROC_LOCK_POSIX:
		return LOCK_IS_POSIX;
	case PROC_LOCK_FLOCK:
		return LOCK_IS_FLOCK;
	case PROC_LOCK_OFD:
		return LOCK_IS_OFD;
	case PROC_LOCK_LEASE:
		return LOCK_IS_LEASE;
	case PROC_LOCK_DELEG:
	case PROC_LOCK_ACCESS:
		break;
	}
	return 0;
}

static uint32_t type_of(enum proc_lock_type type)
{
	switch (type) {
	case PROC_LOCK_READ:
		return F_RDLCK;
	case PROC_LOCK_WRITE:
	case PROC_LOCK_RW:
		return F_WRLCK;
	case PROC_LOCK_UNLOCK:
	case PROC_LOCK_NONE:
		break;
	}
	return F_UNLCK;
}

/* What the lease becomes: /proc shows something else while it is being broken. */
static int lease_type(struct collect *c, const struct held_lock *h, uint32_t *ret)
{
	scoped(fd_close) int fd = -EBADF;
	int r = file_borrow_fd(h->file, &fd);

	if (r == 0)
		r = sys_fcntl(fd, F_GETLEASE, 0);
	if (r < 0)
		return report_fail(c->report, r, "cannot read its lease");
	*ret = (uint32_t)r | LEASE_BREAKING;
	return 0;
}

static int lock_write(struct collect *c, const struct held_lock *h, struct image_writer *w)
{
	FileLockEntry e = FILE_LOCK_ENTRY__INIT;
	int r = 0;

	REPORT_FRAME(c->report, "task %d: fd %d", h->task->host_pid, h->fd);
	e.flag = flag_of(h->lock.kind);
	e.type = type_of(h->lock.type);
	e.pid = h->task->pid;
	e.fd = h->fd;
	e.start = (int64_t)h->lock.start;
	e.len = h->lock.end == UINT64_MAX ? 0 : (int64_t)(h->lock.end - h->lock.start + 1);
	if (h->lock.kind == PROC_LOCK_LEASE && h->lock.lease != PROC_LEASE_ACTIVE)
		r = lease_type(c, h, &e.type);
	if (!e.flag)
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_LOCKS,
				     "has a lock that a file server set");
	return r < 0 ? r : image_write(w, &e.base);
}

static int locks_write(struct collect *c, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct image_error err = { 0 };
	int r;

	if (!c->locks.n)
		return 0;
	r = image_writer_create(out->dir, IMAGE_FILE_LOCKS, IMAGE_ONE, &err, &w);
	vec_for_each(h, &c->locks) {
		if (r < 0)
			break;
		r = lock_write(c, h, w);
	}
	if (r == 0)
		r = image_writer_finish(w);
	return r < 0 && !report_first(c->report) ? images_write_failed(c->report, r, &err) : r;
}

/* ---- load ---- */

static bool lock_is_possible(const FileLockEntry *e)
{
	uint32_t type = e->flag == LOCK_IS_LEASE ? e->type & ~(uint32_t)LEASE_BREAKING : e->type;

	return (e->flag == LOCK_IS_POSIX || e->flag == LOCK_IS_FLOCK || e->flag == LOCK_IS_OFD ||
		e->flag == LOCK_IS_LEASE) &&
	       (type == F_RDLCK || type == F_WRLCK || type == F_UNLCK) && e->pid > 0 &&
	       e->fd >= 0 && e->start >= 0 && e->len >= 0;
}

static int locks_load(struct model *m, struct load_images *in)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct image_error err = { 0 };
	struct locks *all = locks_of(m);
	ProtobufCMessage *msg;
	int r = all ? image_reader_open(in->dir, IMAGE_FILE_LOCKS, IMAGE_ONE, &err, &reader)
		    : -ENOMEM;

	if (r == -ENOENT)
		return 0;
	while (r >= 0 && (r = image_read(reader, &in->arena, &msg)) > 0) {
		const FileLockEntry *e = (const FileLockEntry *)msg;

		r = lock_is_possible(e)
			    ? vec_push(all, (struct lock){ .flag = e->flag,
							   .type = e->type,
							   .pid = e->pid,
							   .fd = e->fd,
							   .start = e->start,
							   .len = e->len })
			    : image_reader_fail(reader, -EUCLEAN,
						"a lock of kind %u, type %u, of task %d: not "
						"possible",
						e->flag, e->type, e->pid);
	}
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}

/* ---- restore ---- */

static int taken(struct env *env, int r, const struct lock *l)
{
	REPORT_FRAME(env->report, "fd %d", l->fd);
	if (r == -EAGAIN || r == -EACCES || r == -EBUSY)
		return report_refuse(env->report, -EBUSY, CODE_LOCK_TAKEN,
				     "the lock on its file is held by somebody else");
	return r < 0 ? report_fail(env->report, r, "cannot set its lock") : 0;
}

static struct flock range_of(const struct lock *l)
{
	return (struct flock){
		.l_type = (short)l->type, .l_whence = SEEK_SET, .l_start = l->start, .l_len = l->len
	};
}

/* Somebody opens it, and does not wait. */
static int lease_break(struct env *env, const struct file *f, const struct lock *l)
{
	struct f_owner_ex nobody = { .type = F_OWNER_PID, .pid = 0 };
	unsigned how = (l->type & ~(uint32_t)LEASE_BREAKING) == F_UNLCK ? O_WRONLY : O_RDONLY;
	int r = sys_fcntl_ptr(l->fd, F_SETOWN_EX, &nobody), fd;

	if (r < 0)
		return r;
	fd = env_reopen(env, l->fd, how | O_NONBLOCK);
	fd_close(fd);
	if (fd != -EAGAIN)
		return fd < 0 ? fd : -EBUSY; /* it did not conflict with the lease */
	return env_apply_owner(env, f, l->fd);
}

static int lease_set(struct env *env, const struct file *f, const struct lock *l)
{
	bool breaking = l->type & LEASE_BREAKING;
	int before = (f->flags & O_ACCMODE) == O_RDONLY ? F_RDLCK : F_WRLCK;
	int r = sys_fcntl(l->fd, F_SETLEASE, (unsigned long)(breaking ? before : (int)l->type));

	if (r < 0)
		return r;
	return breaking ? lease_break(env, f, l) : 0;
}

static int lock_set(struct env *env, const struct lock *l)
{
	const struct file *f = fdtable_find(env->task->fdtable, l->fd);
	struct flock range = range_of(l);
	int r = 0;

	if (!f)
		return report_refuse(env->report, -EUCLEAN, CODE_IMAGE_DAMAGED,
				     "a lock through descriptor %d, which it does not have", l->fd);
	if (l->flag == LOCK_IS_FLOCK && l->type != F_UNLCK)
		r = sys_flock(l->fd, (l->type == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB);
	else if (l->flag == LOCK_IS_OFD)
		r = sys_fcntl_ptr(l->fd, F_OFD_SETLK, &range);
	else if (l->flag == LOCK_IS_LEASE)
		r = lease_set(env, f, l);
	return taken(env, r, l);
}

static int locks_early(struct env *env, struct thread *th, void *part)
{
	struct locks *all = locks_of(env->model);

	(void)part;
	if (!all)
		return report_fail(env->report, -ENOMEM, "cannot set its locks");
	vec_for_each(l, all) {
		int r = l->pid == th->task->pid ? lock_set(env, l) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int locks_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	struct locks *all = locks_of(env->model);

	(void)part;
	if (!all)
		return report_fail(env->report, -ENOMEM, "cannot set its locks");
	vec_for_each(l, all) {
		struct flock range = range_of(l);
		struct piece piece;

		if (l->pid != th->task->pid || l->flag != LOCK_IS_POSIX)
			continue;
		piece = program_put(p, &range, sizeof(range));
		program_must(p, SYS_fcntl, ARGS(l->fd, F_SETLK, arg_at(piece)));
		program_note(p, "locking the file at fd %d", l->fd);
	}
	return 0;
}

/* The engine's allocator wants something; locks are found by their task. */
struct locks_part {
	char nothing;
};

const struct task_kind task_kind_locks = {
	.name = "locks",
	.about = "locks on files: flock, POSIX, OFD, leases (--file-locks)",
	.owner = PART_TASK,
	.size = sizeof(struct locks_part),
	.write = locks_write,
	.load = locks_load,
	.early = locks_early,
	.last = locks_last,
	.extra_done = locks_done,
};
