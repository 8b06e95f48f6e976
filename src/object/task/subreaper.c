/* subreaper: whether a task adopts orphans among its descendants (prctl(2)
 * PR_SET_CHILD_SUBREAPER). While a tree is built some tasks are that for a while; so it is set in
 * every case. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

struct subreaper {
	bool is_subreaper;
	struct piece piece;
};

static int subreaper_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct subreaper *s = part;

	(void)c;
	(void)th;
	s->piece = program_room(p, sizeof(uint32_t));
	program_must(p, SYS_prctl, ARGS(PR_GET_CHILD_SUBREAPER, arg_at(s->piece)));
	program_note(p, "asking whether it adopts orphans");
	return 0;
}

static int subreaper_answer(struct collect *c, struct thread *th, void *part,
			    const struct program *p)
{
	struct subreaper *s = part;

	(void)c;
	(void)th;
	(void)p;
	s->is_subreaper = piece_u32(&s->piece);
	return 0;
}

static int subreaper_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct subreaper *s = part;

	(void)th;
	out->core->tc->has_child_subreaper = true;
	out->core->tc->child_subreaper = s->is_subreaper;
	return 0;
}

static int subreaper_decode(struct model *m, struct thread *th, void *part,
			    const struct core_record *in)
{
	struct subreaper *s = part;

	(void)m;
	(void)th;
	s->is_subreaper = in->core->tc->has_child_subreaper && in->core->tc->child_subreaper;
	return 0;
}

static int subreaper_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct subreaper *s = part;

	(void)env;
	(void)th;
	program_must(p, SYS_prctl, ARGS(PR_SET_CHILD_SUBREAPER, s->is_subreaper));
	program_note(p, "setting whether it adopts orphans");
	return 0;
}

const struct task_kind task_kind_subreaper = {
	.name = "subreaper",
	.about = "whether a task adopts orphans",
	.owner = PART_TASK,
	.size = sizeof(struct subreaper),
	.ask = subreaper_ask,
	.answer = subreaper_answer,
	.encode = subreaper_encode,
	.decode = subreaper_decode,
	.late = subreaper_late,
};
