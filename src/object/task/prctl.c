/*
 * prctl: small switches of a thread that nothing else owns, one row each. Only the thread can ask.
 * They have fields of our own in images, written when a switch is not at its normal value; a switch
 * that the running kernel or CPU does not have is at its normal value.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/prctl.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

#define TIMERSLACK_NORMAL 50000 /* ns; what init has and everybody inherits */

struct prctl_row {
	const char *what;
	uint64_t normal;
	long get_nr, set_nr;
	uint64_t get;      /* first argument */
	bool by_address;   /* the answer is a u32 stored at the second argument */
	uint64_t set[2];   /* first arguments; the value comes behind the last that is not 0 */
	bool is_inherited; /* our own process may have another value: set in every case */
	size_t has_at, at; /* in ThreadCoreEntry: has_FIELD and FIELD, a u64 */
};

#define FIELD(name)                                                                                \
	.has_at = offsetof(ThreadCoreEntry, has_##name), .at = offsetof(ThreadCoreEntry, name)

static const struct prctl_row rows[] = {
	{ .what = "how late its timers may be",
	  .normal = TIMERSLACK_NORMAL,
	  .get_nr = SYS_prctl,
	  .get = PR_GET_TIMERSLACK,
	  .set_nr = SYS_prctl,
	  .set = { PR_SET_TIMERSLACK },
	  .is_inherited = true,
	  FIELD(timerslack) },
	{ .what = "whether it may read the time stamp counter",
	  .normal = PR_TSC_ENABLE,
	  .get_nr = SYS_prctl,
	  .get = PR_GET_TSC,
	  .by_address = true,
	  .set_nr = SYS_prctl,
	  .set = { PR_SET_TSC },
	  FIELD(tsc) },
	{ .what = "when it hears of broken memory",
	  .normal = PR_MCE_KILL_DEFAULT,
	  .get_nr = SYS_prctl,
	  .get = PR_MCE_KILL_GET,
	  .set_nr = SYS_prctl,
	  .set = { PR_MCE_KILL, PR_MCE_KILL_SET },
	  FIELD(mce_kill) },
	{ .what = "whether it may ask the CPU what it is",
	  .normal = 1,
	  .get_nr = SYS_arch_prctl,
	  .get = ARCH_GET_CPUID,
	  .set_nr = SYS_arch_prctl,
	  .set = { ARCH_SET_CPUID },
	  FIELD(cpuid) },
};

struct prctls {
	uint64_t value[ARRAY_SIZE(rows)];
	int ask[ARRAY_SIZE(rows)];
	struct piece answer[ARRAY_SIZE(rows)];
};

static int prctl_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct prctls *s = part;

	(void)c;
	(void)th;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct prctl_row *row = &rows[i];

		if (row->by_address) {
			s->answer[i] = program_room(p, sizeof(uint32_t));
			s->ask[i] =
				program_call(p, row->get_nr, ARGS(row->get, arg_at(s->answer[i])));
		} else {
			s->ask[i] = program_call(p, row->get_nr, ARGS(row->get, 0, 0, 0, 0));
		}
		program_note(p, "asking %s", row->what);
	}
	return 0;
}

static int prctl_answer(struct collect *c, struct thread *th, void *part, const struct program *p)
{
	struct prctls *s = part;

	(void)c;
	(void)th;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t v = program_result(p, s->ask[i]);

		if (v < 0)
			s->value[i] = rows[i].normal;
		else
			s->value[i] = rows[i].by_address ? piece_u32(&s->answer[i]) : (uint64_t)v;
		/* Real-time threads have no slack and cannot be given one: nothing to remember. */
		if (rows[i].get == PR_GET_TIMERSLACK && v == 0)
			s->value[i] = rows[i].normal;
	}
	return 0;
}

static int prctl_encode(const struct thread *th, const void *part, struct core_record *out)
{
	char *e = (char *)out->core->thread_core;
	const struct prctls *s = part;

	(void)th;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (s->value[i] == rows[i].normal)
			continue;
		*(protobuf_c_boolean *)(e + rows[i].has_at) = true;
		*(uint64_t *)(void *)(e + rows[i].at) = s->value[i];
	}
	return 0;
}

static int prctl_decode(struct model *m, struct thread *th, void *part,
			const struct core_record *in)
{
	const char *e = (const char *)in->core->thread_core;
	struct prctls *s = part;

	(void)m;
	(void)th;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		s->value[i] = *(const protobuf_c_boolean *)(e + rows[i].has_at)
				      ? *(const uint64_t *)(const void *)(e + rows[i].at)
				      : rows[i].normal;
	return 0;
}

static int prctl_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct prctls *s = part;

	(void)env;
	(void)th;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct prctl_row *row = &rows[i];
		uint64_t v = s->value[i];

		if (v == row->normal && !row->is_inherited)
			continue;
		if (row->set[1])
			program_must(p, row->set_nr, ARGS(row->set[0], row->set[1], v, 0, 0));
		else
			program_must(p, row->set_nr, ARGS(row->set[0], v, 0, 0, 0));
		program_note(p, "setting %s", row->what);
	}
	return 0;
}

const struct task_kind task_kind_prctl = {
	.name = "prctl",
	.about = "small switches of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct prctls),
	.ask = prctl_ask,
	.answer = prctl_answer,
	.encode = prctl_encode,
	.decode = prctl_decode,
	.last = prctl_last,
};
