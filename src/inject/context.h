#pragma once
/*
 * A context: what a thread computes with and nothing else has: general registers, FPU and vector
 * state, blocked signals. Read from stopped threads with ptrace(2), put back the same way, or
 * returned into by rt_sigreturn through a frame.
 *
 * Not here: segment bases in frames (arch_prctl sets them), the alternate signal stack, rseq
 * registration.
 */
#include <sys/types.h>
#include <sys/user.h>

#include "base/scope.h"
#include "inject/batch.h"

struct mem_remote;

struct context {
	struct user_regs_struct regs;
	uint64_t sigmask;      /* bit N-1 is signal N */
	size_t xstate_len;     /* 0: none (then frames bring initial state) */
	unsigned char *xstate; /* owned; standard (not compacted) XSAVE layout on x86 */
};

/* Zeroed, with room for xstate_len bytes; NULL when out of memory. Owned by the caller. */
struct context *context_new(size_t xstate_len) nodiscard;
void context_free(struct context *ctx);
SCOPED(struct context *, context_free);

/*
 * Reads the context of a thread that is stopped by us (PTRACE_STOP_TRAP or _GROUP), as it was, an
 * interrupted system call included: exactly what context_restore() must put back. One thing is
 * changed: a thread stopped inside a restartable sequence (rseq(2)) is moved to the abort code, as
 * the kernel does with threads that lose the CPU there, because it could not know any more once
 * other code has run in between. mem: the task's memory.
 *
 * -ENOTSUP: 32-bit, or has a shadow stack or system call user dispatch; -ESRCH: gone; -ENOMEM.
 */
int context_save(pid_t tid, struct mem_remote *mem, struct context **ret) nodiscard;

/*
 * Puts registers and blocked signals of a thread stopped by us back as they were; the FPU state is
 * not touched. When the thread runs on, the kernel restarts what it had interrupted. -ESRCH.
 */
int context_restore(pid_t tid, const struct context *ctx) nodiscard;

/*
 * Makes the context fit for images and frames: an interrupted system call is made again from user
 * mode, or ends with EINTR (nanosleep, poll and futex with relative time-outs).
 */
void context_settle(struct context *ctx);
/*
 * The same for a thread that has a signal pending which it does not block and handles: when the
 * kernel delivers it before the thread does anything, calls that a handler ends (pause, select, and
 * without SA_RESTART most others) must give EINTR, not begin again.
 */
void context_settle_signalled(struct context *ctx, bool sa_restart);

/*
 * Adds a frame that brings ctx back to a program's area, for program_return(). Settles a copy; ctx
 * stays as it is.
 */
struct arg context_frame(const struct context *ctx, struct program *p);
