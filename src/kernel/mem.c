/* Memory of another task. See mem.h. */
#include "kernel/mem.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "kernel/sys.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

struct mem_remote mem_remote_of(const struct proc_pid *p)
{
	return (struct mem_remote){ .pid = p->pid, .fd = -EBADF, .dir = p->dir };
}

void mem_remote_done(struct mem_remote *m)
{
	fd_close(m->fd);
	*m = MEM_REMOTE(0);
}

static int open_file(struct mem_remote *m)
{
	char path[32];
	int fd;

	if (m->fd >= 0)
		return 0;
	if (m->dir >= 0) {
		fd = sys_openat(m->dir, "mem", O_RDWR | O_CLOEXEC, 0);
	} else {
		(void)snprintf(path, sizeof(path), "/proc/%d/mem", m->pid); /* fits */
		fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	}
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	m->fd = fd;
	return 0;
}

enum direction { READ, WRITE };

static ssize_t move_once(const struct mem_remote *m, enum direction d, uint64_t va, char *buf,
			 size_t len)
{
	struct iovec local = { .iov_base = buf, .iov_len = len };
	struct iovec remote = { .iov_base = (void *)va, .iov_len = len };

	return d == READ ? sys_process_vm_readv(m->pid, &local, 1, &remote, 1, 0)
			 : sys_process_vm_writev(m->pid, &local, 1, &remote, 1, 0);
}

/* The kernel says EIO where process_vm_readv says EFAULT, and 0 for a task without an mm. */
static int move_by_file(struct mem_remote *m, enum direction d, uint64_t va, char *buf, size_t len)
{
	int r = open_file(m);

	if (va > INT64_MAX - len) /* no position of a file, and not the task's */
		return -EFAULT;
	while (r == 0 && len > 0) {
		ssize_t n = d == READ ? sys_pread(m->fd, buf, len, (int64_t)va)
				      : sys_pwrite(m->fd, buf, len, (int64_t)va);

		if (n == -EINTR)
			continue;
		if (n <= 0) {
			r = n == 0 ? -ESRCH : n == -EIO ? -EFAULT : (int)n;
			break;
		}
		va += (size_t)n;
		buf += n;
		len -= (size_t)n;
	}
	return r;
}

static int move(struct mem_remote *m, enum direction d, uint64_t va, char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = move_once(m, d, va, buf, len);

		if (n == -EINTR)
			continue;
		if (n == -EFAULT || n == -ENOSYS || n == 0)
			return move_by_file(m, d, va, buf, len);
		if (n < 0)
			return (int)n;
		va += (size_t)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int mem_read(struct mem_remote *m, remote_t from, void *buf, size_t len)
{
	return move(m, READ, from.va, buf, len);
}

int mem_read_unpinned(struct mem_remote *m, remote_t from, void *buf, size_t len)
{
	return move_by_file(m, READ, from.va, buf, len);
}

int mem_write(struct mem_remote *m, remote_t to, const void *buf, size_t len)
{
	return move(m, WRITE, to.va, (char *)(uintptr_t)buf, len);
}

ssize_t mem_read_ranges(const struct mem_remote *m, const struct iovec *from, size_t n, void *buf,
			size_t len)
{
	struct iovec local = { .iov_base = buf, .iov_len = len };

	if (n > MEM_RANGES_MAX)
		return -EINVAL;
	return sys_process_vm_readv(m->pid, &local, 1, from, n, 0);
}

int mem_read_str(struct mem_remote *m, remote_t from, char *buf, size_t room)
{
	size_t done = 0;

	/* Up to the end of each page: the string may be the last thing before a hole. */
	while (done < room) {
		uint64_t va = from.va + done;
		size_t chunk = MIN(room - done, (size_t)(PAGE_SIZE - va % PAGE_SIZE));
		int r = mem_read(m, REMOTE(va), buf + done, chunk);

		if (r < 0)
			return r;
		if (memchr(buf + done, '\0', chunk))
			return 0;
		done += chunk;
	}
	return -ENAMETOOLONG;
}

int mem_file_new(unsigned flags)
{
	int fd = sys_memfd_create("stasis", flags | MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	/* Linux < 6.3 does not know that flag. */
	return fd == -EINVAL ? sys_memfd_create("stasis", flags | MFD_CLOEXEC) : fd;
}
