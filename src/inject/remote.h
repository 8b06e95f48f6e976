#pragma once
/*
 * System calls borrowed from a stopped thread: it runs an instruction that it has mapped anyway.
 * Its text is never written to.
 *
 * To the thread a borrowed call looks like a signal handler whose whole code is "syscall; ret":
 *
 *	frame      ->  address of rt_sigreturn's call    where `ret` goes
 *	               context as it was, signal mask    what rt_sigreturn brings back
 *	rip        ->  syscall; ret
 *
 * So when we die at any point between the first change to its registers and the last, the thread
 * makes the call, returns into the frame and goes on where it was; all that can stay behind is the
 * call's effect. Signals are blocked only after the registers are set and unblocked before they are
 * set back, so that the frame's mask is right in each case; a handler that runs meanwhile has the
 * frame above it. Where the foothold lacks a part of this, calls are made all the same, and a
 * thread whose borrower dies meanwhile is lost (foothold_heals() tells before).
 *
 * What remains even so: while a call runs, a seccomp filter suspended for us
 * (PTRACE_O_SUSPEND_SECCOMP) becomes active again when we die, and may kill the thread for the
 * call.
 */
#include "inject/foothold.h"

struct remote {
	pid_t tid; /* stopped (TRAP or GROUP), seized with PTRACE_O_TRACESYSGOOD */
	struct mem_remote *mem;
	const struct context *context; /* of this thread, as saved */
	const struct foothold *foothold;
	usec_t timeout; /* for one step */

	/* private */
	unsigned char *old; /* what was where the frame is; owned */
	size_t old_len;
	bool is_changed; /* registers are not its own */
	bool is_running; /* did not come back from a call in time */
};

/* Prepares the frame. Only the fields above have to be set. remote_end() must follow. */
int remote_begin(struct remote *r) nodiscard;
/* One call; *ret is what the kernel answered (-errno included). -ESRCH: the thread was killed;
 * -ETIMEDOUT: the call blocks. */
int remote_syscall(struct remote *r, long nr, const uint64_t args[6], int64_t *ret) nodiscard;
/*
 * Puts everything back: memory, blocked signals, registers; the thread is stopped as before, and a
 * system call that it was in is restarted by the kernel when it runs on. May follow any failure.
 * -ETIMEDOUT: the thread could not be stopped; it heals itself when it runs on.
 */
int remote_end(struct remote *r) nodiscard;
