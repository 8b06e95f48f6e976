/* Directories of tasks and threads. See dir.h. */
#include "kernel/proc/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/sys.h"

static int pid_open(int dir, const char *prefix, pid_t pid, struct proc_pid *ret)
{
	char name[32];
	int fd;

	if (pid < 0)
		return -EINVAL;
	if (pid == 0)
		(void)snprintf(name, sizeof(name), "%sself", prefix); /* fits, as below */
	else
		(void)snprintf(name, sizeof(name), "%s%d", prefix, pid);
	fd = sys_openat(dir, name, O_DIRECTORY | O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	*ret = (struct proc_pid){ .dir = fd, .pid = pid ? pid : sys_getpid() };
	return 0;
}

int proc_pid_open(pid_t pid, struct proc_pid *ret)
{
	return pid_open(AT_FDCWD, "/proc/", pid, ret);
}

int proc_pid_open_at(int procfs, pid_t pid, struct proc_pid *ret)
{
	return pid_open(procfs, "", pid, ret);
}

int proc_tid_open(const struct proc_pid *task, pid_t tid, struct proc_pid *ret)
{
	char name[32];
	int fd;

	if (tid <= 0)
		return -EINVAL;
	(void)snprintf(name, sizeof(name), "task/%d", tid); /* fits */
	fd = sys_openat(task->dir, name, O_DIRECTORY | O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	*ret = (struct proc_pid){ .dir = fd, .pid = task->pid, .tid = tid };
	return 0;
}

void proc_pid_done(struct proc_pid *p)
{
	fd_close(p->dir);
	*p = PROC_PID_NONE;
}

/* A directory outlives its task and then has no files: tell "gone" from "not in this kernel". */
static int proc_why_missing(const struct proc_pid *p)
{
	return sys_faccessat(p->dir, "stat", F_OK, 0) < 0 ? -ESRCH : -ENOENT;
}

int proc_file_open(const struct proc_pid *p, const char *name, int flags)
{
	int fd = sys_openat(p->dir, name, flags | O_CLOEXEC, 0);

	return fd == -ENOENT ? proc_why_missing(p) : fd;
}

ssize_t proc_file_read(const struct proc_pid *p, const char *name, char *buf, size_t room)
{
	scoped(fd_close) int fd = proc_file_open(p, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	/* One read gets all of a file made in one piece, if the buffer holds it. */
	do
		n = sys_read(fd, buf, room);
	while (n == -EINTR);
	if (n < 0)
		return n;
	if ((size_t)n >= room)
		return -EFBIG;
	buf[n] = '\0';
	return n;
}

int proc_text_read_fd(int fd, struct proc_text *text)
{
	ssize_t n;
	int r;

	text->n = 0;
	do {
		/* Lists come a page at a time; much more room than that saves growing. */
		if (text->room - text->n < 16384) {
			r = vec_reserve(text, MAX(text->n, (size_t)65536));
			if (r < 0)
				return r;
		}
		n = sys_read(fd, text->at + text->n, text->room - text->n - 1);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		text->n += (size_t)n;
		if (text->n > PROC_TEXT_MAX)
			return -EFBIG;
	} while (n != 0);
	text->at[text->n] = '\0';
	return 0;
}

int proc_text_read(const struct proc_pid *p, const char *name, struct proc_text *text)
{
	scoped(fd_close) int fd = proc_file_open(p, name, O_RDONLY);

	if (fd < 0)
		return fd;
	return proc_text_read_fd(fd, text);
}

void proc_text_done(struct proc_text *text)
{
	vec_done(text);
}

ssize_t proc_link_read(const struct proc_pid *p, const char *name, char *buf, size_t room)
{
	ssize_t n = sys_readlinkat(p->dir, name, buf, room);

	if (n == -ENOENT)
		return proc_why_missing(p);
	if (n < 0)
		return n;
	if ((size_t)n >= room)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}

int proc_file_stat(const struct proc_pid *p, const char *name, struct stat *ret)
{
	int r = sys_fstatat(p->dir, name, ret, 0);

	return r == -ENOENT ? proc_why_missing(p) : r;
}

/* What getdents64(2) fills in. */
struct kernel_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};
static_assert(offsetof(struct kernel_dirent, name) == offsetof(struct dirent64, d_name),
	      "retyped from getdents64(2)");

static int numbers_add_entries(const char *buf, size_t len, struct proc_numbers *ret)
{
	const size_t fixed = offsetof(struct kernel_dirent, name);

	for (size_t at = 0; at < len;) {
		const struct kernel_dirent *e = (const void *)(buf + at);
		struct scan s;
		int number, r;

		if (len - at <= fixed || e->reclen <= fixed || e->reclen > len - at)
			return -EINVAL;
		at += e->reclen;
		if (e->name[0] == '.')
			continue;
		s = scan_over(e->name, strnlen(e->name, e->reclen - fixed));
		if (!scan_int(&s, &number) || !scan_at_end(&s) || number < 0)
			return -EINVAL;
		r = vec_push(ret, number);
		if (r < 0)
			return r;
	}
	return 0;
}

int proc_numbers_read(const struct proc_pid *p, const char *name, struct proc_numbers *ret)
{
	scoped(fd_close) int fd = proc_file_open(p, name, O_RDONLY | O_DIRECTORY);
	_Alignas(uint64_t) char buf[8192];

	if (fd < 0)
		return fd;
	ret->n = 0;
	for (;;) {
		ssize_t n = sys_getdents(fd, buf, sizeof(buf));
		int r;

		if (n <= 0)
			return n == -ENOENT ? -ESRCH : (int)n; /* the task went while we read */
		r = numbers_add_entries(buf, (size_t)n, ret);
		if (r < 0)
			return r;
	}
}

void proc_numbers_done(struct proc_numbers *n)
{
	vec_done(n);
}

int proc_numbers_parse(const char *text, size_t len, struct proc_numbers *ret)
{
	struct scan s = scan_over(text, len);
	int number, r;

	for (;;) {
		while (scan_char(&s, ' ') || scan_char(&s, '\n'))
			;
		if (scan_at_end(&s))
			return 0;
		if (!scan_int(&s, &number) || number < 0)
			return -EINVAL;
		r = vec_push(ret, number);
		if (r < 0)
			return r;
	}
}
