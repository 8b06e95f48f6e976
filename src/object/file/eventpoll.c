/*
 * epoll(7): the files that an instance watches, with events and data. A watch belongs to a file and
 * the descriptor number it was added under; the number may be closed or another file by now, while
 * the file is still open elsewhere. kcmp(2) KCMP_EPOLL_TFD tells which file it is.
 *
 * Watches are added again by the task that has the instance, when all files are there: under the
 * number they had, even if that means lending the number to the file for a moment.
 *
 * Not covered: the parameters of EPIOCSPARAMS, and events that were already found but not yet
 * fetched (an edge is reported again).
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "kernel/kcmp.h"
#include "kernel/scan.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/file_common.h"
#include "schema/fdinfo.pb-c.h"

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1u << 28)
#endif

/* How a watch behaves; all other bits are events. When an EPOLLONESHOT watch has fired, only these
 * are left. */
#define EPOLL_MANNERS ((uint32_t)(EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE))

struct watch {
	int number;   /* that it was added under */
	uint32_t nth; /* dump: of those with this number */
	uint32_t events;
	uint64_t data;
	uint32_t dev; /* of the file, kernel encoding */
	uint64_t ino, pos;
	uint32_t file_id;    /* 0: the one that has the number (images of CRIU) */
	struct file *target; /* dump */
};

struct eventpoll {
	struct file file;
	struct {
		VEC(struct watch);
	} watches; /* in the order of the kernel's tree */
};

static struct eventpoll *eventpoll_of(struct file *f)
{
	return container_of(f, struct eventpoll, file);
}

static void eventpoll_done(struct file *f)
{
	vec_done(&eventpoll_of(f)->watches);
}

/* ---- dump ---- */

static bool eventpoll_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:[eventpoll]") == 0;
}

/* "5 events: 40000019 data: 1122334455667788  pos:0 ino:97a16 sdev:f" */
static bool watch_scan(const char *text, struct watch *ret)
{
	struct scan s = scan_over(text, strlen(text));
	struct watch w = { 0 };
	int64_t pos;

	if (!scan_int(&s, &w.number) || !scan_text(&s, " events:"))
		return false;
	scan_blanks(&s);
	if (!scan_u32(&s, 16, &w.events) || !scan_text(&s, " data:"))
		return false;
	scan_blanks(&s);
	if (!scan_u64(&s, 16, &w.data))
		return false;
	scan_blanks(&s);
	if (!scan_text(&s, "pos:") || !scan_i64(&s, &pos) || !scan_text(&s, " ino:") ||
	    !scan_u64(&s, 16, &w.ino) || !scan_text(&s, " sdev:") || !scan_u32(&s, 16, &w.dev))
		return false;
	w.pos = (uint64_t)pos;
	*ret = w;
	return true;
}

static int eventpoll_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct watch w;

	if (strcmp(key, "tfd") != 0)
		return 0;
	return watch_scan(value, &w) ? vec_push(&eventpoll_of(f)->watches, w) : -EINVAL;
}

/* Whether a watch is of file `f`. */
static int watch_compare(const struct eventpoll *ep, const struct watch *w, const struct file *f,
			 bool *ret)
{
	const struct handle instance = file_handle(&ep->file), target = file_handle(f);
	const struct kcmp_epoll_slot slot = { .efd = (uint32_t)instance.fd,
					      .tfd = (uint32_t)w->number,
					      .toff = w->nth };
	int order, r;

	if (target.fd < 0 || f->ino != w->ino)
		return 0;
	r = kcmp_epoll_order((struct kcmp_ref){ .pid = target.pid,
						.index = (unsigned long)target.fd },
			     instance.pid, slot, &order);
	*ret = r == 0 && order == 0;
	return r;
}

static int watch_resolve(struct collect *c, struct eventpoll *ep, struct watch *w)
{
	struct file *likely = fdtable_find(ep->file.task->fdtable, w->number);
	bool same = false;
	int r = likely ? watch_compare(ep, w, likely, &same) : 0;

	if (r == 0 && same)
		w->target = likely;
	for (size_t n = 0; r == 0 && !w->target && n < c->model->files.n; n++) {
		r = watch_compare(ep, w, c->model->files.at[n], &same);
		if (r == 0 && same)
			w->target = c->model->files.at[n];
	}
	if (r < 0)
		return report_fail(c->report, r, "cannot tell which file is watched as %d",
				   w->number);
	if (!w->target)
		return report_refuse(c->report, -ENOTSUP, CODE_EPOLL_TARGET,
				     "watches a file, added as descriptor %d, that nobody in the "
				     "tree has open any more",
				     w->number);
	w->file_id = w->target->id;
	return 0;
}

/* Tells watches apart that were added under one number, when that was one file after the other. */
static int watches_count(struct eventpoll *ep)
{
	scoped(map_done) struct map last = { 0 }; /* (0, number) -> struct watch */

	vec_for_each(w, &ep->watches) {
		const struct watch *before = map_find(&last, 0, (uint64_t)w->number);

		w->nth = before ? before->nth + 1 : 0;
		if (map_set(&last, 0, (uint64_t)w->number, w) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int eventpoll_resolve(struct collect *c, struct file *f)
{
	struct eventpoll *ep = eventpoll_of(f);
	int r = watches_count(ep), one;

	if (r < 0)
		return report_fail(c->report, r, "cannot note its watches");
	vec_for_each(w, &ep->watches) {
		one = watch_resolve(c, ep, w);
		r = one < 0 ? one : r;
	}
	return r;
}

/* A descriptor of the watched file in the table of the instance: what CRIU adds on restore. */
static int watch_number_now(const struct eventpoll *ep, const struct watch *w)
{
	const struct fdtable *table = ep->file.task->fdtable;

	if (fdtable_find(table, w->number) == w->target)
		return w->number;
	vec_for_each(s, &table->slots)
		if (s->file == w->target)
			return s->fd;
	return w->number;
}

static EventpollTfdEntry *watch_encode(const struct eventpoll *ep, const struct watch *w,
				       struct arena *arena)
{
	EventpollTfdEntry *e = ARENA_NEW(arena, EventpollTfdEntry);

	if (!e)
		return NULL;
	eventpoll_tfd_entry__init(e);
	e->tfd = (uint32_t)watch_number_now(ep, w);
	e->events = w->events;
	e->data = w->data;
	e->has_dev = e->has_inode = e->has_pos = true;
	e->dev = w->dev;
	e->inode = w->ino;
	e->pos = w->pos;
	e->has_file_id = true;
	e->file_id = w->file_id;
	e->has_added_as = e->tfd != (uint32_t)w->number;
	e->added_as = (uint32_t)w->number;
	return e;
}

static int eventpoll_encode(const struct file *f, struct file_record *out)
{
	const struct eventpoll *ep = container_of(f, const struct eventpoll, file);
	EventpollFileEntry *ee = ARENA_NEW(out->arena, EventpollFileEntry);

	if (!ee)
		return -ENOMEM;
	eventpoll_file_entry__init(ee);
	ee->id = f->id;
	ee->flags = f->flags;
	ee->fown = fown_encode(&f->fown, out->arena);
	ee->tfd = ARENA_ARRAY(out->arena, EventpollTfdEntry *, ep->watches.n);
	if (out->arena->failed)
		return -ENOMEM;
	vec_for_each(w, &ep->watches)
		ee->tfd[ee->n_tfd++] = watch_encode(ep, w, out->arena);
	out->fe->epfd = ee;
	return out->arena->failed ? -ENOMEM : 0;
}

/* ---- restore ---- */

static int eventpoll_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const EventpollFileEntry *ee = in->fe->epfd;
	int r = 0;

	if (!ee)
		return -EUCLEAN;
	f->flags = ee->flags;
	f->fown = fown_decode(ee->fown);
	for (size_t i = 0; i < ee->n_tfd && r == 0; i++) {
		const EventpollTfdEntry *e = ee->tfd[i];
		uint32_t number = e->has_added_as ? e->added_as : e->tfd;

		if (number > INT32_MAX)
			return -EUCLEAN;
		r = vec_push(&eventpoll_of(f)->watches,
			     (struct watch){ .number = (int)number,
					     .events = e->events,
					     .data = e->data,
					     .file_id = e->has_file_id ? e->file_id : 0 });
	}
	return r;
}

static int eventpoll_create(struct env *env, struct file *f, int *ret_fd)
{
	scoped(fd_close) int fd = sys_epoll_create(EPOLL_CLOEXEC);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make an epoll instance");
	r = env_apply_common(env, f, fd, false);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* A watch that has fired once and waits for EPOLL_CTL_MOD. */
static bool watch_is_spent(const struct watch *w)
{
	return (w->events & EPOLLONESHOT) && !(w->events & ~EPOLL_MANNERS);
}

/*
 * Adds a spent watch. EPOLL_CTL_ADD always asks for errors and hang-ups too, so the only way into
 * that state is to fire once more: done where the file is ready for anything. No other watch may be
 * there yet that could be ready.
 */
static int watch_add_spent(int epfd, const struct watch *w, int number)
{
	struct epoll_event ev = { .events = w->events, .data.u64 = w->data }, fired;
	struct pollfd pfd = { .fd = number, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	int ready = sys_poll(&pfd, 1, 0), r;

	if (ready > 0)
		ev.events |= EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;
	r = sys_epoll_ctl(epfd, EPOLL_CTL_ADD, number, &ev);
	while (r == 0 && ready > 0)
		ready = sys_epoll_wait(epfd, &fired, 1, 0);
	return r;
}

static int watch_add(int epfd, const struct watch *w, int number)
{
	struct epoll_event ev = { .events = w->events, .data.u64 = w->data };

	if (watch_is_spent(w))
		return watch_add_spent(epfd, w, number);
	return sys_epoll_ctl(epfd, EPOLL_CTL_ADD, number, &ev);
}

/* Makes `number` the target for a moment, and again what it was. */
static int watch_add_lent(struct env *env, int epfd, const struct watch *w, int target)
{
	int flags = sys_fcntl(w->number, F_GETFD, 0);
	scoped(fd_close) int saved = flags < 0 ? -EBADF : fd_dup_above(w->number, env->floor);
	int r = flags < 0 ? 0 : saved, back = 0;

	if (r >= 0)
		r = fd_place(target, w->number, true);
	if (r < 0)
		return r;
	r = watch_add(epfd, w, w->number);
	if (saved >= 0)
		back = fd_place(saved, w->number, flags & FD_CLOEXEC);
	else
		fd_close(w->number);
	return r < 0 ? r : back;
}

static int watch_settle(struct env *env, int epfd, const struct watch *w)
{
	const struct file *there = fdtable_find(env->task->fdtable, w->number);
	const struct file *target = w->file_id ? model_file(env->model, w->file_id) : there;
	bool owned = false;
	int fd, r;

	if (!target)
		return report_refuse(env->report, -EUCLEAN, CODE_IMAGE_DAMAGED,
				     "the file that is watched as %d is not there", w->number);
	if (target == there) {
		r = watch_add(epfd, w, w->number);
	} else {
		r = env_file_fd(env, target, &fd, &owned);
		if (r < 0)
			return r;
		r = watch_add_lent(env, epfd, w, fd);
		if (owned)
			fd_close(fd);
	}
	return r < 0 ? report_fail(env->report, r, "cannot watch file %u (%s) as %d", target->id,
				   target->kind->name, w->number)
		     : 0;
}

static int eventpoll_settle(struct env *env, struct file *f, int fd)
{
	struct eventpoll *ep = eventpoll_of(f);
	int r = 0;

	for (int spent = 1; spent >= 0; spent--)
		vec_for_each(w, &ep->watches)
			if (r == 0 && watch_is_spent(w) == spent)
				r = watch_settle(env, fd, w);
	return r;
}

const struct file_kind file_kind_eventpoll = {
	.name = "eventpoll",
	.about = "epoll instances and what they watch",
	.tag = FD_TYPES__EVENTPOLL,
	.size = sizeof(struct eventpoll),
	.match = eventpoll_match,
	.fdinfo = eventpoll_fdinfo,
	.resolve = eventpoll_resolve,
	.encode = eventpoll_encode,
	.decode = eventpoll_decode,
	.create = eventpoll_create,
	.settle = eventpoll_settle,
	.done = eventpoll_done,
};
