/*
 * personality: execution domain of a thread (personality(2)), read from /proc/PID/task/TID. The
 * image has one for the whole task, the leader's; a thread with another has a field of our own.
 */
#include <sys/syscall.h>

#include "inject/batch.h"
#include "kernel/proc/value.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

struct personality {
	uint32_t persona;
};

static struct personality *leader_part(const struct thread *th)
{
	return part_of(task_leader(th->task), TASK_KIND_personality);
}

static int personality_collect(struct collect *c, struct thread *th, void *part)
{
	struct personality *s = part;
	uint64_t persona;
	int r = proc_value_u64(&live_thread_of(th)->proc, "personality", 16, &persona);

	if (r == 0)
		s->persona = (uint32_t)persona;
	return r < 0 ? report_fail(c->report, r, "cannot read its execution domain") : 0;
}

static int personality_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct personality *s = part;

	if (thread_is_leader(th)) {
		out->core->tc->personality = s->persona;
	} else if (s->persona != leader_part(th)->persona) {
		out->core->thread_core->has_personality = true;
		out->core->thread_core->personality = s->persona;
	}
	return 0;
}

/* The leader is the first of the threads. */
static int personality_decode(struct model *m, struct thread *th, void *part,
			      const struct core_record *in)
{
	const ThreadCoreEntry *e = in->core->thread_core;
	struct personality *s = part;

	(void)m;
	if (thread_is_leader(th))
		s->persona = in->core->tc->personality;
	else
		s->persona = e->has_personality ? e->personality : leader_part(th)->persona;
	return 0;
}

static int personality_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct personality *s = part;

	(void)env;
	(void)th;
	program_must(p, SYS_personality, ARGS(s->persona));
	program_note(p, "setting the execution domain %#x", s->persona);
	return 0;
}

const struct task_kind task_kind_personality = {
	.name = "personality",
	.about = "execution domain of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct personality),
	.collect = personality_collect,
	.encode = personality_encode,
	.decode = personality_decode,
	.late = personality_late,
};
