#pragma once
/* The dump context that kinds see, and what is held of live tasks while they are frozen. */
#include "base/undo.h"
#include "kernel/proc/dir.h"
#include "kernel/proc/locks.h"
#include "kernel/proc/stat.h"
#include "kernel/proc/status.h"
#include "model/identity.h"
#include "object/kinds.h"
#include "object/policy.h"
#include "report/report.h"

/* task->live. Descriptors are owned by dump/freeze. */
struct live_task {
	int pidfd;
	struct proc_pid proc;
};

/* thread->live. */
struct live_thread {
	struct proc_pid proc;
	struct proc_stat stat;     /* read when it stood still */
	struct proc_status status; /* likewise */
	uint64_t sigmask;          /* blocked signals as the freeze found them */
	int group_stop;            /* signal of the group stop it was found in, 0 when it ran */
};

/* A lock on a file, and a descriptor through which it is held. */
struct held_lock {
	struct task *task;
	int fd;
	struct file *file;
	struct proc_lock lock;
};

struct collect {
	struct model *model;
	struct report *report;
	const struct policy *policy;
	struct undo *undo;     /* reverses of what was changed outside of the tree */
	struct undo *hold;     /* reverses of what holds while the tree stands still: run when it goes
				* on, forgotten when it was killed */
	struct arena arena;    /* for what lives as long as the dump */
	struct identity files; /* open file descriptions met so far */
	struct map paths; /* (dev and use, ino) of mapped files, cwd, root, exe -> struct file */
	struct {
		VEC(struct held_lock);
	} locks;	       /* on files of the tree */
	struct proc_text text; /* a buffer for reading, reused */
};

static inline struct live_task *live_of(const struct task *t)
{
	return t->live;
}

static inline struct live_thread *live_thread_of(const struct thread *th)
{
	return th->live;
}

/*
 * The file behind descriptor `fd` of a task: the one met before (identity by kcmp), or a new one of
 * the kind that matches, collected and registered. *ret_cloexec is the slot's own flag. Reported.
 */
int collect_slot_file(struct collect *c, struct task *t, int fd, struct file **ret,
		      bool *ret_cloexec) nodiscard;

/*
 * The same for a descriptor of ours that was received from a queue: a file in flight, of task t if
 * nobody else has it open (f->fd is FILE_USER_QUEUE). fd is borrowed, and must stay open as long as
 * the dump when it became the file's own (f->queue_fd == fd). Reported.
 */
int collect_queue_file(struct collect *c, struct task *t, int fd, struct file **ret) nodiscard;

/* A process and a descriptor of it that is this file: for kcmp(2). fd is negative when no table has
 * it. */
struct handle file_handle(const struct file *f);

/*
 * Locks on files (collect_locks.c). A line of fdinfo (proc_fdinfo_fn, ctx is the struct collect):
 * a lock goes to the end of c->locks, first without its file. Then, with the file known: the locks
 * from `first` on are given it; those that were met before go. fresh: the file is met first.
 * Reported: E-FILE-LOCKS.
 */
int collect_lock_line(void *ctx, const char *key, const char *value) nodiscard;
int collect_locks_keep(struct collect *c, size_t first, struct task *t, int fd, struct file *f,
		       bool fresh) nodiscard;

/* The order of open file descriptions: kcmp(2) KCMP_FILE. For identity_init() of collect.files. */
int collect_file_cmp(void *ctx, struct handle a, struct handle b, int *ret_order);

/*
 * Borrows an open file description of the tree: gives a descriptor of ours for it (pidfd_getfd(2),
 * or an O_PATH one for mapped files, cwd, root and exe), close-on-exec, owned by the caller. -ESRCH
 * when the task is gone.
 */
int file_borrow_fd(const struct file *f, int *ret_fd) nodiscard;

/*
 * The file behind a path-like user of a task: FILE_USER_EXE, _CWD, _ROOT; FILE_USER_MAP with the
 * mapping v. Creates a file for it by the same kinds that descriptors have, or gives the one met
 * before. Reported.
 */
int collect_path_file(struct collect *c, struct task *t, enum file_user user, const struct vma *v,
		      struct file **ret) nodiscard;

/*
 * The shared segment behind an inode: the one known, or a fresh one that `t` maps at v->start. Its
 * size grows to cover every mapping seen. NULL when out of memory.
 */
struct shmem *collect_shmem(struct collect *c, struct task *t, const struct vma *v);
