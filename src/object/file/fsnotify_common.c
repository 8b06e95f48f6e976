/* Marks on inodes: handle to path, path to inode. See fsnotify_common.h. */
#include "object/file/fsnotify_common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/proc/mountinfo.h"
#include "kernel/scan.h"
#include "kernel/sys.h"
#include "object/file/ghost.h"
#include "object/file/path_common.h"
#include "schema/fh.pb-c.h"

/* Words of a handle in images. */
#define HANDLE_WORDS (HANDLE_MAX / sizeof(uint64_t))

/* ---- fdinfo ---- */

static bool handle_scan(struct scan *s, struct mark *k)
{
	struct span hex;

	if (scan_at_end(s))
		return k->handle_len == 0;
	if (!scan_word(s, &hex) || hex.len % 2 || hex.len / 2 > sizeof(k->handle))
		return false;
	for (size_t i = 0; i < hex.len / 2; i++) {
		struct scan two = scan_over(hex.p + 2 * i, 2);
		uint64_t byte;

		if (!scan_u64(&two, 16, &byte) || !scan_at_end(&two))
			return false;
		k->handle[i] = (uint8_t)byte;
	}
	return hex.len / 2 >= k->handle_len;
}

static void mark_set(struct mark *k, struct span key, uint64_t value)
{
	const struct {
		const char *key;
		uint32_t *place;
	} numbers[] = {
		{ "wd", &k->wd },
		{ "sdev", &k->sdev },
		{ "flags", &k->flags },
		{ "event-flags", &k->event_flags },
		{ "mflags", &k->mflags },
		{ "mask", &k->mask },
		{ "ignored_mask", &k->ignored },
		{ "mnt_id", &k->mnt_id },
		{ "fhandle-bytes", &k->handle_len },
		{ "fhandle-type", &k->handle_type },
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (span_is(key, numbers[i].key))
			*numbers[i].place = (uint32_t)value;
	if (span_is(key, "ino"))
		k->ino = value;
	k->is_inode |= span_is(key, "ino");
	k->is_mount |= span_is(key, "mnt_id");
	k->is_group |= span_is(key, "flags");
}

int mark_scan(const char *text, struct mark *ret)
{
	struct scan s = scan_over(text, strlen(text));
	struct mark k = { 0 };

	for (;;) {
		struct span key;
		uint64_t value;

		scan_blanks(&s);
		if (scan_at_end(&s))
			break;
		if (!scan_until(&s, ':', &key))
			return -EINVAL;
		if (span_is(key, "f_handle")) {
			if (!handle_scan(&s, &k))
				return -EINVAL;
			continue;
		}
		if (!scan_u64(&s, 16, &value))
			return -EINVAL;
		mark_set(&k, key, value);
	}
	if (k.handle_len > sizeof(k.handle))
		return -EINVAL;
	*ret = k;
	return 0;
}

/* ---- handles ---- */

static int handle_open(int mount, const struct mark *k)
{
	union {
		struct file_handle head;
		uint8_t room[sizeof(struct file_handle) + HANDLE_MAX];
	} h = { .head = { .handle_bytes = k->handle_len, .handle_type = (int)k->handle_type } };

	memcpy(h.head.f_handle, k->handle, k->handle_len);
	return sys_open_by_handle_at(mount, &h.head, O_PATH | O_CLOEXEC);
}

/* Through each mount of the file system below a root, until one knows it. -ESTALE: none does. */
static int mark_open_by_handle(const struct proc_pid *p, int root, const struct mark *k)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_mount m;
	struct scan s;
	int r = proc_mountinfo_read(p, &text), fd = -ESTALE;

	if (r < 0)
		return r;
	s = scan_over(text.at, text.n);
	while (k->handle_len && fd < 0 && proc_mount_next(&s, &m) > 0) {
		scoped(fd_close) int mount = -EBADF;
		char path[PATH_MAX];

		if ((m.major << 20 | m.minor) != k->sdev ||
		    span_unescape(m.mountpoint, path, sizeof(path)) < 0)
			continue;
		mount = path_open_beneath(root, path, O_RDONLY | O_NONBLOCK);
		if (mount >= 0)
			fd = handle_open(mount, k);
	}
	return fd;
}

/* ---- dump ---- */

/* The path of what fd leads to, if it leads there again from that root. NULL: it does not. */
static char *path_back(int fd, int root, struct arena *a)
{
	scoped(fd_close) int again = -EBADF;
	struct stat here, there;
	char self[32], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = sys_readlinkat(AT_FDCWD, self, path, sizeof(path) - 1);
	if (n <= 0)
		return NULL;
	path[n] = '\0';
	if (path[0] != '/')
		return NULL;
	again = path_open_beneath(root, path, O_PATH | O_NOFOLLOW);
	if (again < 0 || fstat(fd, &here) < 0 || fstat(again, &there) < 0 ||
	    here.st_dev != there.st_dev || here.st_ino != there.st_ino)
		return NULL;
	return arena_dup(a, path, (size_t)n + 1);
}

/* An open file of the inode; its path is used when it has one. */
static bool mark_find_file(struct collect *c, struct mark *k)
{
	uint64_t dev = makedev(k->sdev >> 20, k->sdev & 0xfffff);

	vec_for_each(at, &c->model->files) {
		const struct path_file *pf;

		if ((*at)->kind != file_kinds[FILE_KIND_reg] || (*at)->dev != dev ||
		    (*at)->ino != k->ino)
			continue;
		pf = path_file_of_const(*at);
		k->file_id = (*at)->id;
		if (pf->remap == REMAP_NONE && !pf->is_external)
			k->path = pf->name;
		return true;
	}
	return false;
}

int mark_resolve(struct collect *c, const struct file *f, struct mark *k)
{
	scoped(fd_close) int fd = -EBADF;
	int root, r = path_root(c, f->task, &root);

	if (r < 0)
		return report_fail(c->report, r, "cannot open its root directory");
	fd = mark_open_by_handle(&live_of(f->task)->proc, root, k);
	if (fd >= 0)
		k->path = path_back(fd, root, &c->arena);
	if (k->path || mark_find_file(c, k))
		return 0;
	return report_refuse(c->report, -ENOTSUP, CODE_FILE_UNREACHABLE,
			     "watches inode %llu of device %u:%u, to which no path leads",
			     (unsigned long long)k->ino, k->sdev >> 20, k->sdev & 0xfffff);
}

/* ---- images ---- */

struct FhEntry *mark_encode_handle(const struct mark *k, struct arena *arena)
{
	FhEntry *e = ARENA_NEW(arena, FhEntry);
	uint64_t *words = ARENA_ARRAY(arena, uint64_t, HANDLE_WORDS);

	if (!e || !words)
		return NULL;
	fh_entry__init(e);
	memcpy(words, k->handle, sizeof(k->handle));
	e->bytes = k->handle_len;
	e->type = k->handle_type;
	e->n_handle = HANDLE_WORDS;
	e->handle = words;
	e->path = (char *)k->path;
	e->has_file_id = k->file_id && !k->path;
	e->file_id = k->file_id;
	return e;
}

int mark_decode_handle(struct mark *k, const struct FhEntry *e)
{
	if (!e || e->bytes > sizeof(k->handle) || e->bytes > e->n_handle * sizeof(uint64_t) ||
	    (e->path && e->path[0] == '\0'))
		return -EUCLEAN;
	k->is_inode = true;
	k->handle_type = e->type;
	k->handle_len = e->bytes;
	memcpy(k->handle, e->handle, e->bytes);
	k->path = e->path;
	k->file_id = e->has_file_id ? e->file_id : 0;
	return 0;
}

/* ---- restore ---- */

/* A deleted file that the images bring back: they know it by its old numbers. */
static const struct file *mark_ghost(const struct env *env, const struct mark *k)
{
	vec_for_each(at, &env->model->files) {
		const struct file *f = *at;
		const struct ghost *g;

		if (f->kind != file_kinds[FILE_KIND_reg])
			continue;
		g = path_file_of_const(f)->ghost;
		if (f->id == k->file_id || (g && g->ino == k->ino && (uint32_t)g->dev == k->sdev))
			return f;
	}
	return NULL;
}

int mark_open(struct env *env, const struct mark *k, int *ret_fd)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	const struct file *f = k->path ? NULL : mark_ghost(env, k);
	bool owned = false;
	int fd, r;

	if (f) {
		r = env_file_fd(env, f, &fd, &owned);
		if (r < 0)
			return r;
		*ret_fd = owned ? fd : fd_dup_above(fd, env->floor);
		return MIN(*ret_fd, 0);
	}
	if (k->path) {
		fd = path_open_beneath(env->root_fd, k->path, O_PATH | O_NOFOLLOW);
	} else {
		fd = env_proc_self(env, &self);
		if (fd == 0)
			fd = mark_open_by_handle(&self, env->root_fd, k);
	}
	if (fd < 0)
		return report_refuse_with(env->report, fd, CODE_FILE_MISSING,
					  "put the file back where it was",
					  "what was watched, %s (inode %llu), cannot be opened: %s",
					  k->path ? k->path : "without a path",
					  (unsigned long long)k->ino, strerror(-fd));
	*ret_fd = fd;
	return 0;
}
