/* comm: the name of a thread, at most 15 bytes (prctl(2) PR_SET_NAME). The leader's is the task's
 * and stands in the task's part of the image as well. */
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/collect.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

#define COMM_LEN 16 /* the kernel's TASK_COMM_LEN, with the NUL */

struct comm {
	char name[COMM_LEN];
};

static int comm_collect(struct collect *c, struct thread *th, void *part)
{
	const char *name = live_thread_of(th)->stat.comm;
	struct comm *m = part;

	(void)c;
	memcpy(m->name, name, strnlen(name, COMM_LEN - 1));
	return 0;
}

static int comm_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct comm *m = part;

	out->core->thread_core->comm = arena_str(out->arena, m->name);
	if (thread_is_leader(th))
		out->core->tc->comm = out->core->thread_core->comm;
	return 0;
}

static int comm_decode(struct model *m, struct thread *th, void *part, const struct core_record *in)
{
	const char *name = in->core->thread_core->comm;
	struct comm *c = part;

	(void)m;
	if (!name &&
	    thread_is_leader(th)) /* as images were before threads had names of their own */
		name = in->core->tc->comm;
	if (!name)
		return 0;
	if (strlen(name) >= COMM_LEN)
		return -EUCLEAN;
	memcpy(c->name, name, strlen(name));
	return 0;
}

static int comm_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct comm *m = part;

	(void)env;
	(void)th;
	program_must(p, SYS_prctl, ARGS(PR_SET_NAME, arg_at(program_text(p, m->name))));
	program_note(p, "setting its name");
	return 0;
}

const struct task_kind task_kind_comm = {
	.name = "comm",
	.about = "name of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct comm),
	.collect = comm_collect,
	.encode = comm_encode,
	.decode = comm_decode,
	.late = comm_late,
};
