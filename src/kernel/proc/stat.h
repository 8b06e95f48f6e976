#pragma once
/* /proc/PID/stat and /proc/PID/task/TID/stat: one line of numbers about a task or thread. */
#include "kernel/proc/dir.h"

struct proc_stat {
	pid_t pid; /* of the reader's pid namespace, as are all ids here; 0 when outside of it */
	char comm[64];
	char state; /* R S D T t Z X I ... */
	pid_t ppid, pgrp, session;
	int tty_nr; /* dev_t of the controlling terminal, 0 for none */
	pid_t tty_pgrp;
	uint32_t flags; /* PF_*, kernel internal */
	int64_t priority, nice;
	int threads;
	uint64_t start_time; /* clock ticks since boot */
	uint64_t vsize;      /* bytes */
	uint64_t rss;        /* pages */
	int exit_signal;
	int processor;
	uint32_t rt_priority, policy;
	/* Of the mm; 0 without the right to ptrace the task. */
	uint64_t start_code, end_code, start_stack;
	uint64_t start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	int exit_code; /* in wait(2) form; 0 without the right to ptrace */
};

/* Whether the state says that the task has ended: zombie or dead. */
static inline bool proc_stat_is_dead(const struct proc_stat *st)
{
	return st->state == 'Z' || st->state == 'X' || st->state == 'x';
}

/* -EINVAL when the text is not such a line (Linux 3.5 and later). */
int proc_stat_parse(const char *text, size_t len, struct proc_stat *ret) nodiscard;
/* Reads and parses it; -ESRCH when the task is gone. */
int proc_stat_read(const struct proc_pid *p, struct proc_stat *ret) nodiscard;
