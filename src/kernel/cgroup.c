/* Control groups. See cgroup.h. */
#include "kernel/cgroup.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/mem.h"
#include "kernel/fs.h"
#include "kernel/sys.h"

static int unescaped(struct span s, char **ret)
{
	char *copy = mem_alloc(s.len + 1, 1);
	int r;

	if (!copy)
		return -ENOMEM;
	r = span_unescape(s, copy, s.len + 1);
	if (r < 0) {
		mem_free(copy);
		return r;
	}
	*ret = copy;
	return 0;
}

static void mount_done(struct cgroup_mount *m)
{
	mem_free(m->mountpoint);
	mem_free(m->root);
	mem_free(m->controllers);
}

static int mounts_add(struct cgroup_mounts *ret, const struct proc_mount *from, int version)
{
	struct cgroup_mount m = { .version = version };
	struct span none = { .p = "", .len = 0 };
	int r = unescaped(from->mountpoint, &m.mountpoint);

	if (r == 0)
		r = unescaped(from->root, &m.root);
	if (r == 0)
		r = unescaped(version == 1 ? from->super_options : none, &m.controllers);
	if (r == 0)
		r = vec_push(ret, m);
	if (r < 0)
		mount_done(&m);
	return r;
}

int cgroup_mounts_parse(const char *text, size_t len, struct cgroup_mounts *ret)
{
	struct cgroup_mounts mounts = { 0 };
	struct scan s = scan_over(text, len);
	struct proc_mount m;
	int r;

	while ((r = proc_mount_next(&s, &m)) == 1) {
		int version = span_is(m.type, "cgroup2") ? 2 : span_is(m.type, "cgroup") ? 1 : 0;

		r = version ? mounts_add(&mounts, &m, version) : 0;
		if (r < 0)
			break;
	}
	if (r < 0) {
		cgroup_mounts_done(&mounts);
		return r;
	}
	*ret = mounts;
	return 0;
}

int cgroup_mounts_read(struct cgroup_mounts *ret)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(proc_text_done) struct proc_text text = { 0 };
	int r = proc_pid_open(0, &self);

	if (r == 0)
		r = proc_mountinfo_read(&self, &text);
	return r < 0 ? r : cgroup_mounts_parse(text.at, text.n, ret);
}

void cgroup_mounts_done(struct cgroup_mounts *m)
{
	vec_for_each(one, m)
		mount_done(one);
	vec_done(m);
}

const struct cgroup_mount *cgroup_mounts_find(const struct cgroup_mounts *m, const char *controller)
{
	vec_for_each(one, m) {
		struct span options = { .p = one->controllers, .len = strlen(one->controllers) };

		if (controller ? one->version == 1 && proc_mount_option(options, controller)
			       : one->version == 2)
			return one;
	}
	return NULL;
}

int cgroup_dir_open(const struct cgroup_mount *m, struct span path)
{
	size_t root_len = strlen(m->root);
	char full[4096];
	int n;

	/* Paths are relative to the namespace's root; the mount may show only a part of it. */
	if (root_len > 1) {
		if (!span_begins(path, m->root) || (path.len > root_len && path.p[root_len] != '/'))
			return -ENOENT;
		path.p += root_len;
		path.len -= root_len;
	}
	n = snprintf(full, sizeof(full), "%s%.*s", m->mountpoint, (int)MIN(path.len, (size_t)4096),
		     path.p);
	if (n < 0 || (size_t)n >= sizeof(full))
		return -ENAMETOOLONG;
	return sys_openat(AT_FDCWD, full, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
}

int cgroup_members_read(int dir, const char *file, struct proc_text *text, struct proc_numbers *ret)
{
	scoped(fd_close) int fd = sys_openat(dir, file, O_RDONLY | O_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return fd;
	r = proc_text_read_fd(fd, text);
	return r < 0 ? r : proc_numbers_parse(text->at, text->n, ret);
}

static const char *freezer_file(const struct cgroup_freezer *f)
{
	return f->version == 1 ? "freezer.state" : "cgroup.freeze";
}

int cgroup_freezer_open(const char *path, struct cgroup_freezer *ret)
{
	scoped(fd_close) int dir = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	struct cgroup_freezer f;
	uint32_t magic;
	int r;

	if (dir < 0)
		return dir;
	r = fs_magic_of(dir, &magic);
	if (r < 0)
		return r;
	if (magic != FS_MAGIC_CGROUP && magic != FS_MAGIC_CGROUP2)
		return -EINVAL;
	f = (struct cgroup_freezer){ .dir = dir, .version = magic == FS_MAGIC_CGROUP ? 1 : 2 };
	r = sys_faccessat(dir, freezer_file(&f), F_OK, 0);
	if (r < 0)
		return r == -ENOENT ? -ENOTSUP : r;
	(void)fd_take(&dir); /* now f's */
	*ret = f;
	return 0;
}

void cgroup_freezer_done(struct cgroup_freezer *f)
{
	fd_close(f->dir);
	*f = CGROUP_FREEZER_NONE;
}

int cgroup_freezer_state_parse(const char *text, size_t len, enum cgroup_freeze *ret)
{
	struct scan s = scan_over(text, len);
	struct span word;

	if (!scan_word(&s, &word))
		return -EINVAL;
	if (span_is(word, "THAWED"))
		*ret = CGROUP_THAWED;
	else if (span_is(word, "FREEZING"))
		*ret = CGROUP_FREEZING;
	else if (span_is(word, "FROZEN"))
		*ret = CGROUP_FROZEN;
	else
		return -EINVAL;
	return 0;
}

int cgroup_events_parse_frozen(const char *text, size_t len, bool *ret)
{
	struct scan s = scan_over(text, len), line;
	uint64_t v;

	while (scan_line(&s, &line)) {
		if (!scan_text(&line, "frozen "))
			continue;
		if (!scan_u64(&line, 10, &v) || v > 1)
			return -EINVAL;
		*ret = v == 1;
		return 0;
	}
	return -EINVAL;
}

static ssize_t file_read(int dir, const char *name, char *buf, size_t room)
{
	scoped(fd_close) int fd = sys_openat(dir, name, O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_read_some(fd, buf, room);
}

static int file_write(int dir, const char *name, const char *text)
{
	scoped(fd_close) int fd = sys_openat(dir, name, O_WRONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_write_all(fd, text, strlen(text));
}

static int read_frozen_event(int dir, bool *ret)
{
	char buf[256];
	ssize_t n = file_read(dir, "cgroup.events", buf, sizeof(buf));

	return n < 0 ? (int)n : cgroup_events_parse_frozen(buf, (size_t)n, ret);
}

int cgroup_freezer_get(const struct cgroup_freezer *f, enum cgroup_freeze *ret)
{
	char buf[64];
	ssize_t n = file_read(f->dir, freezer_file(f), buf, sizeof(buf));
	bool frozen;
	int r;

	if (n < 0)
		return (int)n;
	if (f->version == 1)
		return cgroup_freezer_state_parse(buf, (size_t)n, ret);
	r = read_frozen_event(f->dir, &frozen);
	if (r < 0)
		return r;
	if (frozen)
		*ret = CGROUP_FROZEN;
	else
		*ret = n > 0 && buf[0] == '1' ? CGROUP_FREEZING : CGROUP_THAWED;
	return 0;
}

int cgroup_freeze(const struct cgroup_freezer *f, usec_t timeout)
{
	usec_t deadline = usec_now() + timeout;
	usec_t nap = 50;
	enum cgroup_freeze state;
	int r;

	for (;;) {
		/*
		 * Version 1 gives up on a member that it met at a bad moment (being stopped or
		 * forked) and reports FREEZING for ever: asking again makes it look again.
		 */
		r = file_write(f->dir, freezer_file(f), f->version == 1 ? "FROZEN" : "1");
		if (r == 0)
			r = cgroup_freezer_get(f, &state);
		if (r < 0)
			return r;
		if (state == CGROUP_FROZEN)
			return 0;
		if (usec_now() >= deadline)
			return -ETIMEDOUT;
		usec_sleep(nap);
		nap = MIN(nap * 2, (usec_t)5000);
	}
}

int cgroup_thaw(const struct cgroup_freezer *f)
{
	enum cgroup_freeze state;
	int r = file_write(f->dir, freezer_file(f), f->version == 1 ? "THAWED" : "0");

	if (r < 0 || f->version == 1)
		return r;
	/* Members leave within microseconds; a frozen group above keeps them. */
	for (int i = 0; i < 100; i++) {
		r = cgroup_freezer_get(f, &state);
		if (r < 0 || state != CGROUP_FROZEN)
			return r;
		usec_sleep(1000);
	}
	return -EBUSY;
}
