#pragma once
/*
 * File descriptors as owned values. "No descriptor" is any negative number; -EBADF by convention.
 * All functions return 0 or a positive result, else -errno. EINTR never comes out.
 */
#include <sys/types.h>

#include "base/base.h"
#include "base/scope.h"

/* Closes fd if it is one. Errors are ignored on purpose: there is nothing a caller could do. */
void fd_close(int fd);
SCOPED(int, fd_close);

/* Moves a descriptor out of its variable, which becomes -EBADF. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

/* Writes all len bytes or fails. A zero-length answer of the kernel is -EIO. */
int fd_write_all(int fd, const void *buf, size_t len) nodiscard;
int fd_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset) nodiscard;
/* Reads exactly len bytes; -ENODATA when the file ends before. */
int fd_read_all(int fd, void *buf, size_t len) nodiscard;
int fd_pread_all(int fd, void *buf, size_t len, uint64_t offset) nodiscard;
/* Reads up to len bytes until end of file; gives the count. */
ssize_t fd_read_some(int fd, void *buf, size_t len) nodiscard;
/* Reads to the end of file, at most `limit` bytes (-EFBIG beyond). *ret_buf is NUL-terminated (the
 * NUL not counted in *ret_len), owned by the caller (mem_free). */
int fd_read_to_end(int fd, size_t limit, char **ret_buf, size_t *ret_len) nodiscard;

/* Gives a duplicate at the lowest number >= floor, close-on-exec. */
int fd_dup_above(int fd, int floor) nodiscard;
/* Makes `fd` appear at number `to`, with or without close-on-exec; closes what was there. fd stays
 * open. */
int fd_place(int fd, int to, bool cloexec) nodiscard;
