#pragma once
/*
 * /proc/PID/ns: the namespaces of a task (or thread) by inode number. A number names one namespace
 * as long as that lives; the initial ones have fixed numbers, but "same as mine" and "the initial
 * one" are different questions.
 */
#include "kernel/proc/dir.h"

enum proc_ns {
#define PROC_NS(name, link, flag, since) PROC_NS_##name,
#include "kernel/proc/ns.def"
#undef PROC_NS
	PROC_NS_MAX,
};

/* "pid", "time_for_children"... */
const char *proc_ns_link(enum proc_ns ns);
/* CLONE_NEW* of its type. */
int proc_ns_flag(enum proc_ns ns);

/* Parses a link's text ("net:[4026531840]"); the type must be that of ns. -EINVAL. */
int proc_ns_parse(const char *text, size_t len, enum proc_ns ns, uint64_t *ret_ino) nodiscard;
/*
 * The inode number. -ENOENT: this kernel has no such namespaces, or (pid_for_children) nobody has
 * been born there yet; -ESRCH: the task is gone, or a zombie, which keeps only its pid and user
 * namespaces.
 */
int proc_ns_read(const struct proc_pid *p, enum proc_ns ns, uint64_t *ret_ino) nodiscard;
/* Opens it, for setns(2) or NS_GET_*; close-on-exec. Errors as above. */
int proc_ns_open(const struct proc_pid *p, enum proc_ns ns) nodiscard;
