/*
 * sigaction: what the tasks that share a table of signal handlers do with each signal. Only the
 * task itself can ask (rt_sigaction(2)); SIGKILL and SIGSTOP have no action.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/check.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

#define SIGNALS 64
#define ACTIONS (SIGNALS - 2)

/* The kernel's struct sigaction, on every CPU whose order is not historic. */
struct action {
	uint64_t handler; /* or SIG_DFL, SIG_IGN */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};
static_assert(sizeof(struct action) == 32, "the kernel's struct sigaction");

struct sigactions {
	struct action actions[SIGNALS + 1]; /* by number; 0, SIGKILL and SIGSTOP are not used */
	struct piece piece;                 /* dump: the answers, by number too */
};

static bool signal_has_action(unsigned sig)
{
	return sig != SIGKILL && sig != SIGSTOP;
}

static int sigaction_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct sigactions *s = part;

	(void)c;
	(void)th;
	s->piece = program_room(p, sizeof(s->actions));
	for (unsigned sig = 1; sig <= SIGNALS; sig++) {
		if (!signal_has_action(sig))
			continue;
		program_must(p, SYS_rt_sigaction,
			     ARGS(sig, 0, arg_at_offset(s->piece, sig * sizeof(struct action)),
				  sizeof(uint64_t)));
		program_note(p, "asking for the action of signal %u", sig);
	}
	return 0;
}

static int sigaction_answer(struct collect *c, struct thread *th, void *part,
			    const struct program *p)
{
	struct sigactions *s = part;

	struct sighand *sighand = th->task->sighand;

	(void)c;
	(void)p;
	memcpy(s->actions, s->piece.p, sizeof(s->actions));
	for (unsigned sig = 1; sig <= SIGNALS; sig++) {
		const struct action *a = &s->actions[sig];
		uint64_t bit = UINT64_C(1) << (sig - 1);

		if (a->handler == (uintptr_t)SIG_DFL || a->handler == (uintptr_t)SIG_IGN)
			continue;
		sighand->caught |= bit;
		if (a->flags & SA_RESTART)
			sighand->restarts |= bit;
	}
	return 0;
}

static int sigaction_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct sigactions *s = part;
	TaskCoreEntry *tc = out->core->tc;
	SaEntry *entries = ARENA_ARRAY(out->arena, SaEntry, ACTIONS);

	(void)th;
	tc->sigactions = ARENA_ARRAY(out->arena, SaEntry *, ACTIONS);
	if (!entries || !tc->sigactions)
		return -ENOMEM;
	for (unsigned sig = 1; sig <= SIGNALS; sig++) {
		const struct action *a = &s->actions[sig];
		SaEntry *e = &entries[tc->n_sigactions];

		if (!signal_has_action(sig))
			continue;
		sa_entry__init(e);
		e->sigaction = a->handler;
		e->flags = a->flags;
		e->restorer = a->restorer;
		e->mask = a->mask;
		e->has_compat_sigaction = true;
		tc->sigactions[tc->n_sigactions++] = e;
	}
	return 0;
}

static int sigaction_decode(struct model *m, struct thread *th, void *part,
			    const struct core_record *in)
{
	struct sigactions *s = part;
	const TaskCoreEntry *tc = in->core->tc;
	size_t n = 0;

	(void)m;
	(void)th;
	if (tc->n_sigactions != ACTIONS)
		return -EUCLEAN;
	for (unsigned sig = 1; sig <= SIGNALS; sig++) {
		const SaEntry *e;

		if (!signal_has_action(sig))
			continue;
		e = tc->sigactions[n++];
		if (e->has_compat_sigaction && e->compat_sigaction)
			return -ENOTSUP;
		s->actions[sig] = (struct action){ .handler = e->sigaction,
						   .flags = e->flags,
						   .restorer = e->restorer,
						   .mask = e->mask };
	}
	return 0;
}

static int sigaction_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct sigactions *s = part;
	struct piece piece = program_put(p, s->actions, sizeof(s->actions));

	(void)env;
	(void)th;
	for (unsigned sig = 1; sig <= SIGNALS; sig++) {
		if (!signal_has_action(sig))
			continue;
		program_must(p, SYS_rt_sigaction,
			     ARGS(sig, arg_at_offset(piece, sig * sizeof(struct action)), 0,
				  sizeof(uint64_t)));
		program_note(p, "setting the action of signal %u", sig);
	}
	return 0;
}

const struct task_kind task_kind_sigaction = {
	.name = "sigaction",
	.about = "actions for signals",
	.owner = PART_SIGHAND,
	.size = sizeof(struct sigactions),
	.ask = sigaction_ask,
	.answer = sigaction_answer,
	.encode = sigaction_encode,
	.decode = sigaction_decode,
	.late = sigaction_late,
};
