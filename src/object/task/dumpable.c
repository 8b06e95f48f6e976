/*
 * dumpable: whether a task may be traced by others and dumps core (prctl(2) PR_SET_DUMPABLE). The
 * value belongs to the address space and is the model's (mm.c asks for it), but every thread that
 * changes its credentials resets it; so each of them sets it after that, and whoever is last has
 * set it as it was.
 *
 * Value 2 (root only) comes about by a change of credentials on hosts whose fs.suid_dumpable says
 * so, and cannot be set; 0 takes its place, which is stricter.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "object/env.h"

/* The engine's allocator wants something; the value is in struct mm. */
struct dumpable {
	char nothing;
};

static int dumpable_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	int value = th->task->mm->dumpable;

	(void)env;
	(void)part;
	program_must(p, SYS_prctl, ARGS(PR_SET_DUMPABLE, value == 1));
	program_note(p, "setting whether it is dumpable");
	return 0;
}

const struct task_kind task_kind_dumpable = {
	.name = "dumpable",
	.about = "whether a task may be traced and dumps core",
	.owner = PART_THREAD,
	.size = sizeof(struct dumpable),
	.last = dumpable_last,
};
