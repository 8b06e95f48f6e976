#pragma once
/*
 * Files of /proc/PID and /proc/sys that hold one value: comm, loginuid, oom_score_adj,
 * timerslack_ns, personality, setgroups, attr/current; kernel/pid_max, kernel/ns_last_pid,
 * kernel/cap_last_cap...
 */
#include "kernel/proc/dir.h"

/* One word or line, its newline cut off. Gives the length. Errors of proc_file_read(). */
ssize_t proc_value_text(const struct proc_pid *p, const char *name, char *buf,
			size_t room) nodiscard;
/* One number: decimal with sign ("oom_score_adj"), or without in the base given. -EINVAL. */
int proc_value_i64(const struct proc_pid *p, const char *name, int64_t *ret) nodiscard;
int proc_value_u64(const struct proc_pid *p, const char *name, unsigned base,
		   uint64_t *ret) nodiscard;
/* Writes a value in one piece; the kernel's own error. */
int proc_value_set(const struct proc_pid *p, const char *name, const char *value) nodiscard;

/* The pure parts: all of the text but one newline is the number, blanks around it aside. */
int proc_i64_parse(const char *text, size_t len, int64_t *ret) nodiscard;
int proc_u64_parse(const char *text, size_t len, unsigned base, uint64_t *ret) nodiscard;

/* Below /proc/sys, of the namespaces of the caller: "kernel/pid_max". -ENOENT: no such setting. */
ssize_t proc_sysctl_text(const char *name, char *buf, size_t room) nodiscard;
int proc_sysctl_i64(const char *name, int64_t *ret) nodiscard;
int proc_sysctl_set(const char *name, const char *value) nodiscard;
