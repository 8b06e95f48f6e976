#pragma once
/*
 * x86: the FPU and vector state of a thread, as XSAVE's standard form lays it out, to and from the
 * fields that images have for it. What images have no field for (AMX tiles, shadow stacks) is told
 * by xstate_foreign().
 */
#include "base/mem.h"

struct UserX86FpregsEntry;
struct context;
struct cpu;

/* The message for ctx's extended state, in the arena; NULL when out of memory, or when the state is
 * shorter than the part that every x86-64 has. */
struct UserX86FpregsEntry *xstate_encode(const struct context *ctx, const struct cpu *cpu,
					 struct arena *arena);

/*
 * A context (registers zero) with the extended state of a message, in the layout of this CPU;
 * owned by the caller. Components that this CPU lacks are left out and counted in *ret_missing, a
 * bit each. -EUCLEAN when the message is not as one can be; -ENOMEM.
 */
int xstate_decode(const struct UserX86FpregsEntry *e, const struct cpu *cpu, uint64_t *ret_missing,
		  struct context **ret) nodiscard;

/* The components in use that images cannot hold, a bit each. */
uint64_t xstate_foreign(const struct context *ctx);
