/*
 * itimers: the three interval timers of a task (getitimer(2)). Only the task can ask. What is left
 * of the current interval runs on from the restore, as if no time had passed.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

#define TIMERS   3 /* ITIMER_REAL, _VIRTUAL, _PROF */
#define USEC_MAX 999999
#define SEC_MAX  (INT64_MAX / 1000000000)

static_assert(sizeof(struct itimerval) == 32, "the kernel's struct");

static const char *const names[TIMERS] = { "real", "virtual", "profiling" };

struct itimers {
	struct itimerval timer[TIMERS];
	struct piece piece;
};

static int itimers_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct itimers *s = part;

	(void)c;
	(void)th;
	s->piece = program_room(p, sizeof(s->timer));
	for (unsigned i = 0; i < TIMERS; i++) {
		program_must(p, SYS_getitimer,
			     ARGS(i, arg_at_offset(s->piece, i * sizeof(s->timer[0]))));
		program_note(p, "asking for the %s interval timer", names[i]);
	}
	return 0;
}

static int itimers_answer(struct collect *c, struct thread *th, void *part, const struct program *p)
{
	struct itimers *s = part;

	(void)c;
	(void)th;
	(void)p;
	memcpy(s->timer, s->piece.p, sizeof(s->timer));
	return 0;
}

static void itimer_fill(ItimerEntry *e, const struct itimerval *v)
{
	itimer_entry__init(e);
	e->isec = (uint64_t)v->it_interval.tv_sec;
	e->iusec = (uint64_t)v->it_interval.tv_usec;
	e->vsec = (uint64_t)v->it_value.tv_sec;
	e->vusec = (uint64_t)v->it_value.tv_usec;
}

/* The message is shared with the POSIX timers, which come behind in the table. */
static int itimers_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct itimers *s = part;
	TaskTimersEntry *e = ARENA_NEW(out->arena, TaskTimersEntry);
	ItimerEntry *timers = ARENA_ARRAY(out->arena, ItimerEntry, TIMERS);

	(void)th;
	if (!e || !timers)
		return -ENOMEM;
	task_timers_entry__init(e);
	for (unsigned i = 0; i < TIMERS; i++)
		itimer_fill(&timers[i], &s->timer[i]);
	e->real = &timers[0];
	e->virt = &timers[1];
	e->prof = &timers[2];
	out->core->tc->timers = e;
	return 0;
}

static int itimer_take(const ItimerEntry *e, struct itimerval *v)
{
	if (e->isec > SEC_MAX || e->vsec > SEC_MAX || e->iusec > USEC_MAX || e->vusec > USEC_MAX)
		return -EUCLEAN;
	*v = (struct itimerval){
		.it_interval = { .tv_sec = (time_t)e->isec, .tv_usec = (suseconds_t)e->iusec },
		.it_value = { .tv_sec = (time_t)e->vsec, .tv_usec = (suseconds_t)e->vusec },
	};
	return 0;
}

static int itimers_decode(struct model *m, struct thread *th, void *part,
			  const struct core_record *in)
{
	const TaskTimersEntry *e = in->core->tc->timers;
	struct itimers *s = part;
	int r;

	(void)m;
	(void)th;
	if (!e)
		return 0;
	r = itimer_take(e->real, &s->timer[0]);
	if (r == 0)
		r = itimer_take(e->virt, &s->timer[1]);
	return r < 0 ? r : itimer_take(e->prof, &s->timer[2]);
}

static int itimers_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct itimers *s = part;

	(void)env;
	(void)th;
	for (unsigned i = 0; i < TIMERS; i++) {
		const struct itimerval *v = &s->timer[i];

		if (!v->it_value.tv_sec && !v->it_value.tv_usec)
			continue;
		program_must(p, SYS_setitimer, ARGS(i, arg_at(program_put(p, v, sizeof(*v))), 0));
		program_note(p, "starting the %s interval timer", names[i]);
	}
	return 0;
}

const struct task_kind task_kind_itimers = {
	.name = "itimers",
	.about = "interval timers of a task",
	.owner = PART_TASK,
	.size = sizeof(struct itimers),
	.ask = itimers_ask,
	.answer = itimers_answer,
	.encode = itimers_encode,
	.decode = itimers_decode,
	.last = itimers_last,
};
