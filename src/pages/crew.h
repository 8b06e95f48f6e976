#pragma once
/*
 * A crew: a few threads that do one job together and are gone when it is done.
 *
 * A thread takes a number from the pid namespace. crew_run() comes back only when the numbers are
 * free again, so that a restore may hand them to others; while it runs they are taken.
 */
#include "base/base.h"

/* The most threads a crew may have. More do not help: writes to one file take turns. */
#define CREW_MAX 16

/*
 * How many threads are worth it for so many bytes: 1 for a small job, never more than the CPUs that
 * we may run on or than `limit` (0: no limit of the caller's).
 */
unsigned crew_size(uint64_t bytes, unsigned limit);

/*
 * Runs work(arg) in n threads, the caller's among them, and waits for all. Threads that cannot be
 * had (EAGAIN) are done without: the job is what they share in arg, not a part for each. All
 * signals are blocked in the added ones.
 * 0, or the first negative answer of `work`.
 */
int crew_run(unsigned n, int (*work)(void *arg), void *arg) nodiscard;
