#pragma once
/*
 * A task's or thread's directory under /proc, opened once: everything of it is then read with one
 * openat, read and close beneath it, and never from a stranger who got the same number later (a
 * directory of a reaped task answers -ESRCH for ever).
 *
 * Covers finding, listing and reading; the files' contents belong to their parsers.
 */
#include <sys/types.h>

#include "base/scope.h"
#include "base/vec.h"
#include "kernel/scan.h"

struct stat;
struct statx;

struct proc_pid {
	int dir;   /* /proc/PID or /proc/PID/task/TID; owned */
	pid_t pid; /* as numbered by the /proc it was opened in */
	pid_t tid; /* the thread, or 0 for the task as a whole */
};

#define PROC_PID_NONE ((struct proc_pid){ .dir = -EBADF })

/*
 * Opens /proc/PID (pid 0: the calling process). The caller owns *ret (proc_pid_done).
 * -ESRCH when there is no such task.
 */
int proc_pid_open(pid_t pid, struct proc_pid *ret) nodiscard;
/* The same beneath another procfs mount, given as a descriptor of its root (borrowed). */
int proc_pid_open_at(int procfs, pid_t pid, struct proc_pid *ret) nodiscard;
/* Opens /proc/PID/task/TID beneath an open task. Owned by the caller. -ESRCH when it is gone. */
int proc_tid_open(const struct proc_pid *task, pid_t tid, struct proc_pid *ret) nodiscard;
/* Closes; PROC_PID_NONE is fine and is what it leaves. */
void proc_pid_done(struct proc_pid *p);
SCOPED_OBJECT(struct proc_pid, proc_pid_done);

/*
 * Opens a file beneath the directory, close-on-exec; gives the descriptor. -ESRCH when the task is
 * gone, -ENOENT when this kernel has no such file.
 */
int proc_file_open(const struct proc_pid *p, const char *name, int flags) nodiscard;

/*
 * Reads a file that the kernel makes in one piece (stat, status, limits, fdinfo/N: anything but
 * lists) into buf, NUL-terminated; gives the length. -EFBIG when room is too small.
 */
ssize_t proc_file_read(const struct proc_pid *p, const char *name, char *buf,
		       size_t room) nodiscard;

/* Text of any length, reused from file to file. Zero-initialised is empty. */
struct proc_text {
	VEC(char); /* n without the NUL that follows */
};

/*
 * Reads a whole file of any length, list or not (maps, smaps, mountinfo, children), replacing what
 * *text held; at most PROC_TEXT_MAX bytes (-EFBIG). The kernel gives lists in bites of a page, each
 * consistent in itself only: a moving target may show an entry twice or not at all.
 */
int proc_text_read(const struct proc_pid *p, const char *name, struct proc_text *text) nodiscard;
/* The same from an open descriptor, from its current position. */
int proc_text_read_fd(int fd, struct proc_text *text) nodiscard;
void proc_text_done(struct proc_text *text);
SCOPED_OBJECT(struct proc_text, proc_text_done);

#define PROC_TEXT_MAX (1UL << 30)

/*
 * Reads a link's text (exe, cwd, root, fd/N, ns/net, map_files/A-B) into buf, NUL-terminated; gives
 * the length. -ENAMETOOLONG when it does not fit, -ESRCH, -ENOENT as above.
 */
ssize_t proc_link_read(const struct proc_pid *p, const char *name, char *buf,
		       size_t room) nodiscard;
/* stat(2) of what a link or file leads to (following a link). */
int proc_file_stat(const struct proc_pid *p, const char *name, struct stat *ret) nodiscard;

/* Numbers in the order the kernel lists them: ascending. */
struct proc_numbers {
	VEC(int);
};

/* Lists a directory of numbers ("fd", "task"), replacing what *ret held. Memory stays the caller's
 * (vec_done). -EINVAL when a name is no number. */
int proc_numbers_read(const struct proc_pid *p, const char *name,
		      struct proc_numbers *ret) nodiscard;
void proc_numbers_done(struct proc_numbers *n);
SCOPED_OBJECT(struct proc_numbers, proc_numbers_done);

/* Parses blank-separated numbers, as in /proc/PID/task/TID/children. Appends to *ret. */
int proc_numbers_parse(const char *text, size_t len, struct proc_numbers *ret) nodiscard;
