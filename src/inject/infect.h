#pragma once
/*
 * One batch inside one task: the interpreter comes in, every thread answers its questions, and
 * everything is put back.
 *
 *	borrow mmap -> write the area -> all threads run their programs -> read the answers
 *	            -> contexts back  -> borrow munmap
 *
 * A program's last two steps are `tgkill(itself, SIG)` and the return into its own context. SIG is
 * one of SIGWINCH, SIGURG and SIGCHLD: ignored by default and not caught by the task. While we
 * live, the thread stops there for us, and its registers are put back exactly as they were, so that
 * the kernel restarts an interrupted call as if nothing had been. When we are dead the signal is
 * ignored and the return brings the thread back: it heals itself from any point, at the price of
 * EINTR for sleeps with a relative time-out, and of the area, which stays mapped. All other signals
 * are blocked meanwhile and stay pending. A task without a signal to spare is driven from system
 * call to system call instead.
 *
 * Does not cover: 32-bit tasks, shadow stacks and system call user dispatch (context_save() refuses
 * them). A task with seccomp filters may be killed by them if we die while a program runs.
 */
#include "inject/batch.h"
#include "inject/context.h"
#include "inject/foothold.h"
#include "kernel/proc/status.h"

struct infect_thread {
	pid_t tid; /* stopped (TRAP or GROUP), seized with PTRACE_O_TRACESYSGOOD */
	/* Its own status file, read since it was stopped: signals, own numbers, seccomp. */
	const struct proc_status *status;
	const struct context *context; /* from context_save() */
	struct program *program; /* its questions, without an end; NULL: it is not disturbed */
};

struct infect {
	const struct proc_pid *proc;  /* the task */
	const struct proc_text *maps; /* its maps or smaps, read since it was stopped, or NULL */
	struct foothold_cache *cache; /* shared by all tasks of a dump */
	struct infect_thread *threads;
	unsigned n;     /* the leader first; at least one */
	usec_t timeout; /* for each borrowed call, and for all programs together */
};

enum infect_safety {
	INFECT_HEALED, /* at no time would our death have hurt the task */
	INFECT_PLAIN,  /* it lacks the code or memory for that: while mmap and munmap were borrowed,
			  one thread would have been lost */
};

/*
 * Runs the batch; programs of threads are ended here, and laid out. Gives an infect_safety and has
 * read the answers; a failed step of a program is an answer, too. Afterwards, also on failure, all
 * threads are stopped as before.
 *
 * -ESRCH: the task was killed; -ETIMEDOUT: a thread did not come to its end in time (the others
 * are back; that one heals itself when it is let go, and the area stays mapped); -ENOTSUP: no
 * system call instruction; what mmap(2) answers in the task (-ENOMEM, -EACCES, -EAGAIN); -EPERM: a
 * task with seccomp, and we may not suspend it; -EFAULT: a program crashed.
 */
int infect_run(const struct infect *in, struct batch *b) nodiscard;
