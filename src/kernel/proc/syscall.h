#pragma once
/* /proc/PID/syscall: in which system call a thread is blocked, without stopping it. */
#include "kernel/proc/dir.h"

struct proc_syscall {
	bool running; /* not blocked: nothing else is known */
	int64_t nr;   /* -1: blocked, but not in a system call (a page fault) */
	uint64_t args[6];
	uint64_t sp, ip;
};

/* -EINVAL on damage. */
int proc_syscall_parse(const char *text, size_t len, struct proc_syscall *ret) nodiscard;
/* -ENOENT: the kernel was built without it; -EPERM: no right to ptrace the thread. */
int proc_syscall_read(const struct proc_pid *p, struct proc_syscall *ret) nodiscard;
