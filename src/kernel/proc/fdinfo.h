#pragma once
/*
 * Open descriptors of a task: /proc/PID/fdinfo/N, /proc/PID/fd/N and their listing. What every
 * descriptor has is parsed here; the lines that only one kind of file has go to that kind.
 */
#include "kernel/proc/dir.h"

struct proc_fdinfo {
	uint64_t pos;
	uint32_t flags; /* O_*; O_CLOEXEC is that of this descriptor, the rest of the open file */
	int mnt_id;     /* -1 when the kernel does not say (before 3.15) */
	uint64_t ino;   /* 0 when the kernel does not say (before 5.14) */
};

/*
 * One further line: key up to the first colon or blank, value what follows ("" when nothing does).
 * "tfd:  5 events: 19 ..." is ("tfd", "5 events: 19 ..."), "inotify wd:1 ..." is ("inotify",
 * "wd:1 ..."). Both strings last for the call only. A negative answer ends the parse with it.
 */
typedef int (*proc_fdinfo_fn)(void *ctx, const char *key, const char *value);

/*
 * Parses text of len bytes, text[len] writable too: lines are cut in place. line may be NULL. The
 * four common values are complete only at the end, not yet while line() is called. -EINVAL when pos
 * or flags is missing or damaged, or what line() answered.
 */
int proc_fdinfo_parse(char *text, size_t len, proc_fdinfo_fn line, void *ctx,
		      struct proc_fdinfo *ret) nodiscard;
/*
 * Reads and parses /proc/PID/fdinfo/FD. -ENOENT when the task has no such descriptor, -ESRCH when
 * it is gone. A buffer for large ones (epoll with many entries) may be passed for reuse, or NULL.
 */
int proc_fdinfo_read(const struct proc_pid *p, int fd, struct proc_text *text, proc_fdinfo_fn line,
		     void *ctx, struct proc_fdinfo *ret) nodiscard;

/* The task's descriptor numbers, ascending. */
int proc_fds_read(const struct proc_pid *p, struct proc_numbers *ret) nodiscard;
/* The text of /proc/PID/fd/N: a path, "pipe:[INO]", "socket:[INO]", "anon_inode:NAME"... */
ssize_t proc_fd_link(const struct proc_pid *p, int fd, char *buf, size_t room) nodiscard;
/* fstat(2) of the open file without fetching it. */
int proc_fd_stat(const struct proc_pid *p, int fd, struct stat *ret) nodiscard;
