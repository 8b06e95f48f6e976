#pragma once
/*
 * /proc/PID/status and /proc/PID/task/TID/status: credentials, signal masks, numbers in nested pid
 * namespaces. Memory sizes other than the shared and locked ones are left out (stat has them).
 */
#include "kernel/proc/dir.h"

#define PROC_PID_LEVELS 33 /* the reader's namespace and at most 32 below it */

/* A task's numbers, outermost (the reader's) first. */
struct proc_ns_ids {
	pid_t id[PROC_PID_LEVELS];
	unsigned n; /* 0 when the kernel does not say */
};

struct proc_caps {
	uint64_t inheritable, permitted, effective, bounding, ambient;
};

struct proc_status {
	char name[256]; /* with awkward bytes escaped, as the kernel prints it */
	uint32_t umask; /* 0xffffffff when the task has no fs any more */
	char state;
	pid_t tgid, pid, ppid, tracer;
	uint32_t uid[4], gid[4]; /* real, effective, saved, fs; as the reader's user ns sees them */
	uint32_t *groups;        /* owned, n_groups of them */
	size_t n_groups;
	struct proc_ns_ids ns_tgid, ns_pid, ns_pgid, ns_sid;
	bool kthread;
	uint64_t vm_locked, rss_shmem; /* bytes */
	unsigned threads;
	uint64_t sig_pending, sig_shared_pending;
	uint64_t sig_blocked, sig_ignored, sig_caught; /* bit N-1 is signal N */
	struct proc_caps caps;
	bool no_new_privs;
	unsigned seccomp; /* 0 off, 1 strict, 2 filter */
	unsigned seccomp_filters;
	bool core_dumping;
	bool thp_enabled; /* false after PR_SET_THP_DISABLE */
	bool has_umask, has_seccomp_filters, has_thp_enabled;
};

/*
 * Parses the text. The caller owns *ret on success (proc_status_done). -EINVAL on damaged values or
 * when one of the lines every supported kernel has is missing; unknown lines are passed over.
 */
int proc_status_parse(const char *text, size_t len, struct proc_status *ret) nodiscard;
/* Reads and parses it; -ESRCH when the task is gone. */
int proc_status_read(const struct proc_pid *p, struct proc_status *ret) nodiscard;
void proc_status_done(struct proc_status *st);
SCOPED_OBJECT(struct proc_status, proc_status_done);
