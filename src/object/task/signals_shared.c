/* signals_shared: signals that are pending for a task as a whole, for any of its threads to take.
 * See signals_common.h. */
#include "object/task/signals_common.h"
#include "schema/core.pb-c.h"

static int signals_shared_answer(struct collect *c, struct thread *th, void *part,
				 const struct program *p)
{
	(void)p;
	return signal_queue_collect(c, th, PTRACE_QUEUE_SHARED,
				    live_thread_of(th)->status.sig_shared_pending, part,
				    &th->task->pending);
}

static int signals_shared_encode(const struct thread *th, const void *part, struct core_record *out)
{
	(void)th;
	out->core->tc->signals_s = signal_queue_encode(part, out->arena);
	return out->core->tc->signals_s ? 0 : -ENOMEM;
}

static int signals_shared_decode(struct model *m, struct thread *th, void *part,
				 const struct core_record *in)
{
	(void)m;
	(void)th;
	return signal_queue_decode(in->core->tc->signals_s, part);
}

static int signals_shared_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	(void)env;
	(void)th;
	signal_queue_late(part, PTRACE_QUEUE_SHARED, p);
	return 0;
}

static void signals_shared_done(void *part)
{
	struct signal_queue *q = part;

	vec_done(q);
}

const struct task_kind task_kind_signals_shared = {
	.name = "signals_shared",
	.about = "signals pending for a task as a whole",
	.owner = PART_TASK,
	.size = sizeof(struct signal_queue),
	.answer = signals_shared_answer,
	.encode = signals_shared_encode,
	.decode = signals_shared_decode,
	.last = signals_shared_last,
	.done = signals_shared_done,
};
