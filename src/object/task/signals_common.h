#pragma once
/*
 * Queues of pending signals, those of a thread and those shared by its task: read from outside
 * without taking them (PTRACE_PEEKSIGINFO), queued again from inside with every byte of their
 * siginfo (rt_sigqueueinfo(2), rt_tgsigqueueinfo(2); to itself a thread may claim any origin).
 *
 * They are read after the task was asked its questions, so that a timer which fires in between is
 * seen here, and while all signals are still blocked by whatever blocked them.
 */
#include <signal.h>

#include "base/vec.h"
#include "kernel/ptrace.h"
#include "object/collect.h"

struct SignalQueueEntry;
struct program;

struct signal_queue {
	VEC(siginfo_t);
};

/*
 * Reads a queue of a stopped thread. `pending` are the signals that status shows as pending in it:
 * those that the kernel could not queue an entry for get one as it would deliver them.
 * *ret_pending: all that are in it now. Reported.
 */
int signal_queue_collect(struct collect *c, const struct thread *th, enum ptrace_queue which,
			 uint64_t pending, struct signal_queue *q, uint64_t *ret_pending) nodiscard;
/* The message, in the arena; NULL when out of memory. */
struct SignalQueueEntry *signal_queue_encode(const struct signal_queue *q, struct arena *arena);
/* e may be NULL: an empty queue. -EUCLEAN for what no queue can hold, -ENOMEM. */
int signal_queue_decode(const struct SignalQueueEntry *e, struct signal_queue *q) nodiscard;
/* Steps that queue them, in order, for the thread that runs the program. */
void signal_queue_late(const struct signal_queue *q, enum ptrace_queue which, struct program *p);
