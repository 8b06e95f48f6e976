/*
 * x86-64: the rt_sigframe, what the kernel leaves on a stack when it calls a signal handler and
 * what rt_sigreturn(2) takes back. Followed by the FPU state in XSAVE's standard form, between the
 * two magic numbers by which the kernel knows that there is more than the 512 bytes of FXSAVE.
 */
#include <cpuid.h>
#include <string.h>

#include "inject/arch.h"
#include "inject/context.h"

#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

/* An impossible mode: rt_sigreturn then leaves the alternate stack as it is. */
#define SS_LEAVE_ALONE 4

#define XSTATE_MAGIC1 0x46505853u
#define XSTATE_MAGIC2 0x46505845u

#define FXSAVE_SIZE 512
#define XSAVE_BV    512 /* where the XSAVE header begins: components that are present */
#define XSAVE_MIN   576
#define XSAVE_ALIGN 64

#define XSAVE_SMALL 4096 /* everything but AMX fits */

#define COMPONENTS_FIRST   3 /* x87 and SSE */
#define COMPONENT_TILES_NR 18
#define COMPONENT_TILES    (UINT64_C(1) << COMPONENT_TILES_NR)

struct frame {
	uint64_t restorer;
	/* struct ucontext */
	uint64_t uc_flags, uc_link;
	struct {
		uint64_t sp;
		int32_t flags, pad;
		uint64_t size;
	} altstack;
	struct {
		uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
		uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
		uint16_t cs, gs, fs, ss;
		uint64_t err, trapno, oldmask, cr2;
		uint64_t fpstate; /* an address */
		uint64_t reserved[8];
	} mcontext;
	uint64_t sigmask;
	unsigned char siginfo[128];
};
static_assert(offsetof(struct frame, altstack) == 8 + offsetof(ucontext_t, uc_stack), "kernel");
static_assert(offsetof(struct frame, mcontext) == 8 + offsetof(ucontext_t, uc_mcontext), "kernel");
static_assert(offsetof(struct frame, mcontext.rip) ==
		      8 + offsetof(ucontext_t, uc_mcontext) + offsetof(struct sigcontext, rip),
	      "kernel");
static_assert(offsetof(struct frame, mcontext.fpstate) ==
		      8 + offsetof(ucontext_t, uc_mcontext) + offsetof(struct sigcontext, fpstate),
	      "kernel");
static_assert(offsetof(struct frame, sigmask) == 8 + offsetof(ucontext_t, uc_sigmask), "kernel");

/* Bytes 464 to 511 of the FXSAVE area, which are software's. */
struct software_bytes {
	uint32_t magic1, extended_size;
	uint64_t components;
	uint32_t xstate_size;
	uint32_t padding[7];
};
#define SOFTWARE_AT (FXSAVE_SIZE - sizeof(struct software_bytes))
static_assert(sizeof(struct software_bytes) == 48, "kernel");

#define FPSTATE_AT ROUND_UP(sizeof(struct frame), XSAVE_ALIGN)

const size_t arch_frame_align = XSAVE_ALIGN;

static uint64_t components_of(const struct context *ctx)
{
	uint64_t bv;

	memcpy(&bv, ctx->xstate + XSAVE_BV, sizeof(bv));
	return bv;
}

/*
 * The bytes that go into a frame: all, but for AMX tiles that are not in use. The register set has
 * room for these in every thread, while the kernel refuses frames that have it from threads which
 * never asked for tiles. (Asking the CPU only then: in a virtual machine that is slow.)
 */
static size_t xstate_used(const struct context *ctx)
{
	unsigned size, at, c, d;

	if (ctx->xstate_len <= XSAVE_SMALL || components_of(ctx) & COMPONENT_TILES ||
	    !__get_cpuid_count(0xd, COMPONENT_TILES_NR, &size, &at, &c, &d) || at < XSAVE_MIN)
		return ctx->xstate_len;
	return MIN((size_t)at, ctx->xstate_len);
}

static bool has_xsave(const struct context *ctx)
{
	return ctx->xstate_len >= XSAVE_MIN;
}

static bool has_fpu(const struct context *ctx)
{
	return ctx->xstate_len >= FXSAVE_SIZE;
}

size_t arch_frame_size(const struct context *ctx)
{
	if (has_xsave(ctx))
		return FPSTATE_AT + xstate_used(ctx) + sizeof(uint32_t);
	return FPSTATE_AT + (has_fpu(ctx) ? FXSAVE_SIZE : 0);
}

bool arch_frame_link(const struct context *ctx, size_t *ret_from, size_t *ret_to)
{
	*ret_from = offsetof(struct frame, mcontext.fpstate);
	*ret_to = FPSTATE_AT;
	return has_fpu(ctx);
}

uint64_t arch_frame_sp(uint64_t va)
{
	return va + offsetof(struct frame, restorer);
}

static void write_fpstate(const struct context *ctx, unsigned char *to)
{
	struct software_bytes sw = { 0 };
	uint32_t magic2 = XSTATE_MAGIC2;
	size_t used;

	if (!has_xsave(ctx)) {
		memcpy(to, ctx->xstate, FXSAVE_SIZE);
		memcpy(to + SOFTWARE_AT, &sw, sizeof(sw));
		return;
	}
	used = xstate_used(ctx);
	sw = (struct software_bytes){
		.magic1 = XSTATE_MAGIC1,
		.extended_size = (uint32_t)(used + sizeof(magic2)),
		.components = components_of(ctx) | COMPONENTS_FIRST,
		.xstate_size = (uint32_t)used,
	};
	memcpy(to, ctx->xstate, used);
	memcpy(to + SOFTWARE_AT, &sw, sizeof(sw));
	memcpy(to + used, &magic2, sizeof(magic2));
}

void arch_frame_write(const struct context *ctx, uint64_t va, uint64_t restorer, void *frame)
{
	const struct user_regs_struct *r = &ctx->regs;
	struct frame f = {
		.restorer = restorer,
		.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
		.altstack = { .flags = SS_LEAVE_ALONE },
		.mcontext = {
			.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
			.r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
			.rdi = r->rdi, .rsi = r->rsi, .rbp = r->rbp, .rbx = r->rbx,
			.rdx = r->rdx, .rax = r->rax, .rcx = r->rcx, .rsp = r->rsp,
			.rip = r->rip, .eflags = r->eflags,
			.cs = (uint16_t)r->cs, .gs = (uint16_t)r->gs,
			.fs = (uint16_t)r->fs, .ss = (uint16_t)r->ss,
		},
		.sigmask = ctx->sigmask,
	};

	if (has_xsave(ctx))
		f.uc_flags |= UC_FP_XSTATE;
	if (has_fpu(ctx)) {
		f.mcontext.fpstate = va + FPSTATE_AT;
		write_fpstate(ctx, (unsigned char *)frame + FPSTATE_AT);
	}
	memcpy(frame, &f, sizeof(f));
}
