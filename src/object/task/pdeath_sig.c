/*
 * pdeath_sig: the signal that a thread gets when its parent ends (prctl(2) PR_SET_PDEATHSIG).
 * Credentials reset it, so it is set after them; and while a tree is built every task has one so
 * that nothing is left of a failed restore, so it is set in every case.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

#define SIGNALS 64

struct pdeath {
	uint32_t signal; /* 0: none */
	struct piece piece;
};

static int pdeath_sig_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct pdeath *s = part;

	(void)c;
	(void)th;
	s->piece = program_room(p, sizeof(s->signal));
	program_must(p, SYS_prctl, ARGS(PR_GET_PDEATHSIG, arg_at(s->piece)));
	program_note(p, "asking for the signal it gets when its parent ends");
	return 0;
}

static int pdeath_sig_answer(struct collect *c, struct thread *th, void *part,
			     const struct program *p)
{
	struct pdeath *s = part;

	(void)c;
	(void)th;
	(void)p;
	s->signal = piece_u32(&s->piece);
	return 0;
}

static int pdeath_sig_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct pdeath *s = part;

	(void)th;
	out->core->thread_core->has_pdeath_sig = s->signal;
	out->core->thread_core->pdeath_sig = s->signal;
	return 0;
}

static int pdeath_sig_decode(struct model *m, struct thread *th, void *part,
			     const struct core_record *in)
{
	const ThreadCoreEntry *e = in->core->thread_core;
	struct pdeath *s = part;

	(void)m;
	(void)th;
	s->signal = e->has_pdeath_sig ? e->pdeath_sig : 0;
	return s->signal > SIGNALS ? -EUCLEAN : 0;
}

static int pdeath_sig_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct pdeath *s = part;

	(void)env;
	(void)th;
	program_must(p, SYS_prctl, ARGS(PR_SET_PDEATHSIG, s->signal));
	program_note(p, "setting the signal it gets when its parent ends");
	return 0;
}

const struct task_kind task_kind_pdeath_sig = {
	.name = "pdeath_sig",
	.about = "signal that a thread gets when its parent ends",
	.owner = PART_THREAD,
	.size = sizeof(struct pdeath),
	.ask = pdeath_sig_ask,
	.answer = pdeath_sig_answer,
	.encode = pdeath_sig_encode,
	.decode = pdeath_sig_decode,
	.last = pdeath_sig_last,
};
