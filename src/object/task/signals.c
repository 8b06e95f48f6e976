/* signals: signals that are pending for one thread alone. See signals_common.h. */
#include "object/task/signals_common.h"
#include "schema/core.pb-c.h"

static int signals_answer(struct collect *c, struct thread *th, void *part, const struct program *p)
{
	(void)p;
	return signal_queue_collect(c, th, PTRACE_QUEUE_THREAD,
				    live_thread_of(th)->status.sig_pending, part, &th->pending);
}

static int signals_encode(const struct thread *th, const void *part, struct core_record *out)
{
	(void)th;
	out->core->thread_core->signals_p = signal_queue_encode(part, out->arena);
	return out->core->thread_core->signals_p ? 0 : -ENOMEM;
}

static int signals_decode(struct model *m, struct thread *th, void *part,
			  const struct core_record *in)
{
	(void)m;
	(void)th;
	return signal_queue_decode(in->core->thread_core->signals_p, part);
}

static int signals_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	(void)env;
	(void)th;
	signal_queue_late(part, PTRACE_QUEUE_THREAD, p);
	return 0;
}

static void signals_done(void *part)
{
	struct signal_queue *q = part;

	vec_done(q);
}

const struct task_kind task_kind_signals = {
	.name = "signals",
	.about = "signals pending for one thread",
	.owner = PART_THREAD,
	.size = sizeof(struct signal_queue),
	.answer = signals_answer,
	.encode = signals_encode,
	.decode = signals_decode,
	.last = signals_last,
	.done = signals_done,
};
