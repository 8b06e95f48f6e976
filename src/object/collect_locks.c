/*
 * Locks on files as they are met: in the fdinfo of every descriptor, also of those whose file is
 * known already. What becomes of them is the business of the kind `locks`.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "object/collect.h"

int collect_lock_line(void *ctx, const char *key, const char *value)
{
	struct collect *c = ctx;
	struct held_lock h = { .fd = -1 };

	/* An empty line: its owner is not visible from here (Linux < 4.19). */
	if (strcmp(key, "lock") != 0 || !*value)
		return 0;
	if (proc_lock_parse(value, strlen(value), &h.lock) < 0)
		return -EINVAL;
	return h.lock.waits ? 0 : vec_push(&c->locks, h);
}

static bool lock_is_same(const struct held_lock *a, const struct held_lock *b)
{
	return a->task->fdtable == b->task->fdtable && a->file->dev == b->file->dev &&
	       a->lock.ino == b->lock.ino && a->lock.start == b->lock.start &&
	       a->lock.end == b->lock.end && a->lock.type == b->lock.type;
}

/*
 * Whether to keep a lock seen through a descriptor. Locks of open files are told of where the file
 * is met first. Locks of a task show through each of its descriptors of the inode: kept once, with
 * a descriptor that it can be set through again.
 */
static bool lock_is_wanted(const struct collect *c, size_t n_known, const struct held_lock *h,
			   bool fresh)
{
	unsigned access = h->file->flags & O_ACCMODE;

	if (h->lock.kind != PROC_LOCK_POSIX)
		return fresh;
	if (access == (h->lock.type == PROC_LOCK_WRITE ? O_RDONLY : O_WRONLY))
		return false;
	for (size_t i = 0; i < n_known; i++)
		if (c->locks.at[i].lock.kind == PROC_LOCK_POSIX && lock_is_same(&c->locks.at[i], h))
			return false;
	return true;
}

int collect_locks_keep(struct collect *c, size_t first, struct task *t, int fd, struct file *f,
		       bool fresh)
{
	size_t kept = first;

	if (c->locks.n > first && f && !c->policy->file_locks) {
		c->locks.n = first;
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_LOCKS,
				     "a lock is held on its file");
	}
	if (c->locks.n > first && f && f->fd == FILE_USER_QUEUE)
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_LOCKS,
				     "a lock is held on a file that is in flight");
	for (size_t i = first; f && i < c->locks.n; i++) {
		struct held_lock h = c->locks.at[i];

		h.task = t;
		h.fd = fd;
		h.file = f;
		if (lock_is_wanted(c, kept, &h, fresh))
			c->locks.at[kept++] = h;
	}
	c->locks.n = kept;
	return 0;
}
