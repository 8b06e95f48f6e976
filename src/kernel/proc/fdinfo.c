/* Open descriptors of a task. See fdinfo.h. */
#include "kernel/proc/fdinfo.h"

#include <fcntl.h>
#include <stdio.h>

enum { SEEN_POS = 1, SEEN_FLAGS = 2 };

static int parse_common(struct span key, struct scan value, struct proc_fdinfo *info,
			unsigned *seen, bool *ret_taken)
{
	bool ok;

	*ret_taken = true;
	if (span_is(key, "pos") && !(*seen & SEEN_POS)) {
		/* A signed number; /proc/PID/mem and the like may be at positions above 2^63. */
		int64_t pos;

		ok = scan_u64(&value, 10, &info->pos);
		if (!ok && scan_i64(&value, &pos)) {
			info->pos = (uint64_t)pos;
			ok = true;
		}
		*seen |= SEEN_POS;
	} else if (span_is(key, "flags") && !(*seen & SEEN_FLAGS)) {
		ok = scan_u32(&value, 8, &info->flags);
		*seen |= SEEN_FLAGS;
	} else if (span_is(key, "mnt_id")) {
		ok = scan_int(&value, &info->mnt_id);
	} else if (span_is(key, "ino")) {
		ok = scan_u64(&value, 10, &info->ino);
	} else {
		*ret_taken = false;
		return 0;
	}
	return ok && scan_at_end(&value) ? 0 : -EINVAL;
}

/* "key: value" or "key value". */
static bool split_line(struct scan line, struct span *ret_key, struct scan *ret_value)
{
	const char *p = line.at;

	while (p < line.end && *p != ':' && *p != ' ' && *p != '\t')
		p++;
	*ret_key = (struct span){ .p = line.at, .len = (size_t)(p - line.at) };
	line.at = p;
	(void)scan_char(&line, ':');
	scan_blanks(&line);
	*ret_value = line;
	return ret_key->len > 0;
}

int proc_fdinfo_parse(char *text, size_t len, proc_fdinfo_fn line_fn, void *ctx,
		      struct proc_fdinfo *ret)
{
	struct proc_fdinfo info = { .mnt_id = -1 };
	struct scan s = scan_over(text, len), line, value;
	unsigned seen = 0;
	struct span key;
	bool taken;
	int r;

	if (len && memchr(text, '\0', len))
		return -EINVAL;
	while (scan_line(&s, &line)) {
		if (!split_line(line, &key, &value))
			continue;
		r = parse_common(key, value, &info, &seen, &taken);
		if (r < 0)
			return r;
		if (taken || !line_fn)
			continue;
		/* Cut: behind the line is its newline or text[len], behind the key its colon. */
		text[line.end - text] = '\0';
		text[key.p + key.len - text] = '\0';
		r = line_fn(ctx, key.p, value.at);
		if (r < 0)
			return r;
	}
	if (seen != (SEEN_POS | SEEN_FLAGS))
		return -EINVAL;
	*ret = info;
	return 0;
}

struct fd_name {
	char text[32];
};

static struct fd_name fd_name(const char *dir, int fd)
{
	struct fd_name name;

	(void)snprintf(name.text, sizeof(name.text), "%s/%d", dir, fd); /* fits */
	return name;
}

int proc_fdinfo_read(const struct proc_pid *p, int fd, struct proc_text *text, proc_fdinfo_fn line,
		     void *ctx, struct proc_fdinfo *ret)
{
	scoped(proc_text_done) struct proc_text own = { 0 };
	struct fd_name name = fd_name("fdinfo", fd);
	char buf[2048];
	ssize_t n = proc_file_read(p, name.text, buf, sizeof(buf));
	int r;

	if (n >= 0)
		return proc_fdinfo_parse(buf, (size_t)n, line, ctx, ret);
	if (n != -EFBIG)
		return (int)n;
	if (!text)
		text = &own;
	r = proc_text_read(p, name.text, text);
	return r < 0 ? r : proc_fdinfo_parse(text->at, text->n, line, ctx, ret);
}

int proc_fds_read(const struct proc_pid *p, struct proc_numbers *ret)
{
	return proc_numbers_read(p, "fd", ret);
}

ssize_t proc_fd_link(const struct proc_pid *p, int fd, char *buf, size_t room)
{
	return proc_link_read(p, fd_name("fd", fd).text, buf, room);
}

int proc_fd_stat(const struct proc_pid *p, int fd, struct stat *ret)
{
	return proc_file_stat(p, fd_name("fd", fd).text, ret);
}
