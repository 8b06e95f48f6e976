/*
 * sigaltstack: the stack on which a thread runs its signal handlers. Only the thread can ask. A
 * thread that was found on that stack needs no mark: the kernel tells by its stack pointer.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

struct altstack {
	stack_t stack;
	struct piece piece;
};
static_assert(sizeof(stack_t) == 24, "the kernel's stack_t");

static int sigaltstack_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct altstack *s = part;

	(void)c;
	(void)th;
	s->piece = program_room(p, sizeof(s->stack));
	program_must(p, SYS_sigaltstack, ARGS(0, arg_at(s->piece)));
	program_note(p, "asking for the alternate signal stack");
	return 0;
}

static int sigaltstack_answer(struct collect *c, struct thread *th, void *part,
			      const struct program *p)
{
	struct altstack *s = part;

	(void)c;
	(void)th;
	(void)p;
	memcpy(&s->stack, s->piece.p, sizeof(s->stack));
	return 0;
}

static int sigaltstack_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct altstack *s = part;
	ThreadSasEntry *e = ARENA_NEW(out->arena, ThreadSasEntry);

	(void)th;
	if (!e)
		return -ENOMEM;
	thread_sas_entry__init(e);
	e->ss_sp = (uintptr_t)s->stack.ss_sp;
	e->ss_size = s->stack.ss_size;
	e->ss_flags = (uint32_t)s->stack.ss_flags;
	out->core->thread_core->sas = e;
	return 0;
}

static int sigaltstack_decode(struct model *m, struct thread *th, void *part,
			      const struct core_record *in)
{
	const ThreadSasEntry *e = in->core->thread_core->sas;
	struct altstack *s = part;

	(void)m;
	(void)th;
	s->stack.ss_flags = SS_DISABLE;
	if (!e)
		return 0;
	s->stack.ss_sp = (void *)(uintptr_t)e->ss_sp;
	s->stack.ss_size = e->ss_size;
	s->stack.ss_flags = (int)(e->ss_flags & ~(uint32_t)SS_ONSTACK);
	return 0;
}

static int sigaltstack_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct altstack *s = part;

	(void)env;
	(void)th;
	program_must(p, SYS_sigaltstack,
		     ARGS(arg_at(program_put(p, &s->stack, sizeof(s->stack))), 0));
	program_note(p, "setting the alternate signal stack");
	return 0;
}

const struct task_kind task_kind_sigaltstack = {
	.name = "sigaltstack",
	.about = "alternate signal stack of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct altstack),
	.ask = sigaltstack_ask,
	.answer = sigaltstack_answer,
	.encode = sigaltstack_encode,
	.decode = sigaltstack_decode,
	.late = sigaltstack_late,
};
