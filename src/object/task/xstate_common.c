/*
 * x86: extended state to messages and back. See xstate_common.h.
 *
 *	0	legacy region, that of FXSAVE: x87 and SSE
 *	512	header: which components are present (u64), rest zero
 *	576	components, each at the offset and of the size that cpuid tells
 */
#include "object/task/xstate_common.h"

#include <errno.h>
#include <string.h>

#include "inject/context.h"
#include "kernel/cpu.h"
#include "schema/core-x86.pb-c.h"

#define XSAVE_HEADER 512
#define XSAVE_MIN    576
#define LEGACY_BITS  3 /* x87 and SSE */

#define MXCSR_MASK_DEFAULT 0xffbfu /* where a CPU shows none */

/* The legacy region; the format keeps its pieces apart. */
struct legacy {
	uint16_t cwd, swd, twd, fop;
	uint64_t rip, rdp;
	uint32_t mxcsr, mxcsr_mask;
	uint32_t st_space[32];
	uint32_t xmm_space[64];
	uint32_t padding[24];
};
static_assert(sizeof(struct legacy) == XSAVE_HEADER, "FXSAVE area");

/* One component: its bit, and the array of a message that holds its bytes. */
struct component {
	unsigned bit;
	size_t n_at, array_at; /* offsets in UserX86XsaveEntry */
	size_t element;        /* bytes */
	size_t size;           /* bytes that it has, on every CPU that has it */
};

#define COMPONENT(bit_, field, element_, size_)                                                    \
	{                                                                                          \
		.bit = CPU_XFEATURE_##bit_, .n_at = offsetof(UserX86XsaveEntry, n_##field),        \
		.array_at = offsetof(UserX86XsaveEntry, field), .element = (element_),             \
		.size = (size_)                                                                    \
	}

static const struct component components[] = {
	COMPONENT(YMM, ymmh_space, 4, 256),
	COMPONENT(BNDREGS, bndreg_state, 8, 64),
	COMPONENT(BNDCSR, bndcsr_state, 8, 64),
	COMPONENT(OPMASK, opmask_reg, 8, 64),
	COMPONENT(ZMM_HI256, zmm_upper, 8, 512),
	COMPONENT(HI16_ZMM, hi16_zmm, 8, 1024),
	COMPONENT(PKRU, pkru, 4, 8),
};

static uint64_t present_bits(const struct context *ctx)
{
	uint64_t bits = 0;

	if (ctx->xstate_len >= XSAVE_MIN)
		memcpy(&bits, ctx->xstate + XSAVE_HEADER, sizeof(bits));
	return bits;
}

uint64_t xstate_foreign(const struct context *ctx)
{
	uint64_t known = LEGACY_BITS;

	for (size_t i = 0; i < ARRAY_SIZE(components); i++)
		known |= UINT64_C(1) << components[i].bit;
	return present_bits(ctx) & ~known;
}

/* Where a component lies in a state of `len` bytes on this CPU; NULL when it has none there. */
static unsigned char *component_find(const struct component *c, const struct cpu *cpu,
				     unsigned char *xstate, size_t len)
{
	const struct cpu_xfeature *x = &cpu->xfeature[c->bit];

	if (!(cpu->xfeatures >> c->bit & 1) || x->size != c->size || x->offset < XSAVE_MIN ||
	    x->offset > len || len - x->offset < x->size)
		return NULL;
	return xstate + x->offset;
}

static void component_encode(const struct component *c, const unsigned char *from,
			     UserX86XsaveEntry *e, struct arena *arena)
{
	void *copy = arena_dup(arena, from, c->size);

	*(void **)((char *)e + c->array_at) = copy;
	*(size_t *)((char *)e + c->n_at) = copy ? c->size / c->element : 0;
}

static UserX86XsaveEntry *xsave_encode(const struct context *ctx, const struct cpu *cpu,
				       struct arena *arena)
{
	UserX86XsaveEntry *e = ARENA_NEW(arena, UserX86XsaveEntry);

	if (!e)
		return NULL;
	user_x86_xsave_entry__init(e);
	e->xstate_bv = present_bits(ctx);
	for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
		const unsigned char *from =
			component_find(&components[i], cpu, ctx->xstate, ctx->xstate_len);

		if (from)
			component_encode(&components[i], from, e, arena);
	}
	return e;
}

UserX86FpregsEntry *xstate_encode(const struct context *ctx, const struct cpu *cpu,
				  struct arena *arena)
{
	UserX86FpregsEntry *e = ARENA_NEW(arena, UserX86FpregsEntry);
	struct legacy l;

	if (!e || ctx->xstate_len < sizeof(l))
		return NULL;
	memcpy(&l, ctx->xstate, sizeof(l));
	user_x86_fpregs_entry__init(e);
	e->cwd = l.cwd;
	e->swd = l.swd;
	e->twd = l.twd;
	e->fop = l.fop;
	e->rip = l.rip;
	e->rdp = l.rdp;
	e->mxcsr = l.mxcsr;
	e->mxcsr_mask = l.mxcsr_mask;
	e->n_st_space = ARRAY_SIZE(l.st_space);
	e->st_space = arena_dup(arena, l.st_space, sizeof(l.st_space));
	e->n_xmm_space = ARRAY_SIZE(l.xmm_space);
	e->xmm_space = arena_dup(arena, l.xmm_space, sizeof(l.xmm_space));
	if (ctx->xstate_len >= XSAVE_MIN)
		e->xsave = xsave_encode(ctx, cpu, arena);
	return arena->failed ? NULL : e;
}

/* ---- restore ---- */

static int legacy_decode(const UserX86FpregsEntry *e, unsigned char *xstate)
{
	uint32_t mask = e->mxcsr_mask ? e->mxcsr_mask : MXCSR_MASK_DEFAULT;
	struct legacy l = {
		.cwd = (uint16_t)e->cwd,
		.swd = (uint16_t)e->swd,
		.twd = (uint16_t)e->twd,
		.fop = (uint16_t)e->fop,
		.rip = e->rip,
		.rdp = e->rdp,
		.mxcsr = e->mxcsr,
		.mxcsr_mask = e->mxcsr_mask,
	};

	/* Loading an MXCSR with other bits than the mask's faults. */
	if (e->n_st_space != ARRAY_SIZE(l.st_space) || e->n_xmm_space != ARRAY_SIZE(l.xmm_space) ||
	    (e->mxcsr & ~mask))
		return -EUCLEAN;
	memcpy(l.st_space, e->st_space, sizeof(l.st_space));
	memcpy(l.xmm_space, e->xmm_space, sizeof(l.xmm_space));
	memcpy(xstate, &l, sizeof(l));
	return 0;
}

static int component_decode(const struct component *c, const struct cpu *cpu,
			    const UserX86XsaveEntry *e, struct context *ctx, uint64_t *missing)
{
	const size_t n = *(const size_t *)((const char *)e + c->n_at);
	const void *from = *(void *const *)((const char *)e + c->array_at);
	uint64_t bit = UINT64_C(1) << c->bit, present = present_bits(ctx);
	unsigned char *to = component_find(c, cpu, ctx->xstate, ctx->xstate_len);

	if (!(e->xstate_bv & bit))
		return 0; /* as after reset, whatever the array says */
	if (n * c->element != c->size)
		return -EUCLEAN;
	if (!to) {
		*missing |= bit;
		return 0;
	}
	memcpy(to, from, c->size);
	present |= bit;
	memcpy(ctx->xstate + XSAVE_HEADER, &present, sizeof(present));
	return 0;
}

static int xsave_decode(const UserX86XsaveEntry *e, const struct cpu *cpu, struct context *ctx,
			uint64_t *missing)
{
	uint64_t left = e->xstate_bv & ~(uint64_t)LEGACY_BITS;

	for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
		int r = component_decode(&components[i], cpu, e, ctx, missing);

		if (r < 0)
			return r;
		left &= ~(UINT64_C(1) << components[i].bit);
	}
	*missing |= left;
	return 0;
}

int xstate_decode(const UserX86FpregsEntry *e, const struct cpu *cpu, uint64_t *ret_missing,
		  struct context **ret)
{
	const uint64_t legacy = LEGACY_BITS;
	size_t len = cpu->has_xsave ? MAX((size_t)cpu->xsave_size, (size_t)XSAVE_MIN)
				    : sizeof(struct legacy);
	scoped(context_free) struct context *ctx = context_new(len);
	uint64_t missing = 0;
	int r;

	if (!ctx)
		return -ENOMEM;
	r = legacy_decode(e, ctx->xstate);
	if (r == 0 && len >= XSAVE_MIN) {
		memcpy(ctx->xstate + XSAVE_HEADER, &legacy, sizeof(legacy));
		if (e->xsave)
			r = xsave_decode(e->xsave, cpu, ctx, &missing);
	} else if (r == 0 && e->xsave) {
		missing = e->xsave->xstate_bv & ~legacy;
	}
	if (r < 0)
		return r;
	*ret_missing = missing;
	*ret = ptr_take(&ctx);
	return 0;
}
