/* Files that hold one value. See value.h. */
#include "kernel/proc/value.h"

#include <fcntl.h>

#include "base/fd.h"
#include "kernel/sys.h"

ssize_t proc_value_text(const struct proc_pid *p, const char *name, char *buf, size_t room)
{
	ssize_t n = proc_file_read(p, name, buf, room);

	if (n > 0 && buf[n - 1] == '\n')
		buf[--n] = '\0';
	return n;
}

static struct scan trimmed(const char *text, size_t len)
{
	struct scan s = scan_over(text, len);

	scan_blanks(&s);
	if (!scan_at_end(&s) && s.end[-1] == '\n')
		s.end--;
	while (!scan_at_end(&s) && (s.end[-1] == ' ' || s.end[-1] == '\t'))
		s.end--;
	return s;
}

int proc_i64_parse(const char *text, size_t len, int64_t *ret)
{
	struct scan s = trimmed(text, len);
	int64_t v;

	if (!scan_i64(&s, &v) || !scan_at_end(&s))
		return -EINVAL;
	*ret = v;
	return 0;
}

int proc_u64_parse(const char *text, size_t len, unsigned base, uint64_t *ret)
{
	struct scan s = trimmed(text, len);
	uint64_t v;

	if (!scan_u64(&s, base, &v) || !scan_at_end(&s))
		return -EINVAL;
	*ret = v;
	return 0;
}

int proc_value_i64(const struct proc_pid *p, const char *name, int64_t *ret)
{
	char buf[64];
	ssize_t n = proc_file_read(p, name, buf, sizeof(buf));

	return n < 0 ? (int)n : proc_i64_parse(buf, (size_t)n, ret);
}

int proc_value_u64(const struct proc_pid *p, const char *name, unsigned base, uint64_t *ret)
{
	char buf[64];
	ssize_t n = proc_file_read(p, name, buf, sizeof(buf));

	return n < 0 ? (int)n : proc_u64_parse(buf, (size_t)n, base, ret);
}

/* These files take a value in one write or refuse it. */
static int write_whole(int fd, const char *value)
{
	size_t len = strlen(value);
	ssize_t n;

	do
		n = sys_write(fd, value, len);
	while (n == -EINTR);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

int proc_value_set(const struct proc_pid *p, const char *name, const char *value)
{
	scoped(fd_close) int fd = proc_file_open(p, name, O_WRONLY);

	return fd < 0 ? fd : write_whole(fd, value);
}

static int sysctl_open(const char *name, int flags)
{
	scoped(fd_close) int root =
		sys_openat(AT_FDCWD, "/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	return root < 0 ? root : sys_openat(root, name, flags | O_CLOEXEC, 0);
}

ssize_t proc_sysctl_text(const char *name, char *buf, size_t room)
{
	scoped(fd_close) int fd = sysctl_open(name, O_RDONLY);
	ssize_t n = fd < 0 ? fd : fd_read_some(fd, buf, room);

	if (n < 0)
		return n;
	if ((size_t)n >= room)
		return -EFBIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

int proc_sysctl_i64(const char *name, int64_t *ret)
{
	char buf[64];
	ssize_t n = proc_sysctl_text(name, buf, sizeof(buf));

	return n < 0 ? (int)n : proc_i64_parse(buf, (size_t)n, ret);
}

int proc_sysctl_set(const char *name, const char *value)
{
	scoped(fd_close) int fd = sysctl_open(name, O_WRONLY);

	return fd < 0 ? fd : write_whole(fd, value);
}
