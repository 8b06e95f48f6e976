/*
 * posix_timers: timers of timer_create(2). What they are stands in /proc/PID/timers; what is left
 * of the current interval only the task can ask. They come back with the ids that the task knows,
 * and run on from the restore as if no time had passed.
 *
 * Ids: since Linux 6.15 a task may say which (PR_TIMER_CREATE_RESTORE_IDS). Before, the kernel
 * counts them up from 0 in every new process; so timers are made in ascending order, and those
 * whose number is not the wanted one are deleted again. The same steps do both.
 *
 * Not kept: overruns that were not yet asked for, and the thread whose CPU time a timer of
 * CLOCK_THREAD_CPUTIME_ID counts, which the kernel does not tell.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "inject/batch.h"
#include "kernel/proc/timers.h"
#include "kernel/sys.h"
#include "object/check.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

#define RESTORE_IDS     77 /* prctl(2) PR_TIMER_CREATE_RESTORE_IDS; not in older headers */
#define RESTORE_IDS_OFF 0
#define RESTORE_IDS_ON  1

#define TIMERS_MAX  100000
#define SLOW_ID_MAX 1000000 /* reached by counting in a second or so */
#define SEC_MAX     (INT64_MAX / 1000000000)
#define NSEC_MAX    999999999
#define SIGNALS     64

/* CPU clocks are negative numbers: the inverted pid, then three bits. */
#define CLOCK_KIND_BITS   3
#define CLOCK_KIND_DEVICE 3 /* of the three bits: a descriptor instead of a pid */
#define CLOCK_OWN_THREAD  (-2)

/* The kernel's struct sigevent. */
struct event {
	uint64_t value;
	int32_t signal, notify, tid;
	int32_t unused_part[11];
};
static_assert(sizeof(struct event) == sizeof(struct sigevent), "the kernel's struct");

struct timer {
	int id, clock, signal, notify;
	uint64_t value;
	pid_t tid; /* in the tree's pid namespace; with SIGEV_THREAD_ID */
	uint32_t overrun;
	struct itimerspec time;
	struct piece piece; /* dump: the time */
	int ask_overrun;
};

struct timers {
	VEC(struct timer); /* ascending ids */
};

/* ---- dump ---- */

static int timer_collect_target(struct collect *c, const struct thread *th,
				const struct proc_timer *pt, struct timer *t)
{
	const struct thread *other;

	if (!(pt->notify & SIGEV_THREAD_ID))
		return 0;
	thread_for_each(other, th->task)
		if (other->host_tid == pt->target)
			t->tid = other->tid;
	if (t->tid)
		return 0;
	return report_refuse(c->report, -ENOTSUP, CODE_TIMER,
			     "timer %d signals a thread that has ended", pt->id);
}

static int timer_collect(struct collect *c, const struct thread *th, const struct proc_timer *pt,
			 struct timers *s)
{
	struct timer t = { .id = pt->id,
			   .clock = pt->clock,
			   .signal = pt->signal,
			   .notify = pt->notify,
			   .value = pt->value };
	int r = timer_collect_target(c, th, pt, &t);

	if (r < 0)
		return r;
	if (t.clock < 0 && (t.clock & ((1 << CLOCK_KIND_BITS) - 1)) == CLOCK_KIND_DEVICE)
		return report_refuse(c->report, -ENOTSUP, CODE_TIMER,
				     "timer %d runs by a clock device", t.id);
	if (t.clock == CLOCK_OWN_THREAD && th->task->n_threads > 1)
		report_warn(c->report, CODE_TIMER,
			    "timer %d counts the CPU time of one thread, and the kernel does not "
			    "say which: it will be the main thread's",
			    t.id);
	r = vec_push(s, t);
	return r < 0 ? report_fail(c->report, r, "cannot note a timer") : 0;
}

static void timers_sort(struct timers *s)
{
	/* The kernel lists them almost sorted. */
	for (size_t i = 1; i < s->n; i++) {
		struct timer t = s->at[i];
		size_t j = i;

		for (; j > 0 && s->at[j - 1].id > t.id; j--)
			s->at[j] = s->at[j - 1];
		s->at[j] = t;
	}
}

static int posix_timers_collect(struct collect *c, struct thread *th, void *part)
{
	struct timers *s = part;
	struct proc_timer pt;
	struct scan scan;
	int r = proc_timers_read(&live_of(th->task)->proc, &c->text);

	if (r < 0)
		return report_fail(c->report, r, "cannot list its timers");
	scan = scan_over(c->text.at, c->text.n);
	while ((r = proc_timers_next(&scan, &pt)) > 0) {
		r = timer_collect(c, th, &pt, s);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return report_fail(c->report, r, "cannot understand the list of its timers");
	timers_sort(s);
	return 0;
}

static int posix_timers_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct timers *s = part;

	(void)c;
	(void)th;
	vec_for_each(t, s) {
		t->piece = program_room(p, sizeof(t->time));
		program_must(p, SYS_timer_gettime, ARGS(t->id, arg_at(t->piece)));
		program_note(p, "asking for the time of timer %d", t->id);
		t->ask_overrun = program_must(p, SYS_timer_getoverrun, ARGS(t->id));
		program_note(p, "asking how often timer %d was missed", t->id);
	}
	return 0;
}

static int posix_timers_answer(struct collect *c, struct thread *th, void *part,
			       const struct program *p)
{
	struct timers *s = part;

	(void)c;
	(void)th;
	vec_for_each(t, s) {
		memcpy(&t->time, t->piece.p, sizeof(t->time));
		t->overrun = (uint32_t)program_result(p, t->ask_overrun);
	}
	return 0;
}

static void timer_fill(PosixTimerEntry *e, const struct timer *t)
{
	posix_timer_entry__init(e);
	e->it_id = (uint32_t)t->id;
	e->clock_id = (uint32_t)t->clock;
	e->si_signo = (uint32_t)t->signal;
	e->it_sigev_notify = (uint32_t)t->notify;
	e->sival_ptr = t->value;
	e->overrun = t->overrun;
	e->isec = (uint64_t)t->time.it_interval.tv_sec;
	e->insec = (uint64_t)t->time.it_interval.tv_nsec;
	e->vsec = (uint64_t)t->time.it_value.tv_sec;
	e->vnsec = (uint64_t)t->time.it_value.tv_nsec;
	e->has_notify_thread_id = t->notify & SIGEV_THREAD_ID;
	e->notify_thread_id = t->tid;
}

static int posix_timers_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct timers *s = part;
	PosixTimerEntry *entries = ARENA_ARRAY(out->arena, PosixTimerEntry, s->n);
	TaskTimersEntry *e = out->core->tc->timers; /* made by the interval timers */

	(void)th;
	assert(e);
	if (!s->n)
		return 0;
	e->posix = ARENA_ARRAY(out->arena, PosixTimerEntry *, s->n);
	if (!entries || !e->posix)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		timer_fill(&entries[i], &s->at[i]);
		e->posix[e->n_posix++] = &entries[i];
	}
	return 0;
}

/* ---- restore ---- */

static bool thread_is_there(const struct task *task, pid_t tid)
{
	const struct thread *th;

	thread_for_each(th, task)
		if (th->tid == tid)
			return true;
	return false;
}

static int timer_take(const struct task *task, const PosixTimerEntry *e, struct timer *t)
{
	if (e->it_id > INT32_MAX || e->isec > SEC_MAX || e->vsec > SEC_MAX || e->insec > NSEC_MAX ||
	    e->vnsec > NSEC_MAX || e->it_sigev_notify > (SIGEV_THREAD_ID | SIGEV_THREAD))
		return -EUCLEAN;
	if (!(e->it_sigev_notify & SIGEV_NONE) && (e->si_signo < 1 || e->si_signo > SIGNALS))
		return -EUCLEAN;
	*t = (struct timer){
		.id = (int)e->it_id,
		.clock = (int)e->clock_id,
		.signal = (int)e->si_signo,
		.notify = (int)e->it_sigev_notify,
		.value = e->sival_ptr,
		.overrun = e->overrun,
		.time = { .it_interval = { (time_t)e->isec, (long)e->insec },
			  .it_value = { (time_t)e->vsec, (long)e->vnsec } },
	};
	if (!(t->notify & SIGEV_THREAD_ID))
		return 0;
	/* Images from before it had a field: the leader. */
	t->tid = e->has_notify_thread_id ? e->notify_thread_id : task->pid;
	return thread_is_there(task, t->tid) ? 0 : -EUCLEAN;
}

static int posix_timers_decode(struct model *m, struct thread *th, void *part,
			       const struct core_record *in)
{
	const TaskTimersEntry *e = in->core->tc->timers;
	struct timers *s = part;

	(void)m;
	if (!e)
		return 0;
	if (e->n_posix > TIMERS_MAX)
		return -EUCLEAN;
	for (size_t i = 0; i < e->n_posix; i++) {
		struct timer t;
		int r = timer_take(th->task, e->posix[i], &t);

		if (r == 0)
			r = vec_push(s, t);
		if (r < 0)
			return r;
	}
	timers_sort(s);
	for (size_t i = 1; i < s->n; i++)
		if (s->at[i].id == s->at[i - 1].id)
			return -EUCLEAN;
	return 0;
}

static int posix_timers_check(struct check *k, struct thread *th, void *part)
{
	const struct timers *s = part;

	(void)th;
	if (!s->n || s->at[s->n - 1].id <= SLOW_ID_MAX)
		return 0;
	if (sys_prctl(RESTORE_IDS, RESTORE_IDS_OFF, 0, 0, 0) == 0)
		return 0;
	return report_refuse(k->report, -ENOSYS, CODE_FEATURE,
			     "it has a timer with the id %d, which takes too long to reach by "
			     "counting; Linux 6.15 can make it at once",
			     s->at[s->n - 1].id);
}

static void timer_late(const struct timer *t, int before, struct program *p)
{
	const struct event event = {
		.value = t->value, .signal = t->signal, .notify = t->notify, .tid = t->tid
	};
	struct piece ev = program_put(p, &event, sizeof(event));
	struct piece id = program_put(p, &t->id, sizeof(t->id));

	/* Counting starts behind the timer before. */
	program_until(p, SYS_timer_create, ARGS(t->clock, arg_at(ev), arg_at(id)), arg_at(id),
		      (uint32_t)t->id, (uint32_t)(t->id - before) + 1, SYS_timer_delete,
		      ARGS(arg_load32(id, 0)));
	program_note(p, "making timer %d", t->id);
	if (!t->time.it_value.tv_sec && !t->time.it_value.tv_nsec)
		return;
	program_must(p, SYS_timer_settime,
		     ARGS(t->id, 0, arg_at(program_put(p, &t->time, sizeof(t->time))), 0));
	program_note(p, "starting timer %d", t->id);
}

static int posix_timers_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct timers *s = part;
	int before = -1;

	(void)env;
	(void)th;
	if (!s->n)
		return 0;
	program_call(p, SYS_prctl, ARGS(RESTORE_IDS, RESTORE_IDS_ON, 0, 0, 0));
	program_note(p, "choosing ids of timers, if the kernel can");
	vec_for_each(t, s) {
		timer_late(t, before, p);
		before = t->id;
	}
	program_call(p, SYS_prctl, ARGS(RESTORE_IDS, RESTORE_IDS_OFF, 0, 0, 0));
	return 0;
}

static void posix_timers_done(void *part)
{
	struct timers *s = part;

	vec_done(s);
}

const struct task_kind task_kind_posix_timers = {
	.name = "posix_timers",
	.about = "timers of timer_create",
	.owner = PART_TASK,
	.size = sizeof(struct timers),
	.collect = posix_timers_collect,
	.ask = posix_timers_ask,
	.answer = posix_timers_answer,
	.encode = posix_timers_encode,
	.decode = posix_timers_decode,
	.check = posix_timers_check,
	.last = posix_timers_last,
	.done = posix_timers_done,
};
