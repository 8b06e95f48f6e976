/*
 * rseq: a thread's registration for restartable sequences (rseq(2)), read with ptrace.
 *
 * A thread that was frozen inside a sequence has been moved to the sequence's abort code
 * (inject/context.h), which the kernel may do to it at any time; so there is nothing to put back
 * but the registration. Images of CRIU may name a sequence that forbids this (flags that Linux 6.1
 * abolished); then its address is written back last.
 */
#include <errno.h>
#include <linux/rseq.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "kernel/ptrace.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

struct registration {
	uint64_t pointer; /* 0: not registered */
	uint32_t size, signature;
	uint64_t
		section; /* restore: what struct rseq's rseq_cs has to hold; 0: whatever it holds */
};

static int rseq_collect(struct collect *c, struct thread *th, void *part)
{
	struct registration *s = part;
	struct ptrace_rseq rseq;
	int r = ptrace_get_rseq(th->host_tid, &rseq);

	if (r == -EIO)
		return report_refuse(c->report, -ENOSYS, CODE_FEATURE,
				     "this kernel cannot tell whether it uses restartable "
				     "sequences (Linux 5.13 can)");
	if (r < 0)
		return report_fail(c->report, r, "cannot read its restartable sequences");
	s->pointer = rseq.pointer;
	s->size = rseq.size;
	s->signature = rseq.signature;
	return 0;
}

static int rseq_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct registration *s = part;
	RseqEntry *e;

	(void)th;
	if (!s->pointer)
		return 0;
	e = ARENA_NEW(out->arena, RseqEntry);
	if (!e)
		return -ENOMEM;
	rseq_entry__init(e);
	e->rseq_abi_pointer = s->pointer;
	e->rseq_abi_size = s->size;
	e->signature = s->signature;
	e->has_rseq_cs_pointer = s->section;
	e->rseq_cs_pointer = s->section;
	out->core->thread_core->rseq_entry = e;
	return 0;
}

static int rseq_decode(struct model *m, struct thread *th, void *part, const struct core_record *in)
{
	const RseqEntry *e = in->core->thread_core->rseq_entry;
	struct registration *s = part;

	(void)m;
	(void)th;
	if (!e)
		return 0;
	s->pointer = e->rseq_abi_pointer;
	s->size = e->rseq_abi_size;
	s->signature = e->signature;
	s->section = e->has_rseq_cs_pointer ? e->rseq_cs_pointer : 0;
	return 0;
}

static int rseq_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct registration *s = part;

	(void)env;
	(void)th;
	if (!s->pointer)
		return 0;
	program_must(p, SYS_rseq, ARGS(s->pointer, s->size, 0, s->signature));
	program_note(p, "registering its restartable sequences");
	return 0;
}

static int rseq_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct registration *s = part;
	struct piece section;

	(void)env;
	(void)th;
	if (!s->pointer || !s->section)
		return 0;
	section = program_put(p, &s->section, sizeof(s->section));
	program_copy(p, arg_const(s->pointer + offsetof(struct rseq, rseq_cs)), arg_at(section),
		     sizeof(s->section));
	program_note(p, "naming the restartable sequence that it is in");
	return 0;
}

const struct task_kind task_kind_rseq = {
	.name = "rseq",
	.about = "restartable sequences of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct registration),
	.collect = rseq_collect,
	.encode = rseq_encode,
	.decode = rseq_decode,
	.late = rseq_late,
	.last = rseq_last,
};
