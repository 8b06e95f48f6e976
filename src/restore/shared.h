#pragma once
/*
 * What the coordinator and the processes of the half-built tree share: a block of memory with the
 * stage machine, and a pipe through which a task's report reaches the coordinator.
 */
#include <sys/types.h>

#include "base/base.h"

enum stage {
#define STAGE(name, who, what) STAGE_##name,
#include "restore/stages.def"
#undef STAGE
	STAGE_MAX,
};

struct shared_task {
	uint64_t area_at; /* where the task maps its area; 0 until its programs are written */
	uint64_t area_size;
};

struct shared_counts {
	uint64_t restored, compared, skipped_cow; /* pages */
};

struct shared {
	uint32_t stage;   /* futex: tasks may do this stage; written by the coordinator only */
	uint32_t arrived; /* futex: tasks at the end of the current stage */
	uint32_t failed;  /* tasks that gave up; they have sent their report before */
	uint32_t n_tasks;
	int coordinator; /* a pidfd of it: the same number in the coordinator and all tasks */
	struct shared_counts counts;
	struct shared_task tasks[]; /* by build.slot */
};

/* The name of a stage, for the log. */
const char *stage_name(enum stage s);

/* A fresh shared block for n tasks, mapped in us, the coordinator, and in all children forked
 * later, which inherit the pidfd of us (borrowed). */
int shared_new(unsigned n, int coordinator, struct shared **ret) nodiscard;
void shared_free(struct shared *s);

/* In a task: says that it finished `s` and waits until the coordinator opens the next one.
 * -ECANCELED when the restore was given up. Does not return when the coordinator dies. */
int stage_finish(struct shared *s, enum stage done) nodiscard;

/* In a task: it cannot go on; wakes the coordinator, and waits to be killed or for its death. */
_Noreturn void stage_fail(struct shared *s);

/* In the coordinator: opens `next` for everybody and clears the count. */
void stage_open(struct shared *s, enum stage next);

/*
 * In the coordinator: waits until `n` tasks finished the current stage. `alive` is asked now and
 * then: it gives 0 while all is well, -errno (reported) when somebody is gone. -ECANCELED when a
 * task failed.
 */
int stage_wait(struct shared *s, unsigned n, int (*alive)(void *arg), void *arg) nodiscard;
