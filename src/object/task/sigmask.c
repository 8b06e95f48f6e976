/*
 * sigmask: the signals that a thread blocks. The freeze has read them (a thread asleep in
 * sigsuspend(2) shows those that it had before); on restore they are part of the context that the
 * thread returns into, so that nothing is delivered before the first instruction of its own.
 *
 * In images the leader's are with the task, the other threads' with the thread.
 */
#include "inject/context.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

struct sigmask {
	uint64_t blocked; /* bit N-1 is signal N */
};

static int sigmask_collect(struct collect *c, struct thread *th, void *part)
{
	struct sigmask *s = part;

	(void)c;
	s->blocked = live_thread_of(th)->sigmask;
	return 0;
}

static int sigmask_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct sigmask *s = part;

	if (thread_is_leader(th)) {
		out->core->tc->blk_sigset = s->blocked;
		return 0;
	}
	out->core->thread_core->has_blk_sigset = true;
	out->core->thread_core->blk_sigset = s->blocked;
	return 0;
}

static int sigmask_decode(struct model *m, struct thread *th, void *part,
			  const struct core_record *in)
{
	struct sigmask *s = part;

	(void)m;
	if (in->core->thread_core->has_blk_sigset)
		s->blocked = in->core->thread_core->blk_sigset;
	else if (thread_is_leader(th))
		s->blocked = in->core->tc->blk_sigset;
	else
		return -EUCLEAN;
	if (!th->context) /* regs come first in the table and have refused an image without */
		return -EUCLEAN;
	th->context->sigmask = s->blocked;
	return 0;
}

const struct task_kind task_kind_sigmask = {
	.name = "sigmask",
	.about = "blocked signals of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct sigmask),
	.collect = sigmask_collect,
	.encode = sigmask_encode,
	.decode = sigmask_decode,
};
