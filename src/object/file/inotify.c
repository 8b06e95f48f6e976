/*
 * inotify(7): an instance and its watches. The watches are added last, when the tree is complete,
 * so that nothing of what the restore did to files shows as an event; each gets the number it had
 * (INOTIFY_IOC_SETNEXTWD, Linux 4.18).
 *
 * Not covered: events that were not read yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "object/file/fsnotify_common.h"
#include "schema/fdinfo.pb-c.h"

/* <linux/inotify.h> does not go with libc's header. */
#define IOC_SETNEXTWD _IOW('I', 0, int32_t)

/* What may be asked for; fdinfo of older kernels shows more. */
#define WATCH_MASK (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT)

struct inotify {
	struct file file;
	struct {
		VEC(struct mark);
	} watches;
};

static struct inotify *inotify_of(struct file *f)
{
	return container_of(f, struct inotify, file);
}

static void inotify_done(struct file *f)
{
	vec_done(&inotify_of(f)->watches);
}

/* ---- dump ---- */

static bool inotify_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:inotify") == 0 ||
	       strcmp(v->link, "anon_inode:[inotify]") == 0;
}

static int inotify_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct mark k;
	int r;

	if (strcmp(key, "inotify") != 0)
		return 0;
	r = mark_scan(value, &k);
	return r < 0 ? r : vec_push(&inotify_of(f)->watches, k);
}

static int inotify_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct pollfd pfd = { .fd = v->fd, .events = POLLIN };

	if (sys_poll(&pfd, 1, 0) > 0)
		report_warn(c->report, CODE_FILE_KIND,
			    "task %d: fd %d: events of inotify that were not read will be lost",
			    f->task->host_pid, f->fd);
	return 0;
}

static int inotify_resolve(struct collect *c, struct file *f)
{
	int r = 0;

	vec_for_each(k, &inotify_of(f)->watches) {
		int one = mark_resolve(c, f, k);

		r = one < 0 ? one : r;
	}
	return r;
}

static InotifyWdEntry *watch_encode(const struct file *f, const struct mark *k, struct arena *a)
{
	InotifyWdEntry *e = ARENA_NEW(a, InotifyWdEntry);

	if (!e)
		return NULL;
	inotify_wd_entry__init(e);
	e->id = f->id;
	e->i_ino = k->ino;
	e->mask = k->mask;
	e->ignored_mask = k->ignored;
	e->s_dev = k->sdev;
	e->wd = k->wd;
	e->f_handle = mark_encode_handle(k, a);
	return e->f_handle ? e : NULL;
}

static int inotify_encode(const struct file *f, struct file_record *out)
{
	const struct inotify *in = container_of(f, const struct inotify, file);
	InotifyFileEntry *e = ARENA_NEW(out->arena, InotifyFileEntry);

	if (!e)
		return -ENOMEM;
	inotify_file_entry__init(e);
	e->id = f->id;
	e->flags = f->flags;
	e->fown = fown_encode(&f->fown, out->arena);
	e->wd = ARENA_ARRAY(out->arena, InotifyWdEntry *, in->watches.n);
	if (out->arena->failed)
		return -ENOMEM;
	vec_for_each(k, &in->watches)
		e->wd[e->n_wd++] = watch_encode(f, k, out->arena);
	out->fe->ify = e;
	return out->arena->failed ? -ENOMEM : 0;
}

/* ---- restore ---- */

static int inotify_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const InotifyFileEntry *e = in->fe->ify;
	int r = 0;

	if (!e)
		return -EUCLEAN;
	f->flags = e->flags;
	f->fown = fown_decode(e->fown);
	for (size_t i = 0; i < e->n_wd && r == 0; i++) {
		const InotifyWdEntry *w = e->wd[i];
		struct mark k = { .wd = w->wd, .mask = w->mask, .ino = w->i_ino, .sdev = w->s_dev };

		r = w->wd > 0 && w->wd <= INT32_MAX ? mark_decode_handle(&k, w->f_handle)
						    : -EUCLEAN;
		if (r == 0 && k.path) {
			k.path = arena_dup(in->arena, k.path, strlen(k.path) + 1);
			r = k.path ? 0 : -ENOMEM;
		}
		if (r == 0)
			r = vec_push(&inotify_of(f)->watches, k);
	}
	return r;
}

static int inotify_create(struct env *env, struct file *f, int *ret_fd)
{
	scoped(fd_close) int fd = sys_inotify_init(IN_CLOEXEC);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make an inotify instance");
	r = env_apply_common(env, f, fd, false);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

static int watch_add(struct env *env, int fd, const struct mark *k)
{
	scoped(fd_close) int target = -EBADF;
	char path[32];
	int r = mark_open(env, k, &target);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	r = sys_ioctl(fd, IOC_SETNEXTWD, k->wd);
	if (r >= 0)
		r = sys_inotify_add_watch(fd, path, k->mask & WATCH_MASK);
	if (r >= 0 && (uint32_t)r != k->wd)
		r = -EEXIST;
	return r < 0 ? report_fail(env->report, r, "cannot add watch %u (%s)", k->wd,
				   k->path ? k->path : "no path")
		     : 0;
}

/* The kernel goes on counting after the one added last. */
static int watch_order(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	return x->wd < y->wd ? -1 : x->wd > y->wd;
}

static int inotify_finish(struct env *env)
{
	vec_for_each(at, &env->model->files) {
		struct inotify *in = inotify_of(*at);

		if ((*at)->kind != file_kinds[FILE_KIND_inotify] || !in->watches.n)
			continue;
		qsort(in->watches.at, in->watches.n, sizeof(*in->watches.at), watch_order);
		vec_for_each(k, &in->watches) {
			int r = watch_add(env, (*at)->made_fd, k);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

const struct file_kind file_kind_inotify = {
	.name = "inotify",
	.about = "inotify instances and their watches",
	.tag = FD_TYPES__INOTIFY,
	.size = sizeof(struct inotify),
	.match = inotify_match,
	.fdinfo = inotify_fdinfo,
	.collect = inotify_collect,
	.resolve = inotify_resolve,
	.encode = inotify_encode,
	.decode = inotify_decode,
	.create = inotify_create,
	.finish = inotify_finish,
	.done = inotify_done,
};
