#pragma once
/*
 * /proc/PID/timers: the POSIX timers of a task. Their times are not here; the task itself must be
 * asked (timer_gettime, timer_getoverrun).
 */
#include "kernel/proc/dir.h"

struct proc_timer {
	int id;
	int signal;
	uint64_t value; /* sigev_value, as a pointer */
	int notify;   /* SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD; | SIGEV_THREAD_ID when tid is given
		       */
	pid_t target; /* the tid or the task's pid, in the reader's pid namespace; 0: outside of it
		       */
	int clock;    /* CLOCK_*, negative: a CPU clock of a task or thread, or a device's */
};

/* The next timer of *s: 1 and *ret; 0 at the end; -EINVAL on damage. */
int proc_timers_next(struct scan *s, struct proc_timer *ret) nodiscard;
/* Reads the file into *text. -ENOENT: the kernel was built without it. */
int proc_timers_read(const struct proc_pid *p, struct proc_text *text) nodiscard;
