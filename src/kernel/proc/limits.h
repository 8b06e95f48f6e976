#pragma once
/* /proc/PID/limits: the resource limits of a task, readable without CAP_SYS_RESOURCE. */
#include "kernel/proc/dir.h"

#define PROC_LIMITS 16 /* RLIMIT_CPU to RLIMIT_RTTIME */

struct proc_limit {
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct proc_limits {
	struct proc_limit limit[PROC_LIMITS]; /* indexed by RLIMIT_* */
};

/* -EINVAL on damage or when one of the 16 is missing; unknown lines are passed over. */
int proc_limits_parse(const char *text, size_t len, struct proc_limits *ret) nodiscard;
int proc_limits_read(const struct proc_pid *p, struct proc_limits *ret) nodiscard;
