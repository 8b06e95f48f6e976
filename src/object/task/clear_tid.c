/*
 * clear_tid: the address that the kernel clears, and wakes waiters at, when a thread ends
 * (set_tid_address(2)): what pthread_join waits for. prctl(2) PR_GET_TID_ADDRESS tells it.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

struct clear_tid {
	uint64_t address; /* 0: none */
	struct piece piece;
};

static int clear_tid_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct clear_tid *t = part;

	(void)c;
	(void)th;
	t->piece = program_room(p, sizeof(t->address));
	program_must(p, SYS_prctl, ARGS(PR_GET_TID_ADDRESS, arg_at(t->piece)));
	program_note(p, "asking for the address that is cleared when it ends");
	return 0;
}

static int clear_tid_answer(struct collect *c, struct thread *th, void *part,
			    const struct program *p)
{
	struct clear_tid *t = part;

	(void)c;
	(void)th;
	(void)p;
	t->address = piece_u64(&t->piece);
	return 0;
}

static int clear_tid_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct clear_tid *t = part;
	ThreadInfoX86 *ti = core_thread_info(out);

	(void)th;
	if (!ti)
		return -ENOMEM;
	ti->clear_tid_addr = t->address;
	return 0;
}

static int clear_tid_decode(struct model *m, struct thread *th, void *part,
			    const struct core_record *in)
{
	struct clear_tid *t = part;

	(void)m;
	(void)th;
	if (!in->core->thread_info)
		return -EUCLEAN;
	t->address = in->core->thread_info->clear_tid_addr;
	return 0;
}

static int clear_tid_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct clear_tid *t = part;

	(void)env;
	(void)th;
	program_must(p, SYS_set_tid_address, ARGS(t->address));
	program_note(p, "setting the address that is cleared when it ends");
	return 0;
}

const struct task_kind task_kind_clear_tid = {
	.name = "clear_tid",
	.about = "address that is cleared when a thread ends",
	.owner = PART_THREAD,
	.size = sizeof(struct clear_tid),
	.ask = clear_tid_ask,
	.answer = clear_tid_answer,
	.encode = clear_tid_encode,
	.decode = clear_tid_decode,
	.late = clear_tid_late,
};
