#pragma once
/* /proc/PID/task and /proc/PID/task/TID/children: the threads of a task, the children of a thread.
 */
#include "kernel/proc/dir.h"

/* The tids of a task, ascending; the leader's is the pid. A zombie's leader is still listed. */
int proc_tasks_read(const struct proc_pid *task, struct proc_numbers *ret) nodiscard;

/*
 * Appends the pids of the children that thread tid forked to *ret. Complete only while the children
 * do not end: the kernel may skip some when one is reaped meanwhile. -ENOENT in kernels without
 * CONFIG_PROC_CHILDREN, -ESRCH when the thread is gone.
 */
int proc_children_read(const struct proc_pid *task, pid_t tid, struct proc_text *text,
		       struct proc_numbers *ret) nodiscard;
