/*
 * The memory of a task, built in the task's own process while that still runs our code. A vma is
 * mapped at its final place when nothing of ours is there, else at a staging place in a gap, from
 * where its program moves it. Private memory is filled before the children are born, so that what
 * they share with their parent copy-on-write stays shared: a child keeps the mappings that are
 * equal and compares their pages.
 */
#include <inttypes.h>
#include <sys/mman.h>

#include "kernel/proc/maps.h"
#include "kernel/sys.h"
#include "report/log.h"
#include "restore/restore_int.h"

#define MADV_GUARD_INSTALL_NR 102 /* Linux 6.13 */

static size_t vma_size(const struct vma *v)
{
	return v->end - v->start;
}

/* Takes out what is the memory of a task. The kernel may have joined it with a neighbour of ours.
 */
static int memory_cut(const struct task *from, struct ranges *own)
{
	scoped(ranges_done) struct ranges theirs = { 0 };
	int rc = 0;

	if (!from)
		return 0;
	vec_for_each(v, &from->mm->vmas)
		if ((*v)->kind->map && rc == 0)
			rc = ranges_add(&theirs, (*v)->at, (*v)->at + vma_size(*v));
	ranges_sort(&theirs);
	return rc < 0 ? rc : ranges_subtract(own, &theirs);
}

int own_maps_read(struct restore *r, struct proc_text *text)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	int rc = proc_pid_open(0, &self);

	if (rc == 0)
		rc = proc_maps_read(&self, text);
	return rc < 0 ? report_fail(r->report, rc, "cannot read our own mappings") : 0;
}

int memory_own(struct restore *r, const struct task *from, struct ranges *own)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_maps_walk walk;
	struct proc_map m;
	int rc = own_maps_read(r, &text);

	if (rc < 0)
		return rc;
	walk = proc_maps_walk(text.at, text.n);
	while ((rc = proc_maps_next(&walk, &m)) > 0) {
		if (m.kind == PROC_MAP_VSYSCALL)
			continue;
		rc = ranges_add(own, m.start, m.end);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		return report_fail(r->report, rc, "cannot understand our own mappings");
	ranges_sort(own);
	rc = memory_cut(from, own);
	return rc < 0 ? report_fail(r->report, rc, "cannot note our own mappings") : 0;
}

/* Whether a child can keep its parent's mapping and only correct the pages that differ. */
static bool vma_can_inherit(const struct vma *v, const struct vma *parents)
{
	return parents && v->has_pages && parents->has_pages && !(v->status & VMA_AIORING) &&
	       v->start == parents->start && v->end == parents->end && v->kind == parents->kind &&
	       v->flags == parents->flags && v->prot == parents->prot &&
	       v->pgoff == parents->pgoff && v->shmid == parents->shmid &&
	       v->madv == parents->madv &&
	       !(v->madv & ((UINT64_C(1) << MADV_DONTFORK) | (UINT64_C(1) << MADV_WIPEONFORK)));
}

static int memory_inherit(struct restore *r, struct task *t, const struct task *from)
{
	vec_for_each(v, &t->mm->vmas) {
		const struct vma *parents = mm_find(from->mm, (*v)->start);

		if (vma_can_inherit(*v, parents)) {
			(*v)->inherited = true;
			(*v)->at = parents->at;
		}
	}
	vec_for_each(u, &from->mm->vmas) {
		const struct vma *heir = mm_find(t->mm, (*u)->start);
		int rc;

		if (!(*u)->kind->map || (heir && heir->inherited && heir->start == (*u)->start))
			continue;
		rc = sys_munmap((void *)(uintptr_t)(*u)->at, vma_size(*u));
		if (rc < 0)
			return report_fail(r->report, rc, "cannot unmap the parent's memory");
	}
	return 0;
}

/* Decides where each vma is built. */
static int memory_place(struct restore *r, struct task *t, struct ranges *own)
{
	scoped(ranges_done) struct ranges taken = { 0 };
	uint64_t staging = 0, at = 0;
	int rc = 0;

	vec_for_each(o, own)
		rc = rc < 0 ? rc : ranges_add(&taken, o->start, o->end);
	vec_for_each(v, &t->mm->vmas) {
		if (rc == 0)
			rc = ranges_add(&taken, (*v)->start, (*v)->end);
		if (rc == 0 && (*v)->inherited)
			rc = ranges_add(&taken, (*v)->at, (*v)->at + vma_size(*v));
		if ((*v)->inherited || !(*v)->kind->map)
			continue;
		(*v)->at = (*v)->start;
		if (ranges_overlap(own, (*v)->start, (*v)->end))
			staging += ROUND_UP(vma_size(*v), UINT64_C(2) << 20);
	}
	ranges_sort(&taken);
	if (rc == 0 && staging)
		rc = ranges_gap(&taken, MEMORY_LOW, TASK_TOP, staging + (UINT64_C(2) << 20),
				GAP_MARGIN, &at);
	if (rc < 0)
		return report_fail(r->report, rc, "no room to build %" PRIu64 " bytes of mappings",
				   staging);
	at = ROUND_UP(at, UINT64_C(2) << 20); /* huge pages stay huge when they are moved */
	vec_for_each(v, &t->mm->vmas) {
		if ((*v)->inherited || !(*v)->kind->map ||
		    !ranges_overlap(own, (*v)->start, (*v)->end))
			continue;
		(*v)->at = at;
		at += ROUND_UP(vma_size(*v), UINT64_C(2) << 20);
	}
	return 0;
}

static int vma_build_prot(const struct vma *v)
{
	return (int)v->prot | (v->has_pages ? PROT_READ | PROT_WRITE : 0);
}

static int memory_map(struct restore *r, struct task *t)
{
	vec_for_each(v, &t->mm->vmas) {
		int rc;

		if ((*v)->inherited || !(*v)->kind->map)
			continue;
		REPORT_FRAME(r->report, "mapping %" PRIx64 "-%" PRIx64, (*v)->start, (*v)->end);
		rc = (*v)->kind->map(&r->env, *v, vma_build_prot(*v));
		if (rc < 0)
			return rc;
	}
	return 0;
}

int memory_plan(struct restore *r, struct task *t, struct ranges *own)
{
	int rc = memory_own(r, NULL, own);

	return rc == 0 ? memory_place(r, t, own) : rc;
}

int memory_build(struct restore *r, struct task *t)
{
	scoped(ranges_done) struct ranges own = { 0 };
	const struct task *from = r->memory_of;
	int rc;

	if (t->mm->owner != t)
		return 0;
	rc = memory_own(r, from, &own);
	if (rc == 0 && from)
		rc = memory_inherit(r, t, from);
	if (rc == 0)
		rc = memory_place(r, t, &own);
	if (rc == 0)
		rc = memory_map(r, t);
	r->memory_of = t;
	return rc == 0 ? memory_fill(r, t) : rc;
}

static int vma_advise(struct restore *r, const struct vma *v)
{
	for (int advice = 0; advice < 64; advice++) {
		int rc;

		if (!(v->madv & (UINT64_C(1) << advice)))
			continue;
		rc = sys_madvise((void *)(uintptr_t)v->at, vma_size(v), advice);
		if (rc < 0)
			return report_fail(r->report, rc, "cannot give advice %d again", advice);
	}
	return 0;
}

static int vma_finish(struct restore *r, struct vma *v)
{
	int rc = 0;

	REPORT_FRAME(r->report, "mapping %" PRIx64 "-%" PRIx64, v->start, v->end);
	if (vma_build_prot(v) != (int)v->prot)
		rc = sys_mprotect((void *)(uintptr_t)v->at, vma_size(v), (int)v->prot);
	if (rc < 0)
		return report_fail(r->report, rc, "cannot set its protection");
	rc = vma_advise(r, v);
	if (rc == 0 && (v->flags & MAP_LOCKED)) {
		rc = sys_mlock((void *)(uintptr_t)v->at, vma_size(v), 0);
		if (rc < 0)
			return report_fail(r->report, rc, "cannot lock it in memory");
	}
	return rc == 0 && v->kind->finish ? v->kind->finish(&r->env, v) : rc;
}

/* Guard markers may span several mappings, which need not be side by side yet. */
static int guard_install(const struct mm *mm, const struct range *g)
{
	for (uint64_t start = g->start; start < g->end;) {
		const struct vma *v = mm_find(mm, start);
		uint64_t end;
		int rc;

		if (!v)
			return -EUCLEAN;
		end = MIN(g->end, v->end);
		rc = sys_madvise((void *)(uintptr_t)(v->at + (start - v->start)), end - start,
				 MADV_GUARD_INSTALL_NR);
		if (rc < 0)
			return rc;
		start = end;
	}
	return 0;
}

int memory_finish(struct restore *r, struct task *t)
{
	int rc;

	if (t->mm->owner != t)
		return 0;
	vec_for_each(v, &t->mm->vmas) {
		if (!(*v)->kind->map)
			continue;
		rc = vma_finish(r, *v);
		if (rc < 0)
			return rc;
	}
	vec_for_each(g, &t->mm->guards) {
		rc = guard_install(t->mm, g);
		if (rc < 0)
			return report_fail(r->report, rc, "cannot guard %" PRIx64 "-%" PRIx64,
					   g->start, g->end);
	}
	return 0;
}
