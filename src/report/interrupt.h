#pragma once
/*
 * SIGINT, SIGTERM and SIGHUP during an operation: they are blocked while it runs, looked at between its steps, and turned
 * into a finding, so that nothing is left half done.
 */
#include <signal.h>

#include "report/report.h"

struct interrupt {
	sigset_t before; /* what was blocked before */
};

/* Blocks them. */
void interrupt_begin(struct interrupt *i);
/* -EINTR, reported as E-INTERRUPTED, when one of them is waiting; else 0. */
int interrupt_check(struct report *rep) nodiscard;
/* Takes away what is waiting and unblocks: the operation is over, one way or the other. */
void interrupt_end(const struct interrupt *i);
