#pragma once
/* A task of the tests, stopped the way a dump stops it. Asserts on trouble. */
#include "inject/infect.h"
#include "unit/inject/target.h"

struct frozen_thread {
	pid_t tid;
	struct proc_pid proc;
	struct proc_status status;
	struct context *context;
};

struct frozen {
	pid_t pid;
	struct proc_pid proc;
	struct mem_remote mem;
	struct frozen_thread *threads;
	unsigned n;
};

/* Seizes and stops every thread, reads their status and contexts. -ESRCH when it is gone. */
int frozen_stop(pid_t pid, struct frozen *ret);
/* Lets all go. */
void frozen_release(struct frozen *f);
/* Infects: programs[i] for thread i, may be NULL. */
int frozen_infect(struct frozen *f, struct foothold_cache *cache, struct batch *b,
		  struct program **programs);

/* ---- the target ---- */

struct target {
	pid_t pid;
	struct target_board *board;
};

/* Starts it with these jobs, waits until all threads work. */
struct target target_start(const char *jobs);
/* Asserts that it lives, that every thread gets on, and that nothing was noticed. */
void target_check(struct target *t);
/* The same as a bool; says what is wrong on stderr. */
bool target_is_well(struct target *t);
void target_stop(struct target *t);
/* The thread with this job, as index in f->threads. */
unsigned target_thread(const struct target *t, char job);
