/* File descriptors as owned values. See fd.h. */
#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

void fd_close(int fd)
{
	if (fd >= 0)
		(void)close(fd); /* the descriptor is gone whatever close() says */
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

ssize_t fd_read_some(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_read_all(int fd, void *buf, size_t len)
{
	ssize_t n = fd_read_some(fd, buf, len);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENODATA;
}

int fd_pread_all(int fd, void *buf, size_t len, uint64_t offset)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		p += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

int fd_read_to_end(int fd, size_t limit, char **ret_buf, size_t *ret_len)
{
	scoped(mem_free) char *buf = NULL;
	size_t len = 0, room = 0;

	for (;;) {
		if (room - len < 2) {
			char *bigger;

			room = room ? room * 2 : 4096;
			bigger = mem_resize(buf, room, 1);
			if (!bigger)
				return -ENOMEM;
			buf = bigger;
		}

		ssize_t n = fd_read_some(fd, buf + len, room - len - 1);

		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len > limit)
			return -EFBIG;
		if (len < room - 1)
			break;
	}

	buf[len] = '\0';
	*ret_buf = ptr_take(&buf);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int fd_dup_above(int fd, int floor)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, floor);

	return copy < 0 ? -errno : copy;
}

int fd_place(int fd, int to, bool cloexec)
{
	if (fd == to)
		return fcntl(fd, F_SETFD, cloexec ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
	return dup3(fd, to, cloexec ? O_CLOEXEC : 0) < 0 ? -errno : 0;
}
