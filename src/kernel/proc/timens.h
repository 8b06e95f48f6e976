#pragma once
/* /proc/PID/timens_offsets: the clock offsets of the time namespace for a task's children. */
#include <time.h>

#include "kernel/proc/dir.h"

struct proc_timens {
	struct timespec monotonic, boottime; /* nanoseconds never negative */
};

/* -EINVAL on damage; clocks that do not appear have offset 0. */
int proc_timens_parse(const char *text, size_t len, struct proc_timens *ret) nodiscard;
/* -ENOENT: a kernel without time namespaces. */
int proc_timens_read(const struct proc_pid *p, struct proc_timens *ret) nodiscard;
