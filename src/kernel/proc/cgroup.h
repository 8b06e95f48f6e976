#pragma once
/* /proc/PID/cgroup: where a task (or thread) is in every hierarchy of control groups. */
#include "kernel/proc/dir.h"

struct proc_cgroup {
	uint32_t hierarchy;      /* number of a version 1 hierarchy; 0 is the unified one */
	struct span controllers; /* "cpu,cpuacct", "name=systemd", "" for the unified one */
	struct span path;        /* seen from the reader's cgroup namespace: may begin "/.." */
	bool deleted;            /* the group is gone, the task lives on in it */
};

/*
 * The next line of *s (scan_over() the text): 1 and *ret, whose spans are borrowed; 0 at the end;
 * -EINVAL on damage.
 */
int proc_cgroup_next(struct scan *s, struct proc_cgroup *ret) nodiscard;
/* Reads the file into *text. -ENOENT: no control groups in this kernel; -ESRCH: gone. */
int proc_cgroup_read(const struct proc_pid *p, struct proc_text *text) nodiscard;
