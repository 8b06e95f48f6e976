/*
 * mm: what an address space has besides its mappings: where code, data, heap, stack, arguments and
 * environment lie, the auxiliary vector, the program's file, whether it may be traced and dumped
 * core, whether it wants huge pages. The fields are the model's (struct mm) and have an image of
 * their own; this part asks for what /proc does not tell and sets everything again.
 *
 * PR_SET_MM_MAP (prctl(2)) sets all at once. It has to run when no mapping of the program that is
 * replaced is left, and needs CAP_CHECKPOINT_RESTORE for another program. Whether it is dumpable
 * comes last: see dumpable.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "kernel/cap.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/task/task_common.h"
#include "schema/core.pb-c.h"

#define THP_DISABLED       1u
#define THP_EXCEPT_ADVISED 2u /* Linux 6.18; PR_THP_DISABLE_EXCEPT_ADVISED */

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65 /* Linux 6.3 */
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* Linux 6.4 */
#define PR_GET_MEMORY_MERGE 68
#endif

/* Beside the model's struct mm: what images have only in fields of our own. */
struct mm_part {
	uint32_t thp;   /* THP_* */
	uint32_t mdwe;  /* PR_MDWE_*: no memory both writable and executable from now on */
	bool is_merged; /* PR_SET_MEMORY_MERGE: all of it is offered to KSM */
	int ask_brk, ask_dumpable, ask_thp, ask_mdwe, ask_merge; /* steps */
};

static struct mm *mm_of(const struct thread *th)
{
	return th->task->mm && th->task->mm->owner == th->task ? th->task->mm : NULL;
}

static int mm_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct mm_part *s = part;

	(void)c;
	if (!mm_of(th))
		return 0;
	s->ask_brk = program_must(p, SYS_brk, ARGS(0));
	program_note(p, "asking for the end of its heap");
	s->ask_dumpable = program_must(p, SYS_prctl, ARGS(PR_GET_DUMPABLE));
	program_note(p, "asking whether it is dumpable");
	s->ask_thp = program_call(p, SYS_prctl, ARGS(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	s->ask_mdwe = program_call(p, SYS_prctl, ARGS(PR_GET_MDWE, 0, 0, 0, 0));
	s->ask_merge = program_call(p, SYS_prctl, ARGS(PR_GET_MEMORY_MERGE, 0, 0, 0, 0));
	return 0;
}

/* The answer to a question that older kernels do not know. */
static uint32_t answer_or_zero(const struct program *p, int step)
{
	int64_t v = program_result(p, step);

	return v > 0 ? (uint32_t)v : 0;
}

static int mm_answer(struct collect *c, struct thread *th, void *part, const struct program *p)
{
	struct mm_part *s = part;
	struct mm *mm = mm_of(th);

	(void)c;
	if (!mm)
		return 0;
	mm->brk = (uint64_t)program_result(p, s->ask_brk);
	mm->dumpable = (int)program_result(p, s->ask_dumpable);
	s->thp = answer_or_zero(p, s->ask_thp);
	s->mdwe = answer_or_zero(p, s->ask_mdwe);
	s->is_merged = answer_or_zero(p, s->ask_merge);
	mm->thp_disabled = s->thp & THP_DISABLED;
	return 0;
}

static int mm_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct mm_part *s = part;
	TaskCoreEntry *tc = out->core->tc;

	(void)th;
	tc->has_thp_flags = s->thp > THP_DISABLED;
	tc->thp_flags = s->thp;
	tc->has_mdwe = s->mdwe;
	tc->mdwe = s->mdwe;
	tc->has_memory_merge = s->is_merged;
	tc->memory_merge = s->is_merged;
	return 0;
}

static int mm_decode(struct model *m, struct thread *th, void *part, const struct core_record *in)
{
	const TaskCoreEntry *tc = in->core->tc;
	struct mm_part *s = part;

	(void)m;
	if (tc->has_thp_flags)
		s->thp = tc->thp_flags;
	else
		s->thp = mm_of(th) && mm_of(th)->thp_disabled ? THP_DISABLED : 0;
	s->mdwe = tc->has_mdwe ? tc->mdwe : 0;
	s->is_merged = tc->has_memory_merge && tc->memory_merge;
	return 0;
}

static int mm_check(struct check *k, struct thread *th, void *part)
{
	const struct mm_part *s = part;

	if (s->is_merged && !cap_own_has(CAP_SYS_RESOURCE))
		return report_refuse(k->report, -EPERM, CODE_NO_PRIVILEGE,
				     "its memory is offered to KSM as a whole, which needs "
				     "CAP_SYS_RESOURCE");
	return 0;
}

/* Whether a file is the program that we run. The kernel changes the program only while the old one
 * is not mapped; when it is the same there is nothing to change. */
static bool fd_is_own_program(int fd)
{
	struct stat theirs, ours;

	return fstat(fd, &theirs) == 0 && stat("/proc/self/exe", &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

static int mm_late_map(struct env *env, const struct mm *mm, struct program *p)
{
	struct piece auxv = program_put(p, mm->auxv.at, mm->auxv.n * sizeof(*mm->auxv.at));
	struct prctl_mm_map map = {
		.start_code = mm->start_code,
		.end_code = mm->end_code,
		.start_data = mm->start_data,
		.end_data = mm->end_data,
		.start_brk = mm->start_brk,
		.brk = mm->brk,
		.start_stack = mm->start_stack,
		.arg_start = mm->arg_start,
		.arg_end = mm->arg_end,
		.env_start = mm->env_start,
		.env_end = mm->env_end,
		.auxv_size = (uint32_t)auxv.len,
	};
	struct piece piece;
	bool owned;
	int fd, r = env_file_fd(env, mm->exe, &fd, &owned);

	if (r < 0)
		return r;
	map.exe_fd = fd_is_own_program(fd) ? UINT32_MAX : (uint32_t)fd;
	piece = program_put(p, &map, sizeof(map));
	if (auxv.len)
		program_link(p, piece, offsetof(struct prctl_mm_map, auxv), auxv, 0);
	program_must(p, SYS_prctl, ARGS(PR_SET_MM, PR_SET_MM_MAP, arg_at(piece), sizeof(map), 0));
	program_note(p, "setting the layout of its address space and its program");
	if (owned) {
		program_call(p, SYS_close, ARGS(fd));
		program_note(p, "closing its program's file");
	}
	return 0;
}

static int mm_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct mm_part *s = part;
	struct mm *mm = mm_of(th);

	if (!mm)
		return 0;
	/* We may be without huge pages ourselves: set it either way. */
	program_must(p, SYS_prctl,
		     ARGS(PR_SET_THP_DISABLE, s->thp & THP_DISABLED, s->thp & THP_EXCEPT_ADVISED, 0,
			  0));
	program_note(p, "setting whether it uses huge pages");
	if (s->is_merged) {
		program_must(p, SYS_prctl, ARGS(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
		program_note(p, "offering its memory to KSM");
	}
	return mm_late_map(env, mm, p);
}

/* Nothing is mapped any more from here on. */
static int mm_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct mm_part *s = part;

	(void)env;
	if (mm_of(th) && s->mdwe) {
		program_must(p, SYS_prctl, ARGS(PR_SET_MDWE, s->mdwe, 0, 0, 0));
		program_note(p, "forbidding memory that is writable and executable");
	}
	return 0;
}

const struct task_kind task_kind_mm = {
	.name = "mm",
	.about = "layout of an address space, its program and its habits",
	.owner = PART_TASK,
	.size = sizeof(struct mm_part),
	.ask = mm_ask,
	.answer = mm_answer,
	.encode = mm_encode,
	.decode = mm_decode,
	.check = mm_check,
	.late = mm_late,
	.last = mm_last,
};
