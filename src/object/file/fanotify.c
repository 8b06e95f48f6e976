/*
 * fanotify(7): a group and its marks on inodes and mounts, added last, like watches of inotify.
 *
 * Not covered: marks on whole file systems and on mount namespaces, for which images have no form;
 * events that were not read yet, and permission requests without an answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>

#include "base/fd.h"
#include "kernel/proc/mountinfo.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "object/file/fsnotify_common.h"
#include "object/file/path_common.h"
#include "schema/fdinfo.pb-c.h"

/* Of the flags that fdinfo shows for a mark: what concerns the ignored mask only. */
#define MARK_IGNORE_FLAGS (FAN_MARK_IGNORED_SURV_MODIFY | 0x400u /* FAN_MARK_IGNORE, Linux 6.0 */)

struct fanotify {
	struct file file;
	uint32_t flags, event_flags; /* of fanotify_init(2) */
	struct {
		VEC(struct mark);
	} marks;
};

static struct fanotify *fanotify_of(struct file *f)
{
	return container_of(f, struct fanotify, file);
}

static void fanotify_done(struct file *f)
{
	vec_done(&fanotify_of(f)->marks);
}

/* ---- dump ---- */

static bool fanotify_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:[fanotify]") == 0;
}

static int fanotify_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct fanotify *fa = fanotify_of(f);
	struct mark k;
	int r;

	if (strcmp(key, "fanotify") != 0)
		return 0;
	r = mark_scan(value, &k);
	if (r < 0)
		return r;
	if (!k.is_group)
		return vec_push(&fa->marks, k);
	fa->flags = k.flags;
	fa->event_flags = k.event_flags;
	return 0;
}

static int fanotify_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct pollfd pfd = { .fd = v->fd, .events = POLLIN };

	if (sys_poll(&pfd, 1, 0) > 0)
		report_warn(c->report, CODE_FILE_KIND,
			    "task %d: fd %d: events of fanotify that were not read will be lost",
			    f->task->host_pid, f->fd);
	return 0;
}

static int mount_resolve(struct collect *c, const struct file *f, struct mark *k)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	char path[PATH_MAX];
	struct proc_mount m;
	struct scan s;
	int r = proc_mountinfo_read(&live_of(f->task)->proc, &text), len = -1;

	if (r < 0)
		return report_fail(c->report, r, "cannot read its mounts");
	s = scan_over(text.at, text.n);
	while (len < 0 && proc_mount_next(&s, &m) > 0) {
		if ((uint32_t)m.id != k->mnt_id)
			continue;
		len = span_unescape(m.mountpoint, path, sizeof(path));
		k->sdev = m.major << 20 | m.minor;
	}
	if (len < 0)
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_UNREACHABLE,
				     "watches mount %u, which its mount namespace does not have",
				     k->mnt_id);
	k->path = arena_dup(&c->arena, path, strlen(path) + 1);
	return k->path ? 0 : report_fail(c->report, -ENOMEM, "cannot note a mount");
}

static int fanotify_resolve(struct collect *c, struct file *f)
{
	int r = 0;

	vec_for_each(k, &fanotify_of(f)->marks) {
		int one;

		if (k->is_inode)
			one = mark_resolve(c, f, k);
		else if (k->is_mount)
			one = mount_resolve(c, f, k);
		else
			one = report_refuse(c->report, -ENOTSUP, CODE_FILE_KIND,
					    "has a mark on a whole file system or namespace, for "
					    "which images have no form");
		r = one < 0 ? one : r;
	}
	return r;
}

static FanotifyMarkEntry *mark_encode(const struct file *f, const struct mark *k, struct arena *a)
{
	FanotifyMarkEntry *e = ARENA_NEW(a, FanotifyMarkEntry);

	if (!e)
		return NULL;
	fanotify_mark_entry__init(e);
	e->id = f->id;
	e->type = k->is_inode ? MARK_TYPE__INODE : MARK_TYPE__MOUNT;
	e->mflags = k->mflags;
	e->mask = k->mask;
	e->ignored_mask = k->ignored;
	e->s_dev = k->sdev;
	if (k->is_inode) {
		e->ie = ARENA_NEW(a, FanotifyInodeMarkEntry);
		if (!e->ie)
			return NULL;
		fanotify_inode_mark_entry__init(e->ie);
		e->ie->i_ino = k->ino;
		e->ie->f_handle = mark_encode_handle(k, a);
		return e->ie->f_handle ? e : NULL;
	}
	e->me = ARENA_NEW(a, FanotifyMountMarkEntry);
	if (!e->me)
		return NULL;
	fanotify_mount_mark_entry__init(e->me);
	e->me->mnt_id = k->mnt_id;
	e->me->path = (char *)k->path;
	return e;
}

static int fanotify_encode(const struct file *f, struct file_record *out)
{
	const struct fanotify *fa = container_of(f, const struct fanotify, file);
	FanotifyFileEntry *e = ARENA_NEW(out->arena, FanotifyFileEntry);

	if (!e)
		return -ENOMEM;
	fanotify_file_entry__init(e);
	e->id = f->id;
	e->flags = f->flags;
	e->fown = fown_encode(&f->fown, out->arena);
	e->faflags = fa->flags;
	e->evflags = fa->event_flags;
	e->mark = ARENA_ARRAY(out->arena, FanotifyMarkEntry *, fa->marks.n);
	if (out->arena->failed)
		return -ENOMEM;
	vec_for_each(k, &fa->marks)
		e->mark[e->n_mark++] = mark_encode(f, k, out->arena);
	out->fe->ffy = e;
	return out->arena->failed ? -ENOMEM : 0;
}

/* ---- restore ---- */

static int mark_decode(const FanotifyMarkEntry *e, struct arena *a, struct mark *ret)
{
	struct mark k = {
		.mflags = e->mflags, .mask = e->mask, .ignored = e->ignored_mask, .sdev = e->s_dev
	};
	int r = 0;

	if (e->type == MARK_TYPE__INODE) {
		k.ino = e->ie ? e->ie->i_ino : 0;
		r = e->ie ? mark_decode_handle(&k, e->ie->f_handle) : -EUCLEAN;
	} else if (e->me && e->me->path) {
		k.is_mount = true;
		k.mnt_id = e->me->mnt_id;
		k.path = e->me->path;
	} else {
		return -EUCLEAN;
	}
	if (r == 0 && k.path) {
		k.path = arena_dup(a, k.path, strlen(k.path) + 1);
		r = k.path ? 0 : -ENOMEM;
	}
	*ret = k;
	return r;
}

static int fanotify_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const FanotifyFileEntry *e = in->fe->ffy;
	struct fanotify *fa = fanotify_of(f);
	int r = 0;

	if (!e)
		return -EUCLEAN;
	f->flags = e->flags;
	f->fown = fown_decode(e->fown);
	fa->flags = e->faflags;
	fa->event_flags = e->evflags;
	for (size_t i = 0; i < e->n_mark && r == 0; i++) {
		struct mark k;

		r = mark_decode(e->mark[i], in->arena, &k);
		if (r == 0)
			r = vec_push(&fa->marks, k);
	}
	return r;
}

static int fanotify_create(struct env *env, struct file *f, int *ret_fd)
{
	const struct fanotify *fa = fanotify_of(f);
	/* FAN_CLOEXEC would stay visible as a flag of the group. */
	scoped(fd_close) int fd = sys_fanotify_init(fa->flags, fa->event_flags);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make a fanotify group (flags %#x, %#x)",
				   fa->flags, fa->event_flags);
	r = sys_fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (r < 0)
		return report_fail(env->report, r, "cannot keep a fanotify group");
	r = env_apply_common(env, f, fd, false);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/* The flags with which an ignored mask is set again. */
static unsigned ignore_flags(const struct mark *k)
{
	return k->mflags & 0x400u ? k->mflags : k->mflags | FAN_MARK_IGNORED_MASK;
}

static int mark_add(struct env *env, int fd, const struct mark *k)
{
	unsigned flags = FAN_MARK_ADD | (k->is_mount ? FAN_MARK_MOUNT : 0);
	scoped(fd_close) int target = -EBADF;
	char path[32];
	int r = 0;

	if (k->is_inode)
		r = mark_open(env, k, &target);
	else
		target = path_open_beneath(env->root_fd, k->path, O_PATH);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	r = MIN(target, 0);
	if (r == 0 && k->mask)
		r = sys_fanotify_mark(fd, flags | (k->mflags & ~MARK_IGNORE_FLAGS), k->mask,
				      AT_FDCWD, path);
	if (r >= 0 && k->ignored)
		r = sys_fanotify_mark(fd, flags | ignore_flags(k), k->ignored, AT_FDCWD, path);
	return r < 0 ? report_fail(env->report, r, "cannot mark %s",
				   k->path ? k->path : "a file without a path")
		     : 0;
}

static int fanotify_finish(struct env *env)
{
	vec_for_each(at, &env->model->files) {
		if ((*at)->kind != file_kinds[FILE_KIND_fanotify])
			continue;
		vec_for_each(k, &fanotify_of(*at)->marks) {
			int r = mark_add(env, (*at)->made_fd, k);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

const struct file_kind file_kind_fanotify = {
	.name = "fanotify",
	.about = "fanotify groups and their marks",
	.tag = FD_TYPES__FANOTIFY,
	.size = sizeof(struct fanotify),
	.match = fanotify_match,
	.fdinfo = fanotify_fdinfo,
	.collect = fanotify_collect,
	.resolve = fanotify_resolve,
	.encode = fanotify_encode,
	.decode = fanotify_decode,
	.create = fanotify_create,
	.finish = fanotify_finish,
	.done = fanotify_done,
};
