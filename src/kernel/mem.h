#pragma once
/*
 * Memory of another task, read and written from outside: process_vm_readv(2) and _writev(2), which
 * are fast and respect page protections, and /proc/PID/mem, which does not and so reaches what they
 * cannot (pages without read or write permission). Needs the right to ptrace the task; reading does
 * not stop it.
 */
#include <sys/types.h>
#include <sys/uio.h>

#include "kernel/proc/dir.h"

struct mem_remote {
	pid_t pid;
	int fd;  /* /proc/PID/mem, opened when first needed, owned; -EBADF before */
	int dir; /* /proc/PID, borrowed; -EBADF: found by the number */
};

/* Both leave /proc/PID/mem unopened until a page asks for it. */
#define MEM_REMOTE(task_pid) ((struct mem_remote){ .pid = (task_pid), .fd = -EBADF, .dir = -EBADF })
struct mem_remote mem_remote_of(const struct proc_pid *p);
void mem_remote_done(struct mem_remote *m);
SCOPED_OBJECT(struct mem_remote, mem_remote_done);

/*
 * Reads or writes exactly len bytes. -EFAULT: a part of the range is not mapped or cannot be
 * touched at all (a guard region, device memory, a file's pages behind its end); some bytes may
 * have been moved then. -ESRCH: the task is gone. -EPERM.
 */
int mem_read(struct mem_remote *m, remote_t from, void *buf, size_t len) nodiscard;
/*
 * The same through /proc/PID/mem, slower but without a trace: process_vm_readv pins the pages it
 * reads, and the kernel gives a task whose page is shared copy-on-write one of its own before it is
 * pinned (Linux 5.19 and later).
 */
int mem_read_unpinned(struct mem_remote *m, remote_t from, void *buf, size_t len) nodiscard;
int mem_write(struct mem_remote *m, remote_t to, const void *buf, size_t len) nodiscard;

/*
 * Reads several ranges one behind the other into buf, as much as goes; gives the bytes read. Fewer
 * than asked for: the next byte cannot be read this way. n at most MEM_RANGES_MAX. For bulk: never
 * uses /proc/PID/mem.
 */
#define MEM_RANGES_MAX 1024
ssize_t mem_read_ranges(const struct mem_remote *m, const struct iovec *from, size_t n, void *buf,
			size_t len) nodiscard;

/* A NUL-terminated string of at most room - 1 bytes. -ENAMETOOLONG when it is longer. */
int mem_read_str(struct mem_remote *m, remote_t from, char *buf, size_t room) nodiscard;

/*
 * A file in memory for our own use, close-on-exec, never to be executed (which some hosts insist
 * on). flags: further MFD_*, or 0. The descriptor, or -errno of memfd_create(2).
 */
int mem_file_new(unsigned flags) nodiscard;
