#pragma once
/*
 * A seized thread being driven: let run, waited for, parked again. Needs PTRACE_O_TRACESYSGOOD.
 * What the outside world does to it meanwhile (SIGSTOP, SIGCONT) passes through and keeps its
 * meaning for afterwards; being killed is -ESRCH everywhere.
 */
#include "kernel/ptrace.h"

enum tracee_run {
	TRACEE_RUN,        /* until a signal comes */
	TRACEE_TO_SYSCALL, /* or to the next entry or exit of a system call */
};

/* Lets it run, delivering sig (0: none). */
int tracee_resume(pid_t tid, enum tracee_run how, int sig) nodiscard;
/*
 * Waits until it stops for a signal or, if it was so resumed, a system call; resumes it the same
 * way from stops that have another reason. A SIGSTOP is let through. -ETIMEDOUT: it still runs.
 */
int tracee_wait(pid_t tid, enum tracee_run how, usec_t timeout, struct ptrace_stop *ret) nodiscard;

/*
 * From any stop: brings it to a TRAP or GROUP stop without an instruction of user code being
 * executed. A signal it was about to get is dropped. In these stops, as in those of a freeze,
 * registers of an interrupted system call have their effect when it runs on.
 */
int tracee_park(pid_t tid, usec_t timeout) nodiscard;
/* The same for one that runs. A signal that it gets meanwhile is delivered. */
int tracee_halt(pid_t tid, usec_t timeout) nodiscard;

/*
 * Lets it run until it has come back from rt_sigreturn(2), and parks it there, before the first
 * instruction of the context it returned to. For threads that end a program.
 */
int tracee_park_at_return(pid_t tid, usec_t timeout) nodiscard;
