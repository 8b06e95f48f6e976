#pragma once
/*
 * A guard: a child of ours that does something if we die, by whatever signal, before it is
 * released. For changes to the world that outlive us and that only a living process can take back.
 */
#include <sys/types.h>

#include "base/base.h"

struct guard {
	pid_t pid; /* 0: none */
	int leash; /* the write end of its pipe: end of file is our death, a byte is its release */
};

/* What it does when we are dead. Runs in a child forked from us, with all signals blocked. */
typedef void (*guard_fn)(void *arg);

/* Starts one; arg is seen as it is now. 0 or the errno of pipe2(2) or fork(2). */
int guard_start(struct guard *g, guard_fn fn, void *arg) nodiscard;
/* From here on our death is nobody's business; waits until it has gone. Nothing when there is none.
 */
void guard_release(struct guard *g);
