/*
 * membarrier: which expedited barriers a task has registered for (membarrier(2)). Registrations
 * cannot be taken back, so new processes start without.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

/* Linux 6.3; not in older headers. */
#define GET_REGISTRATIONS (1 << 9)

#define REGISTER_ALL                                                                               \
	(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |    \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |                                     \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ)

struct membarrier {
	uint32_t registered; /* MEMBARRIER_CMD_REGISTER_* */
	int ask;
};

static int membarrier_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct membarrier *s = part;

	(void)c;
	(void)th;
	s->ask = program_call(p, SYS_membarrier, ARGS(GET_REGISTRATIONS, 0, 0));
	program_note(p, "asking what memory barriers it registered for");
	return 0;
}

static int membarrier_answer(struct collect *c, struct thread *th, void *part,
			     const struct program *p)
{
	struct membarrier *s = part;
	int64_t v = program_result(p, s->ask);

	(void)c;
	(void)th;
	/* Older kernels do not tell, and nobody else can. */
	s->registered = v > 0 ? (uint32_t)v : 0;
	return 0;
}

static int membarrier_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct membarrier *s = part;

	(void)th;
	out->core->tc->has_membarrier_registration_mask = s->registered;
	out->core->tc->membarrier_registration_mask = s->registered;
	return 0;
}

static int membarrier_decode(struct model *m, struct thread *th, void *part,
			     const struct core_record *in)
{
	const TaskCoreEntry *tc = in->core->tc;
	struct membarrier *s = part;

	(void)m;
	(void)th;
	if (tc->has_membarrier_registration_mask)
		s->registered = tc->membarrier_registration_mask;
	return s->registered & ~(uint32_t)REGISTER_ALL ? -EUCLEAN : 0;
}

static int membarrier_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct membarrier *s = part;

	(void)env;
	(void)th;
	for (uint32_t bits = s->registered; bits; bits &= bits - 1) {
		program_must(p, SYS_membarrier, ARGS(bits & -bits, 0, 0));
		program_note(p, "registering for memory barriers (%#x)", bits & -bits);
	}
	return 0;
}

const struct task_kind task_kind_membarrier = {
	.name = "membarrier",
	.about = "registrations for memory barriers",
	.owner = PART_TASK,
	.size = sizeof(struct membarrier),
	.ask = membarrier_ask,
	.answer = membarrier_answer,
	.encode = membarrier_encode,
	.decode = membarrier_decode,
	.late = membarrier_late,
};
