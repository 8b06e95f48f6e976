/*
 * The programs of a task: what the interpreter does when nothing of ours can stay. The leader's
 * unmaps what is ours, moves vDSO and staged mappings to their places, spawns the threads; then
 * every thread runs the late parts of its kinds, waits (the coordinator seizes it meanwhile), runs
 * the last parts, waits again, and returns into its registers.
 */
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "inject/context.h"
#include "inject/enter.h"
#include "kernel/proc/maps.h"
#include "kernel/sys.h"
#include "report/log.h"
#include "restore/restore_int.h"

/* What becomes of the special mappings of a task. */
struct specials {
	const struct old_vdso
		*proxy_of; /* ours goes somewhere else, and the old one's pages lead to it */
	uint64_t proxy_at;
	struct special at[SPECIALS_MAX]; /* ours, and where each goes */
	size_t n;
};

/*
 * Where the task had them. The data pages lie before the code at distances that the code relies on,
 * so the whole group moves as one: the vDSO to the task's, the data pages by the same distance.
 */
static int specials_match(struct restore *r, const struct task *t, struct specials *s)
{
	const struct vma *vdso = NULL;
	const struct special *ours = NULL;
	const struct old_vdso *old;

	vec_for_each(v, &t->mm->vmas)
		if ((*v)->status & VMA_VDSO)
			vdso = *v;
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].kind == PROC_MAP_VDSO)
			ours = &s->at[i];
	if (!vdso || !ours) { /* it had none: it gets none */
		s->n = 0;
		return 0;
	}
	old = map_find(&r->vdsos, 0, t->mm->id);
	if (old ? old->fits : vdso->end - vdso->start == ours->size) {
		for (size_t i = 0; i < s->n; i++)
			s->at[i].to = vdso->start - (ours->from - s->at[i].from);
		return 0;
	}
	if (!old)
		return report_refuse(r->report, -ENOTSUP, CODE_FEATURE,
				     "the task's vDSO has %" PRIu64 " bytes, this kernel's %" PRIu64
				     ", and its pages were not stored",
				     vdso->end - vdso->start, ours->size);
	s->proxy_of = old;
	s->proxy_at = vdso->start;
	return 0;
}

static void program_unmap(struct program *p, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	program_exact(p, 0, SYS_munmap, ARGS(start, end - start));
	program_note(p, "unmapping %" PRIx64 "-%" PRIx64 " of the restoring process", start, end);
}

/* Everything that is ours, around what has to be moved later. */
static void program_unmap_own(struct program *p, const struct ranges *own,
			      const struct ranges *keep)
{
	vec_for_each(o, own) {
		uint64_t start = o->start;

		vec_for_each(k, keep) {
			if (k->end <= start || k->start >= o->end)
				continue;
			program_unmap(p, start, k->start);
			start = k->end;
		}
		program_unmap(p, start, o->end);
	}
}

static void program_move(struct program *p, uint64_t from, uint64_t size, uint64_t to,
			 const char *what)
{
	if (from == to)
		return;
	program_exact(p, (int64_t)to, SYS_mremap,
		      ARGS(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	program_note(p, "moving %s %" PRIx64 "-%" PRIx64 " to %" PRIx64, what, from, from + size,
		     to);
}

/*
 * Ours stays in the gap, out of the way of everything the task has, and the old pages come back as
 * a proxy.
 */
static int program_make_proxy(struct restore *r, struct program *p, const struct specials *s,
			      uint64_t gap)
{
	const uint64_t size = s->proxy_of->size;
	struct piece image = program_put(p, NULL, size);
	uint64_t ours_at = 0;
	int rc;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t to = gap + (s->at[i].from - s->at[0].from);

		program_move(p, s->at[i].from, s->at[i].size, to, "vDSO page");
		if (s->at[i].kind == PROC_MAP_VDSO)
			ours_at = to;
	}
	if (!image.p)
		return report_fail(r->report, -ENOMEM, "cannot make a proxy of its vDSO");
	rc = vdso_make_proxy(r, s->proxy_of, ours_at, image.p);
	if (rc < 0)
		return rc;
	program_exact(p, (int64_t)s->proxy_at, SYS_mmap,
		      ARGS(s->proxy_at, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	program_note(p, "mapping room for the task's own vDSO");
	program_copy(p, arg_const(s->proxy_at), arg_at(image), size);
	program_note(p, "copying the task's own vDSO, led to this kernel's");
	program_exact(p, 0, SYS_mprotect, ARGS(s->proxy_at, size, PROT_READ | PROT_EXEC));
	program_note(p, "protecting the task's own vDSO");
	return 0;
}

/* Moves a group by way of a gap, because old and new places may overlap. */
static void program_move_specials(struct program *p, const struct specials *s, uint64_t gap)
{
	for (size_t i = 0; i < s->n; i++)
		program_move(p, s->at[i].from, s->at[i].size, gap + (s->at[i].from - s->at[0].from),
			     "vDSO page");
	for (size_t i = 0; i < s->n; i++)
		program_move(p, gap + (s->at[i].from - s->at[0].from), s->at[i].size, s->at[i].to,
			     "vDSO page");
}

static void program_move_staged(struct program *p, const struct task *t)
{
	vec_for_each(v, &t->mm->vmas)
		if ((*v)->kind->map)
			program_move(p, (*v)->at, (*v)->end - (*v)->start, (*v)->start, "mapping");
}

static int program_spawn_thread(struct program *leader, const struct program *child,
				const struct thread *th)
{
	pid_t tid = th->tid;
	struct piece set_tid = program_put(leader, &tid, sizeof(tid));
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			 CLONE_SYSVSEM,
		.set_tid_size = 1,
	};
	struct piece piece = program_put(leader, &args, sizeof(args));

	program_link(leader, piece, offsetof(struct clone_args, set_tid), set_tid, 0);
	program_spawn(leader, child, piece, tid);
	program_note(leader, "creating thread %d", tid);
	return 0;
}

typedef int (*part_verb)(struct env *, struct thread *, void *, struct program *);

static int program_add_parts(struct restore *r, struct thread *th, struct program *p, bool last)
{
	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];
		part_verb verb = last ? k->last : k->late;
		int rc;

		if (!verb || !part_is_visited_by(k, th))
			continue;
		REPORT_FRAME(r->report, "%s", k->name);
		rc = verb(&r->env, th, part_of(th, (enum task_kind_index)i), p);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Our own descriptors, when no task needs them any more: late parts do (the program's file). */
static void program_close_own(struct restore *r, const struct thread *th, struct program *p)
{
	if (th != task_leader(th->task) || th->task->fdtable->owner != th->task)
		return;
	program_must(p, SYS_close_range, ARGS(r->env.floor, UINT32_MAX, 0));
	program_note(p, "closing the descriptors of the restoring process");
}

/* What open files want of the owner of the first table that has them. */
static int program_add_files(struct restore *r, const struct task *t, struct program *p)
{
	if (t->fdtable->owner != t)
		return 0;
	vec_for_each(s, &t->fdtable->slots) {
		struct file *f = s->file;
		int rc;

		if (f->task != t || f->fd != s->fd || !f->kind->last)
			continue;
		REPORT_FRAME(r->report, "fd %d (%s)", s->fd, f->kind->name);
		rc = f->kind->last(&r->env, f, s->fd, p);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What every thread does once the memory is in place. */
static int program_add_thread(struct restore *r, struct thread *th, struct program *p)
{
	int rc;

	REPORT_FRAME(r->report, "thread %d", th->tid);
	rc = program_add_parts(r, th, p, false);
	if (rc < 0)
		return rc;
	program_barrier(p, AREA_STAGE_LAST);
	program_note(p, "waiting to be seized");
	if (th == task_leader(th->task)) {
		/* From here on the coordinator's death is the tree's by PTRACE_O_EXITKILL. */
		program_exact(p, 0, SYS_prctl, ARGS(PR_SET_PDEATHSIG, 0, 0, 0, 0));
		program_note(p, "not dying with the parent any more");
	}
	program_close_own(r, th, p);
	rc = th == task_leader(th->task) ? program_add_files(r, th->task, p) : 0;
	if (rc == 0)
		rc = program_add_parts(r, th, p, true);
	if (rc < 0)
		return rc;
	program_barrier(p, AREA_STAGE_RETURN);
	program_note(p, "waiting to return");
	program_return(p, context_frame(th->context, p));
	return 0;
}

static int program_add_leader(struct restore *r, struct task *t, struct program *p,
			      const struct ranges *own, struct specials *s, uint64_t gap)
{
	scoped(ranges_done) struct ranges keep = { 0 };
	int rc = 0;

	for (size_t i = 0; i < s->n && rc == 0; i++)
		rc = ranges_add(&keep, s->at[i].from, s->at[i].from + s->at[i].size);
	if (rc < 0)
		return report_fail(r->report, rc, "cannot plan the program");
	ranges_sort(&keep);
	program_unmap_own(p, own, &keep);
	if (s->proxy_of)
		rc = program_make_proxy(r, p, s, gap);
	else
		program_move_specials(p, s, gap);
	if (rc < 0)
		return rc;
	program_move_staged(p, t);
	vec_for_each(v, &t->mm->vmas) {
		rc = (*v)->kind->late ? (*v)->kind->late(&r->env, *v, p) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Takes our own mappings that are no target memory; finds room for the area and for moving the
 * vDSO. */
static int program_place(struct restore *r, struct task *t, const struct ranges *own, uint64_t size,
			 uint64_t *ret)
{
	scoped(ranges_done) struct ranges taken = { 0 };
	int rc = 0;

	vec_for_each(o, own)
		rc = rc < 0 ? rc : ranges_add(&taken, o->start, o->end);
	vec_for_each(v, &t->mm->vmas) {
		if (rc == 0)
			rc = ranges_add(&taken, (*v)->start, (*v)->end);
		if (rc == 0 && (*v)->kind->map)
			rc = ranges_add(&taken, (*v)->at, (*v)->at + ((*v)->end - (*v)->start));
	}
	if (rc == 0) {
		ranges_sort(&taken);
		rc = ranges_gap(&taken, MEMORY_LOW, TASK_TOP, size, GAP_MARGIN, ret);
	}
	return rc < 0 ? report_fail(r->report, rc, "no room for %" PRIu64 " bytes of programs",
				    size)
		      : 0;
}

static int program_write(struct restore *r, struct task *t, struct batch *b, uint64_t at)
{
	struct build *build = t->build;
	size_t size = batch_size(b);
	void *area;
	int rc;

	if (size > AREA_SPAN / 2)
		return report_refuse(r->report, -E2BIG, CODE_LIMIT,
				     "its programs take %zu bytes, more than %llu", size,
				     (unsigned long long)AREA_SPAN / 2);
	rc = sys_mmap((void *)(uintptr_t)at, size, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_SHARED | MAP_FIXED_NOREPLACE, r->areas_fd, build->slot * AREA_SPAN,
		      &area);
	if (rc < 0)
		return report_fail(r->report, rc, "cannot map its programs");
	batch_write(b, REMOTE(at), area);
	r->shared->tasks[build->slot] = (struct shared_task){ .area_at = at, .area_size = size };
	return 0;
}

static int program_compose(struct restore *r, struct task *t, struct batch *b, struct ranges *own,
			   uint64_t gap)
{
	struct program *leader = batch_program(b, PIE_FAIL_WAIT);
	struct specials s = { .n = r->n_specials };
	struct thread *th;
	int rc;

	memcpy(s.at, r->specials, sizeof(s.at));
	rc = specials_match(r, t, &s);
	if (rc == 0 && !leader)
		rc = report_fail(r->report, -ENOMEM, "cannot build its program");
	if (rc == 0)
		rc = program_add_leader(r, t, leader, own, &s, gap);
	thread_for_each(th, t) {
		struct program *p = leader;

		if (rc < 0)
			return rc;
		if (th != task_leader(t)) {
			p = batch_program(b, PIE_FAIL_WAIT);
			if (!p)
				return report_fail(r->report, -ENOMEM, "cannot build a program");
			rc = program_spawn_thread(leader, p, th);
			if (rc == 0)
				rc = program_add_thread(r, th, p);
		}
	}
	return rc < 0 ? rc : program_add_thread(r, task_leader(t), leader);
}

/* The programs of a task, laid out; *ret_at is where their area goes. */
static int program_plan(struct restore *r, struct task *t, struct batch *b, struct ranges *own,
			uint64_t *ret_at)
{
	int rc = program_place(r, t, own, AREA_SPAN, ret_at);

	/* The second half of the gap is the way station for the vDSO. */
	if (rc == 0)
		rc = program_compose(r, t, b, own, *ret_at + AREA_SPAN / 2);
	if (rc < 0)
		return rc;
	rc = batch_layout(b);
	return rc < 0 ? report_fail(r->report, rc, "cannot lay out its programs") : 0;
}

int program_build(struct restore *r, struct task *t)
{
	scoped(ranges_done) struct ranges own = { 0 };
	scoped(batch_free) struct batch *b = batch_new();
	uint64_t at;
	int rc;

	if (!b)
		return report_fail(r->report, -ENOMEM, "cannot build its programs");
	rc = memory_own(r, t, &own);
	if (rc == 0)
		rc = program_plan(r, t, b, &own, &at);
	return rc == 0 ? program_write(r, t, b, at) : rc;
}

int program_print(struct restore *r, struct task *t, struct str *out)
{
	scoped(ranges_done) struct ranges own = { 0 };
	scoped(batch_free) struct batch *b = batch_new();
	uint64_t at;
	int rc;

	if (!b)
		return report_fail(r->report, -ENOMEM, "cannot plan its programs");
	rc = memory_plan(r, t, &own);
	if (rc == 0)
		rc = program_plan(r, t, b, &own, &at);
	if (rc < 0)
		return rc;
	rc = batch_print(b, out);
	return rc < 0 ? report_fail(r->report, rc, "cannot print its programs") : 0;
}

/* glibc has registered a restartable sequence for us; the task will register its own. */
static void rseq_leave(void)
{
	char *self = __builtin_thread_pointer();

	if (__rseq_size)
		(void)!sys_rseq(self + __rseq_offset, MAX(__rseq_size, 32u), RSEQ_FLAG_UNREGISTER,
				RSEQ_SIG);
}

_Noreturn void program_enter(struct restore *r, struct task *t)
{
	struct build *build = t->build;

	log_flush();
	rseq_leave();
	area_enter((void *)(uintptr_t)r->shared->tasks[build->slot].area_at, 0);
}
