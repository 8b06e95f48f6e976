/*
 * regs: what a thread computes with (x86-64): general registers, segment bases, TLS slots, FPU and
 * vector state. The engine reads them when the thread stands still and returns into them at the end
 * of a restore (inject/context.h, thread->context); this kind is their place in images, and sets
 * what a return does not bring back: segment bases and TLS slots.
 *
 * In images a system call that was interrupted is already made undone, as the format wants it.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "inject/context.h"
#include "kernel/cpu.h"
#include "kernel/ptrace.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "object/task/xstate_common.h"
#include "schema/core.pb-c.h"

#define TLS_FIRST 12 /* GDT_ENTRY_TLS_MIN of x86-64 kernels */
#define TLS_SLOTS 3

struct regs {
	struct user_desc tls[TLS_SLOTS];
	uint64_t missing; /* restore: vector components that this CPU lacks */
	bool is_compat, has_shadow_stack;
	const struct cpu *cpu; /* the kind's, borrowed */
};

/* The CPU, read once for all threads: cpuid is slow in virtual machines. NULL: out of memory. */
static const struct cpu *regs_cpu(struct model *m)
{
	void **extra = task_kind_extra(m, TASK_KIND_regs);

	if (extra && !*extra) {
		*extra = NEW(struct cpu);
		if (*extra)
			cpu_read(*extra);
	}
	return extra ? *extra : NULL;
}

/* ---- dump ---- */

static int regs_collect(struct collect *c, struct thread *th, void *part)
{
	struct regs *s = part;

	s->cpu = regs_cpu(c->model);
	if (!s->cpu)
		return report_fail(c->report, -ENOMEM, "cannot note its registers");
	for (unsigned i = 0; i < TLS_SLOTS; i++) {
		int r = ptrace_get_thread_area(th->host_tid, TLS_FIRST + i, &s->tls[i]);

		if (r < 0)
			return report_fail(c->report, r, "cannot read its TLS slots");
	}
	return 0;
}

/* No question: by now the context was read, and can be looked at. */
static int regs_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	uint64_t foreign = th->context ? xstate_foreign(th->context) : 0;

	(void)part;
	(void)p;
	if (foreign)
		return report_refuse(c->report, -ENOTSUP, CODE_CPU,
				     "it uses the CPU's state component %s, for which images have "
				     "no place",
				     cpu_xfeature_name((unsigned)__builtin_ctzll(foreign)));
	return 0;
}

static void gpregs_fill(UserX86RegsEntry *e, const struct user_regs_struct *r)
{
	e->r15 = r->r15;
	e->r14 = r->r14;
	e->r13 = r->r13;
	e->r12 = r->r12;
	e->bp = r->rbp;
	e->bx = r->rbx;
	e->r11 = r->r11;
	e->r10 = r->r10;
	e->r9 = r->r9;
	e->r8 = r->r8;
	e->ax = r->rax;
	e->cx = r->rcx;
	e->dx = r->rdx;
	e->si = r->rsi;
	e->di = r->rdi;
	e->ip = r->rip;
	e->cs = r->cs;
	e->flags = r->eflags;
	e->sp = r->rsp;
	e->ss = r->ss;
	e->fs_base = r->fs_base;
	e->gs_base = r->gs_base;
	e->ds = r->ds;
	e->es = r->es;
	e->fs = r->fs;
	e->gs = r->gs;
	e->has_mode = true;
	e->mode = USER_X86_REGS_MODE__NATIVE;
}

static UserDescT *tls_fill(UserDescT *e, const struct user_desc *d)
{
	user_desc_t__init(e);
	e->entry_number = d->entry_number;
	e->base_addr = d->base_addr;
	e->limit = d->limit;
	e->seg_32bit = d->seg_32bit;
	e->contents_h = d->contents & 2;
	e->contents_l = d->contents & 1;
	e->read_exec_only = d->read_exec_only;
	e->limit_in_pages = d->limit_in_pages;
	e->seg_not_present = d->seg_not_present;
	e->usable = d->useable;
	return e;
}

/*
 * Makes the image's registers fit for going on from. A signal that waits for the thread to run on
 * has to end a call that it would have ended: which handler runs first is as the kernel takes them,
 * the thread's own before those of the task, low numbers before high ones. (Which thread takes one
 * of the task's is open; every thread that may is treated as if.)
 */
static void regs_settle(const struct thread *th, struct context *ctx)
{
	const struct sighand *h = th->task->sighand;
	uint64_t ours = th->pending & ~ctx->sigmask & h->caught;
	uint64_t all = th->task->pending & ~ctx->sigmask & h->caught;
	uint64_t first = ours ? ours & -ours : all & -all;

	if (first)
		context_settle_signalled(ctx, h->restarts & first);
	else
		context_settle(ctx);
}

static int regs_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct regs *s = part;
	struct context settled = *th->context; /* shares xstate */
	ThreadInfoX86 *ti = core_thread_info(out);
	UserX86RegsEntry *gp = ARENA_NEW(out->arena, UserX86RegsEntry);
	UserDescT *tls = ARENA_ARRAY(out->arena, UserDescT, TLS_SLOTS);

	if (!ti || !gp || !tls)
		return -ENOMEM;
	regs_settle(th, &settled);
	user_x86_regs_entry__init(gp);
	gpregs_fill(gp, &settled.regs);
	gp->orig_ax = th->context->regs.orig_rax;
	ti->gpregs = gp;

	ti->fpregs = xstate_encode(&settled, s->cpu, out->arena);
	ti->tls = ARENA_ARRAY(out->arena, UserDescT *, TLS_SLOTS);
	if (!ti->fpregs || !ti->tls)
		return -ENOMEM;
	for (unsigned i = 0; i < TLS_SLOTS; i++)
		ti->tls[ti->n_tls++] = tls_fill(&tls[i], &s->tls[i]);
	return 0;
}

/* ---- restore ---- */

static void gpregs_take(const UserX86RegsEntry *e, struct user_regs_struct *r)
{
	r->r15 = e->r15;
	r->r14 = e->r14;
	r->r13 = e->r13;
	r->r12 = e->r12;
	r->rbp = e->bp;
	r->rbx = e->bx;
	r->r11 = e->r11;
	r->r10 = e->r10;
	r->r9 = e->r9;
	r->r8 = e->r8;
	r->rax = e->ax;
	r->rcx = e->cx;
	r->rdx = e->dx;
	r->rsi = e->si;
	r->rdi = e->di;
	r->orig_rax = UINT64_MAX; /* the image's call is settled: nothing to restart */
	r->rip = e->ip;
	r->cs = e->cs;
	r->eflags = e->flags;
	r->rsp = e->sp;
	r->ss = e->ss;
	r->fs_base = e->fs_base;
	r->gs_base = e->gs_base;
	r->ds = e->ds;
	r->es = e->es;
	r->fs = e->fs;
	r->gs = e->gs;
}

static void tls_take(const UserDescT *e, struct user_desc *d)
{
	*d = (struct user_desc){
		.entry_number = e->entry_number,
		.base_addr = e->base_addr,
		.limit = e->limit,
		.seg_32bit = e->seg_32bit,
		.contents = (unsigned)e->contents_h << 1 | e->contents_l,
		.read_exec_only = e->read_exec_only,
		.limit_in_pages = e->limit_in_pages,
		.seg_not_present = e->seg_not_present,
		.useable = e->usable,
	};
}

static int regs_decode(struct model *m, struct thread *th, void *part, const struct core_record *in)
{
	const ThreadInfoX86 *ti = in->core->thread_info;
	struct regs *s = part;
	struct context *ctx;
	int r;

	s->cpu = regs_cpu(m);
	if (!s->cpu)
		return -ENOMEM;
	if (!ti || !ti->gpregs || !ti->fpregs || ti->n_tls > TLS_SLOTS || th->context)
		return -EUCLEAN;
	r = xstate_decode(ti->fpregs, s->cpu, &s->missing, &ctx);
	if (r < 0)
		return r;
	gpregs_take(ti->gpregs, &ctx->regs);
	th->context = ctx;
	s->is_compat = ti->gpregs->has_mode && ti->gpregs->mode != USER_X86_REGS_MODE__NATIVE;
	s->has_shadow_stack =
		ti->fpregs->xsave && ti->fpregs->xsave->cet && ti->fpregs->xsave->cet->cet;
	for (size_t i = 0; i < ti->n_tls; i++)
		tls_take(ti->tls[i], &s->tls[i]);
	return 0;
}

static int regs_check(struct check *k, struct thread *th, void *part)
{
	const struct regs *s = part;

	(void)th;
	if (s->is_compat)
		return report_refuse(k->report, -ENOTSUP, CODE_COMPAT_TASK, "it runs 32-bit code");
	if (s->has_shadow_stack)
		return report_refuse(k->report, -ENOTSUP, CODE_CPU,
				     "it has a shadow stack, which cannot be made again");
	if (s->missing)
		return report_refuse(k->report, -ENOTSUP, CODE_CPU,
				     "it uses the CPU's state component %s, which this CPU lacks",
				     cpu_xfeature_name((unsigned)__builtin_ctzll(s->missing)));
	return 0;
}

/* Whether a slot of the TLS table holds something: an empty one reads as this. */
static bool tls_is_set(const struct user_desc *d)
{
	return d->base_addr || d->limit || d->seg_32bit || d->useable;
}

static int regs_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct user_regs_struct *r = &th->context->regs;
	const struct regs *s = part;

	(void)env;
	for (unsigned i = 0; i < TLS_SLOTS; i++) {
		if (!tls_is_set(&s->tls[i]))
			continue;
		program_must(p, SYS_set_thread_area,
			     ARGS(arg_at(program_put(p, &s->tls[i], sizeof(s->tls[i])))));
		program_note(p, "setting TLS slot %u", s->tls[i].entry_number);
	}
	program_must(p, SYS_arch_prctl, ARGS(ARCH_SET_FS, r->fs_base));
	program_note(p, "setting the base of its thread-local storage");
	program_must(p, SYS_arch_prctl, ARGS(ARCH_SET_GS, r->gs_base));
	program_note(p, "setting the base of GS");
	return 0;
}

const struct task_kind task_kind_regs = {
	.name = "regs",
	.about = "registers of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct regs),
	.collect = regs_collect,
	.ask = regs_ask,
	.encode = regs_encode,
	.decode = regs_decode,
	.check = regs_check,
	.late = regs_late,
	.extra_done = mem_free,
};
