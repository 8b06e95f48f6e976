/* See context.h. */
#include "inject/context.h"

#include <elf.h>
#include <string.h>

#include "inject/arch.h"
#include "kernel/mem.h"
#include "kernel/ptrace.h"

/* The kernel's struct rseq has more fields in newer versions; these places do not move. */
#define RSEQ_CS_AT 8

struct rseq_section {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

struct context *context_new(size_t xstate_len)
{
	struct context *ctx = NEW(struct context);

	if (!ctx)
		return NULL;
	if (xstate_len > 0) {
		ctx->xstate = NEW_ARRAY(unsigned char, xstate_len);
		if (!ctx->xstate) {
			mem_free(ctx);
			return NULL;
		}
	}
	ctx->xstate_len = xstate_len;
	return ctx;
}

void context_free(struct context *ctx)
{
	if (!ctx)
		return;
	mem_free(ctx->xstate);
	mem_free(ctx);
}

/*
 * What the kernel would do when the thread gets the CPU back. A registration or section that cannot
 * be read makes the kernel kill the thread then; that is left to the kernel.
 */
static int leave_rseq(pid_t tid, struct mem_remote *mem, struct user_regs_struct *regs)
{
	struct rseq_section cs;
	struct ptrace_rseq rseq;
	uint64_t at;
	int r = ptrace_get_rseq(tid, &rseq);

	if (r == -ESRCH)
		return r;
	if (r < 0 || !rseq.pointer)
		return 0;
	r = mem_read(mem, REMOTE(rseq.pointer + RSEQ_CS_AT), &at, sizeof(at));
	if (r == 0 && at)
		r = mem_read(mem, REMOTE(at), &cs, sizeof(cs));
	if (r < 0)
		return r == -ESRCH ? r : 0;
	if (at && arch_ip(regs) - cs.start < cs.length)
		arch_set_ip(regs, cs.abort);
	return 0;
}

/* With system call user dispatch, calls from code that is not registered become SIGSYS. */
static int check_dispatch(pid_t tid)
{
	struct ptrace_sud sud;
	int r = ptrace_get_sud(tid, &sud);

	if (r == -ESRCH)
		return r;
	return r == 0 && sud.mode != 0 ? -ENOTSUP : 0;
}

static int read_xstate(pid_t tid, struct context **ret)
{
	scoped(mem_free) unsigned char *buf = NEW_ARRAY(unsigned char, arch_xstate_max);
	struct context *ctx;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = ptrace_get_regset(tid, arch_xstate_note, buf, arch_xstate_max);
	if (n < 0)
		return (int)n;
	ctx = context_new((size_t)n);
	if (!ctx)
		return -ENOMEM;
	memcpy(ctx->xstate, buf, (size_t)n);
	*ret = ctx;
	return 0;
}

int context_save(pid_t tid, struct mem_remote *mem, struct context **ret)
{
	scoped(context_free) struct context *ctx = NULL;
	struct user_regs_struct regs;
	int r = ptrace_get_regs(tid, &regs);

	if (r == 0)
		r = arch_regs_check(&regs);
	if (r == 0)
		r = arch_thread_check(tid);
	if (r == 0)
		r = check_dispatch(tid);
	if (r == 0)
		r = leave_rseq(tid, mem, &regs);
	if (r == 0)
		r = read_xstate(tid, &ctx);
	if (r == 0)
		r = ptrace_get_sigmask(tid, &ctx->sigmask);
	if (r < 0)
		return r;
	ctx->regs = regs;
	*ret = ptr_take(&ctx);
	return 0;
}

int context_restore(pid_t tid, const struct context *ctx)
{
	int r = ptrace_set_sigmask(tid, ctx->sigmask);

	return r < 0 ? r : ptrace_set_regs(tid, &ctx->regs);
}

void context_settle(struct context *ctx)
{
	arch_settle_restart(&ctx->regs, WAKEUP_NONE);
}

void context_settle_signalled(struct context *ctx, bool sa_restart)
{
	arch_settle_restart(&ctx->regs, sa_restart ? WAKEUP_HANDLER_RESTART : WAKEUP_HANDLER);
}

struct arg context_frame(const struct context *ctx, struct program *p)
{
	struct context settled = *ctx; /* shares xstate, which does not change */
	struct piece piece = program_put_aligned(p, NULL, arch_frame_size(ctx), arch_frame_align);
	size_t from, to;

	context_settle(&settled);
	if (piece.p) {
		arch_frame_write(&settled, 0, 0, piece.p);
		if (arch_frame_link(ctx, &from, &to))
			program_link(p, piece, from, piece, to);
	}
	return arg_at(piece);
}
