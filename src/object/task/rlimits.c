/*
 * rlimits: resource limits of a task. From outside prlimit(2) wants CAP_SYS_RESOURCE for tasks of
 * other users; the task itself may always ask, so it does.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "kernel/cap.h"
#include "kernel/sys.h"
#include "object/check.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

#define LIMITS 16 /* of the kernel: RLIMIT_CPU to RLIMIT_RTTIME */
static_assert(RLIM_NLIMITS == LIMITS && sizeof(struct rlimit) == 16, "the kernel's limits");

static const char *const names[LIMITS] = {
	[RLIMIT_CPU] = "CPU",           [RLIMIT_FSIZE] = "FSIZE",
	[RLIMIT_DATA] = "DATA",         [RLIMIT_STACK] = "STACK",
	[RLIMIT_CORE] = "CORE",         [RLIMIT_RSS] = "RSS",
	[RLIMIT_NPROC] = "NPROC",       [RLIMIT_NOFILE] = "NOFILE",
	[RLIMIT_MEMLOCK] = "MEMLOCK",   [RLIMIT_AS] = "AS",
	[RLIMIT_LOCKS] = "LOCKS",       [RLIMIT_SIGPENDING] = "SIGPENDING",
	[RLIMIT_MSGQUEUE] = "MSGQUEUE", [RLIMIT_NICE] = "NICE",
	[RLIMIT_RTPRIO] = "RTPRIO",     [RLIMIT_RTTIME] = "RTTIME",
};

struct rlimits {
	struct rlimit limit[LIMITS];
	unsigned n; /* restore: how many the image has */
	struct piece piece;
};

static int rlimits_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct rlimits *s = part;

	(void)c;
	(void)th;
	s->piece = program_room(p, sizeof(s->limit));
	for (unsigned i = 0; i < LIMITS; i++) {
		program_must(p, SYS_prlimit64,
			     ARGS(0, i, 0, arg_at_offset(s->piece, i * sizeof(s->limit[0]))));
		program_note(p, "asking for its RLIMIT_%s", names[i]);
	}
	return 0;
}

static int rlimits_answer(struct collect *c, struct thread *th, void *part, const struct program *p)
{
	struct rlimits *s = part;

	(void)c;
	(void)th;
	(void)p;
	memcpy(s->limit, s->piece.p, sizeof(s->limit));
	s->n = LIMITS;
	return 0;
}

static int rlimits_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct rlimits *s = part;
	TaskRlimitsEntry *e = ARENA_NEW(out->arena, TaskRlimitsEntry);
	RlimitEntry *entries = ARENA_ARRAY(out->arena, RlimitEntry, LIMITS);

	(void)th;
	if (!e || !entries)
		return -ENOMEM;
	task_rlimits_entry__init(e);
	e->rlimits = ARENA_ARRAY(out->arena, RlimitEntry *, LIMITS);
	if (!e->rlimits)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n; i++) {
		rlimit_entry__init(&entries[i]);
		entries[i].cur = s->limit[i].rlim_cur;
		entries[i].max = s->limit[i].rlim_max;
		e->rlimits[e->n_rlimits++] = &entries[i];
	}
	out->core->tc->rlimits = e;
	return 0;
}

static int rlimits_decode(struct model *m, struct thread *th, void *part,
			  const struct core_record *in)
{
	const TaskRlimitsEntry *e = in->core->tc->rlimits;
	struct rlimits *s = part;

	(void)m;
	(void)th;
	if (!e)
		return 0;
	if (e->n_rlimits > LIMITS)
		return -EUCLEAN;
	for (size_t i = 0; i < e->n_rlimits; i++) {
		if (e->rlimits[i]->cur > e->rlimits[i]->max)
			return -EUCLEAN;
		s->limit[i] = (struct rlimit){ e->rlimits[i]->cur, e->rlimits[i]->max };
	}
	s->n = (unsigned)e->n_rlimits;
	return 0;
}

static int rlimits_check(struct check *k, struct thread *th, void *part)
{
	const struct rlimits *s = part;

	(void)th;
	if (cap_own_has(CAP_SYS_RESOURCE))
		return 0;
	for (unsigned i = 0; i < s->n; i++) {
		struct rlimit ours;
		int r = sys_prlimit(0, i, NULL, &ours);

		if (r < 0)
			return report_fail(k->report, r, "cannot read our own RLIMIT_%s", names[i]);
		if (s->limit[i].rlim_max > ours.rlim_max)
			return report_refuse_with(
				k->report, -EPERM, CODE_LIMIT,
				"raise the limit of stasis, or give it CAP_SYS_RESOURCE",
				"its hard RLIMIT_%s was %" PRIu64 ", this process has %" PRIu64
				" and may not raise it",
				names[i], (uint64_t)s->limit[i].rlim_max, (uint64_t)ours.rlim_max);
	}
	return 0;
}

static int rlimits_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct rlimits *s = part;
	struct piece piece = program_put(p, s->limit, sizeof(s->limit));

	(void)env;
	(void)th;
	for (unsigned i = 0; i < s->n; i++) {
		program_must(p, SYS_prlimit64,
			     ARGS(0, i, arg_at_offset(piece, i * sizeof(s->limit[0])), 0));
		program_note(p, "setting its RLIMIT_%s", names[i]);
	}
	return 0;
}

const struct task_kind task_kind_rlimits = {
	.name = "rlimits",
	.about = "resource limits of a task",
	.owner = PART_TASK,
	.size = sizeof(struct rlimits),
	.ask = rlimits_ask,
	.answer = rlimits_answer,
	.encode = rlimits_encode,
	.decode = rlimits_decode,
	.check = rlimits_check,
	.last = rlimits_last,
};
