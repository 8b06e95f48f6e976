/*
 * seccomp: mode and filters of threads. Filters form chains: a thread's newest one leads to older
 * ones, and threads and children share the older part. The filters of all threads are gathered in
 * one list in which each names its elder (seccomp.img); equal chains are there once.
 *
 * The engine suspends filters while the interpreter works in a task, on dump and restore alike
 * (PTRACE_O_SUSPEND_SECCOMP), so they can be installed before credentials take the right to.
 *
 * What the chains of all threads of a task have in common they have in common in the kernel, too
 * (they could not synchronise later otherwise, SECCOMP_FILTER_FLAG_TSYNC): the leader installs it
 * for all of them, while they wait, and then each its own part.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "image/dir.h"
#include "image/reader.h"
#include "image/writer.h"
#include "inject/batch.h"
#include "kernel/ptrace.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"
#include "schema/seccomp.pb-c.h"

#define NO_FILTER   UINT32_MAX
#define CHAIN_MAX   4096 /* the kernel limits the sum of lengths to 32768 instructions */
#define FILTERS_MAX 65536

struct filter {
	void *program; /* struct sock_filter[], owned */
	size_t len;    /* bytes */
	uint32_t flags;
	uint32_t elder; /* index, or NO_FILTER */
};

/* Of the kind as a whole: index is the number in images. Elders come before the younger. */
struct filters {
	VEC(struct filter);
};

struct seccomp {
	uint32_t mode;     /* SECCOMP_MODE_* */
	uint32_t newest;   /* index, or NO_FILTER */
	struct piece gate; /* restore, the leader's: a futex that opens for the other threads */
};

static struct filters *filters_get(struct model *m)
{
	void **extra = task_kind_extra(m, TASK_KIND_seccomp);

	if (extra && !*extra)
		*extra = NEW(struct filters);
	return extra ? *extra : NULL;
}

static void filters_done(void *extra)
{
	struct filters *all = extra;

	vec_for_each(f, all)
		mem_free(f->program);
	vec_done(all);
	mem_free(all);
}

/* ---- dump ---- */

/* Reads filter number `index` of a thread, 0 the oldest. 1, or 0 when there are no more. */
static int filter_read(pid_t tid, unsigned long index, struct filter *ret)
{
	ssize_t n = ptrace_get_filter(tid, index, NULL);
	uint64_t flags = 0;
	int r;

	if (n == -ENOENT)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -EINVAL;
	*ret = (struct filter){ .len = (size_t)n * sizeof(struct sock_filter), .elder = NO_FILTER };
	ret->program = mem_alloc((size_t)n, sizeof(struct sock_filter));
	if (!ret->program)
		return -ENOMEM;
	n = ptrace_get_filter(tid, index, ret->program);
	r = n < 0 ? (int)n : ptrace_get_filter_flags(tid, index, &flags);
	if (r < 0)
		mem_free(ptr_take(&ret->program));
	ret->flags = (uint32_t)flags;
	return r < 0 ? r : 1;
}

/* The index of a filter with this elder, added when it is new. Takes its program. */
static int filter_intern_take(struct filters *all, struct filter f, uint32_t *ret)
{
	for (uint32_t i = 0; i < all->n; i++) {
		const struct filter *o = &all->at[i];

		if (o->elder == f.elder && o->flags == f.flags && o->len == f.len &&
		    memcmp(o->program, f.program, f.len) == 0) {
			mem_free(f.program);
			*ret = i;
			return 0;
		}
	}
	if (vec_push(all, f) < 0) {
		mem_free(f.program);
		return -ENOMEM;
	}
	*ret = (uint32_t)all->n - 1;
	return 0;
}

static int chain_collect(struct collect *c, const struct thread *th, struct seccomp *s)
{
	struct filters *all = filters_get(c->model);

	if (!all)
		return -ENOMEM;
	for (unsigned long i = 0;; i++) {
		struct filter f = { 0 };
		int r = filter_read(th->host_tid, i, &f);

		if (r <= 0)
			return r;
		f.elder = s->newest;
		r = filter_intern_take(all, f, &s->newest);
		if (r < 0)
			return r;
	}
}

static int seccomp_collect(struct collect *c, struct thread *th, void *part)
{
	struct seccomp *s = part;
	int r;

	s->mode = live_thread_of(th)->status.seccomp;
	s->newest = NO_FILTER;
	if (s->mode != SECCOMP_MODE_FILTER)
		return 0;
	r = chain_collect(c, th, s);
	if (r == -EACCES || r == -EINVAL || r == -EPERM)
		return report_refuse_with(c->report, r, CODE_SECCOMP,
					  "run stasis as root and without seccomp of its own",
					  "its filters cannot be read");
	return r < 0 ? report_fail(c->report, r, "cannot read its seccomp filters") : 0;
}

static int seccomp_encode(const struct thread *th, const void *part, struct core_record *out)
{
	ThreadCoreEntry *e = out->core->thread_core;
	const struct seccomp *s = part;

	(void)th;
	e->has_seccomp_mode = s->mode != SECCOMP_MODE_DISABLED;
	e->seccomp_mode = (SeccompMode)s->mode;
	e->has_seccomp_filter = s->newest != NO_FILTER;
	e->seccomp_filter = e->has_seccomp_filter ? s->newest : 0;
	return 0;
}

static int seccomp_write(struct collect *c, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *writer = NULL;
	scoped(arena_done) struct arena a = { 0 };
	const struct filters *all = filters_get(c->model);
	SeccompEntry e = SECCOMP_ENTRY__INIT;
	struct image_error err = { 0 };
	int r;

	if (all && !all->n)
		return 0;
	if (all)
		e.seccomp_filters = ARENA_ARRAY(&a, SeccompFilter *, all->n);
	for (size_t i = 0; e.seccomp_filters && i < all->n; i++) {
		SeccompFilter *f = ARENA_NEW(&a, SeccompFilter);

		if (!f)
			break;
		seccomp_filter__init(f);
		f->filter.data = all->at[i].program;
		f->filter.len = all->at[i].len;
		f->has_flags = true;
		f->flags = all->at[i].flags;
		f->has_prev = all->at[i].elder != NO_FILTER;
		f->prev = f->has_prev ? all->at[i].elder : 0;
		e.seccomp_filters[e.n_seccomp_filters++] = f;
	}
	if (!all || a.failed)
		return report_fail(c->report, -ENOMEM, "cannot encode seccomp filters");
	r = image_writer_create(out->dir, IMAGE_SECCOMP, IMAGE_ONE, &err, &writer);
	if (r == 0)
		r = image_write(writer, &e.base);
	if (r == 0)
		r = image_writer_finish(writer);
	return r < 0 ? images_write_failed(c->report, r, &err) : 0;
}

/* ---- restore ---- */

static int filter_load(struct filters *all, const SeccompFilter *e, size_t n_all)
{
	struct filter f = { .len = e->filter.len,
			    .flags = e->has_flags ? e->flags : 0,
			    .elder = e->has_prev ? e->prev : NO_FILTER };

	if (!f.len || f.len % sizeof(struct sock_filter) ||
	    f.len / sizeof(struct sock_filter) > BPF_MAXINSNS || (e->has_prev && e->prev >= n_all))
		return -EUCLEAN;
	f.program = mem_dup(e->filter.data, f.len);
	if (!f.program)
		return -ENOMEM;
	if (vec_push(all, f) < 0) {
		mem_free(f.program);
		return -ENOMEM;
	}
	return 0;
}

static int seccomp_load(struct model *m, struct load_images *in)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct filters *all = filters_get(m);
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	const SeccompEntry *e;
	int r;

	if (!all)
		return report_fail(in->report, -ENOMEM, "cannot take in seccomp filters");
	r = image_reader_open(in->dir, IMAGE_SECCOMP, IMAGE_ONE, &err, &reader);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = image_read(reader, &in->arena, &msg);
	if (r <= 0) /* an empty one is fine */
		return r < 0 ? images_load_failed(in->report, r, &err) : 0;
	e = (const SeccompEntry *)msg;
	if (e->n_seccomp_filters > FILTERS_MAX)
		return report_refuse(in->report, -EUCLEAN, CODE_IMAGE_DAMAGED,
				     "seccomp.img has %zu filters", e->n_seccomp_filters);
	for (size_t i = 0; i < e->n_seccomp_filters; i++) {
		r = filter_load(all, e->seccomp_filters[i], e->n_seccomp_filters);
		if (r == -EUCLEAN)
			return report_refuse(in->report, r, CODE_IMAGE_DAMAGED,
					     "filter %zu of seccomp.img cannot be as it says", i);
		if (r < 0)
			return report_fail(in->report, r, "cannot take in seccomp filters");
	}
	return 0;
}

/* Indices of a chain, the oldest first. -EUCLEAN when it is endless. */
struct chain {
	VEC(uint32_t);
};

static int chain_of(const struct filters *all, uint32_t newest, struct chain *ret)
{
	for (uint32_t i = newest; i != NO_FILTER; i = all->at[i].elder) {
		if (i >= all->n || ret->n == CHAIN_MAX)
			return -EUCLEAN;
		if (vec_push(ret, i) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0, j = ret->n; i + 1 < j; i++) {
		uint32_t swapped = ret->at[i];

		ret->at[i] = ret->at[--j];
		ret->at[j] = swapped;
	}
	return 0;
}

static int seccomp_decode(struct model *m, struct thread *th, void *part,
			  const struct core_record *in)
{
	const ThreadCoreEntry *e = in->core->thread_core;
	const TaskCoreEntry *tc = in->core->tc;
	struct chain chain = { 0 };
	struct seccomp *s = part;
	int r;

	(void)th;
	s->newest = NO_FILTER;
	if (e->has_seccomp_mode)
		s->mode = e->seccomp_mode;
	else if (tc && tc->has_old_seccomp_mode)
		s->mode = tc->old_seccomp_mode;
	if (s->mode > SECCOMP_MODE_FILTER)
		return -EUCLEAN;
	if (s->mode != SECCOMP_MODE_FILTER)
		return 0;
	if (e->has_seccomp_filter)
		s->newest = e->seccomp_filter;
	else if (tc && tc->has_old_seccomp_filter)
		s->newest = tc->old_seccomp_filter;
	else
		return -EUCLEAN;
	r = filters_get(m) ? chain_of(filters_get(m), s->newest, &chain) : -ENOMEM;
	vec_done(&chain);
	return r;
}

/* How many filters, from the oldest on, all threads of a task have in common. */
static int chain_common(const struct filters *all, const struct task *t, const struct chain *chain,
			size_t *ret_n)
{
	size_t n = t->n_threads > 1 ? chain->n : 0;
	const struct thread *th;

	thread_for_each(th, t) {
		const struct seccomp *s = part_of(th, TASK_KIND_seccomp);
		struct chain other = { 0 };
		size_t same = 0;
		int r = chain_of(all, s->newest, &other);

		while (same < n && same < other.n && other.at[same] == chain->at[same])
			same++;
		vec_done(&other);
		if (r < 0)
			return r;
		n = same;
	}
	*ret_n = n;
	return 0;
}

static void filter_late(const struct filter *f, uint32_t flags, struct program *p)
{
	const struct sock_fprog prog = { .len = (unsigned short)(f->len /
								 sizeof(struct sock_filter)) };
	struct piece program = program_put(p, f->program, f->len);
	struct piece piece = program_put(p, &prog, sizeof(prog));

	program_link(p, piece, offsetof(struct sock_fprog, filter), program, 0);
	/* With TSYNC a positive result is the thread that could not be brought along. */
	program_exact(p, 0, SYS_seccomp,
		      ARGS(SECCOMP_SET_MODE_FILTER, f->flags | flags, arg_at(piece)));
	program_note(p, "installing a seccomp filter of %zu instructions",
		     f->len / sizeof(struct sock_filter));
}

/* The word that the other threads wait for; whoever comes first in composing makes it. */
static struct arg gate_of(const struct task *t, struct program *p)
{
	struct seccomp *leader = part_of(task_leader(t), TASK_KIND_seccomp);
	const uint32_t closed = 0;

	if (!leader->gate.len)
		leader->gate = program_put(p, &closed, sizeof(closed));
	return arg_at(leader->gate);
}

static void gate_open(const struct task *t, struct program *p)
{
	const uint32_t open = 1;

	program_copy(p, gate_of(t, p), arg_at(program_put(p, &open, sizeof(open))), sizeof(open));
	program_call(p, SYS_futex, ARGS(gate_of(t, p), FUTEX_WAKE, INT32_MAX));
	program_note(p, "letting the other threads go on");
}

/* Does not wait when it is open already. */
static void gate_wait(const struct task *t, struct program *p)
{
	program_call(p, SYS_futex, ARGS(gate_of(t, p), FUTEX_WAIT, 0, 0));
	program_note(p, "waiting for the filters that all threads have");
}

static int chain_late(const struct filters *all, const struct thread *th, const struct seccomp *s,
		      struct program *p)
{
	struct chain chain = { 0 };
	size_t common = 0;
	int r = chain_of(all, s->newest, &chain);

	if (r == 0)
		r = chain_common(all, th->task, &chain, &common);
	if (r == 0 && common && !thread_is_leader(th))
		gate_wait(th->task, p);
	for (size_t i = thread_is_leader(th) ? 0 : common; r == 0 && i < chain.n; i++)
		filter_late(&all->at[chain.at[i]], i < common ? SECCOMP_FILTER_FLAG_TSYNC : 0, p);
	/* TSYNC is over: its own part may differ. */
	if (r == 0 && common && thread_is_leader(th))
		gate_open(th->task, p);
	vec_done(&chain);
	return r;
}

static int seccomp_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct filters *all = filters_get(env->model);
	const struct seccomp *s = part;
	int r;

	if (s->mode == SECCOMP_MODE_STRICT) {
		program_must(p, SYS_prctl, ARGS(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		program_note(p, "entering seccomp's strict mode");
	}
	if (s->mode != SECCOMP_MODE_FILTER)
		return 0;
	r = all ? chain_late(all, th, s, p) : -ENOMEM;
	return r < 0 ? report_fail(env->report, r, "cannot plan its seccomp filters") : 0;
}

const struct task_kind task_kind_seccomp = {
	.name = "seccomp",
	.about = "seccomp mode and filters of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct seccomp),
	.collect = seccomp_collect,
	.encode = seccomp_encode,
	.write = seccomp_write,
	.load = seccomp_load,
	.decode = seccomp_decode,
	.last = seccomp_last,
	.extra_done = filters_done,
};
