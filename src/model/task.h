#pragma once
/*
 * Tasks and threads, and the objects they refer to. A task is a process (thread group); whatever
 * tasks can share (mm, fs, files, sighand, namespaces) is an object of its own. State that kinds
 * own hangs off `parts`, one pointer for every row of the `task` family, allocated by the row's
 * size.
 */
#include <sys/types.h>

#include "base/list.h"
#include "base/vec.h"
#include "model/file.h"
#include "model/ids.h"
#include "model/mm.h"

enum task_state { TASK_ALIVE = 1, TASK_DEAD = 2, TASK_STOPPED = 3 };

/* A namespace as the tree sees it. */
enum ns_place {
	NS_OURS,   /* the one stasis itself lives in */
	NS_ROOTS,  /* the root task's, different from ours: dumped with the tree */
	NS_NESTED, /* a descendant's, different from the root task's */
};

struct ns {
	enum ns_type type;
	enum ns_place place;
	uint32_t id;       /* in images, from 1; shared counter of all types */
	uint64_t ino;      /* of /proc/PID/ns/<type> */
	struct task *task; /* the first task found in it */
};

/* cwd, root, umask: an fs_struct. */
struct fs {
	uint32_t id;
	struct task *owner;
	unsigned users;
	struct file *cwd, *root;
	uint32_t umask;
};

/* The table of signal actions. Its contents are a part (family task, owner SIGHAND). */
struct sighand {
	uint32_t id;
	struct task *owner;
	unsigned users;
	void **parts;
	/* Dump, once the actions are known: signals with a handler, and of these the ones whose
	 * handlers let interrupted system calls go on (SA_RESTART). Bit N-1 is signal N. */
	uint64_t caught, restarts;
};

struct context;

struct thread {
	struct list link; /* task->threads, the leader first */
	struct task *task;
	pid_t tid;      /* in the tree's pid namespace */
	pid_t host_tid; /* as stasis sees it; dump and after restore */
	void **parts;   /* owner THREAD */
	struct context
		*context; /* registers, FPU state, blocked signals (inject/context.h); owned */
	void *live;       /* dump: what is held of the live thread (object/collect.h) */
	uint64_t pending; /* dump: signals that are pending for it alone */
};

struct task {
	struct list link;    /* model->tasks, parents first */
	struct list sibling; /* parent->children */
	struct list children;
	struct task *parent; /* NULL: the root of the tree */
	enum task_state state;
	pid_t pid, ppid, pgid, sid; /* in the tree's pid namespace */
	pid_t host_pid;
	int exit_code;  /* wait status of a dead task */
	int stop_signo; /* of a stopped one */
	bool is_helper; /* restore: exists only while the tree is being built */
	bool stopped_by_ptrace;
	struct file *ctty; /* restore: the terminal it takes as leader of its session, or NULL */
	pid_t ctty_pgrp;   /* restore: the foreground group there, 0 none */

	struct list threads;
	unsigned n_threads;
	struct mm *mm; /* all NULL for dead tasks */
	struct fdtable *fdtable;
	struct fs *fs;
	struct sighand *sighand;
	struct ns *ns[NS_MAX];              /* NULL: the kernel has no such namespace */
	struct ns *ns_for_children[NS_MAX]; /* pid and time only */
	uint32_t kobj_id[KOBJ_MAX];         /* vm, fs, files, sighand, io, sysvsem; 0 unknown */
	void **parts;                       /* owner TASK */
	void *live;             /* dump: what is held of the live task (object/collect.h) */
	uint64_t pending;       /* dump: signals that are pending for any of its threads */
	struct tree_plan *tree; /* restore: how it and its children come to be (plan.h), owned */
	void *build;            /* restore: what is known while it is being built (object/env.h) */
};

#define task_for_each(var, m)   list_for_each(var, &(m)->tasks, link)
#define thread_for_each(var, t) list_for_each(var, &(t)->threads, link)

static inline struct thread *task_leader(const struct task *t)
{
	assert(!list_is_empty(&t->threads));
	return list_entry(t->threads.next, struct thread, link);
}
