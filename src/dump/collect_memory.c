/*
 * Address spaces, each once: mappings from smaps, in the tree's own terms through the kinds of
 * mappings; auxiliary vector; the program's file. Contents are not touched here (pages/).
 */
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dump/dump_int.h"
#include "kernel/proc/maps.h"
#include "kernel/proc/auxv.h"

static struct vma *vma_from_map(const struct proc_map *m)
{
	struct vma *v = NEW(struct vma);

	if (!v)
		return NULL;
	v->start = m->start;
	v->end = m->end;
	v->pgoff = m->offset;
	v->prot = (uint32_t)m->prot;
	v->dev = makedev(m->major, m->minor);
	v->ino = m->ino;
	v->vm_flags = m->vm_flags;
	v->map_kind = (int)m->kind;
	v->shared = m->shared;
	v->deleted = m->deleted;
	v->page_size = m->kernel_page_size;
	if (m->name.len) {
		v->name = mem_dup(m->name.p, m->name.len + 1);
		if (!v->name) {
			mem_free(v);
			return NULL;
		}
		v->name[m->name.len] = '\0';
	}
	return v;
}

static int vma_collect(struct dump *d, struct task *t, struct vma *v)
{
	REPORT_FRAME(d->report, "mapping %" PRIx64 "-%" PRIx64 "%s%s", v->start, v->end,
		     v->name ? " " : "", v->name ? v->name : "");
	v->kind = mem_kind_match(v);
	if (!v->kind)
		return report_refuse(d->report, -ENOTSUP, CODE_VMA_KIND,
				     "a mapping of a kind that is not built yet");
	return v->kind->collect(&d->collect, t, v);
}

static int mm_collect_vmas(struct dump *d, struct mm *mm)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_maps_walk walk;
	struct proc_map m;
	int r = proc_smaps_read(&live_of(mm->owner)->proc, &text), trouble = 0;

	if (r < 0)
		return report_fail(d->report, r, "cannot read its mappings");
	walk = proc_maps_walk(text.at, text.n);
	while ((r = proc_maps_next(&walk, &m)) > 0) {
		struct vma *v = vma_from_map(&m);
		int one;

		if (!v)
			return report_fail(d->report, -ENOMEM, "cannot note a mapping");
		one = mm_add_take(mm, v);
		if (one < 0)
			return report_fail(d->report, one, "cannot note a mapping");
		one = vma_collect(d, mm->owner, v);
		trouble = one < 0 ? one : trouble;
	}
	if (r < 0)
		return report_fail(d->report, r, "cannot understand its mappings");
	return trouble;
}

static void mm_collect_fields(struct mm *mm)
{
	const struct proc_stat *st = &live_thread_of(task_leader(mm->owner))->stat;

	mm->start_code = st->start_code;
	mm->end_code = st->end_code;
	mm->start_data = st->start_data;
	mm->end_data = st->end_data;
	mm->start_stack = st->start_stack;
	mm->start_brk = mm->brk = st->start_brk;
	mm->arg_start = st->arg_start;
	mm->arg_end = st->arg_end;
	mm->env_start = st->env_start;
	mm->env_end = st->env_end;
}

static int mm_collect(struct dump *d, struct mm *mm)
{
	struct task *t = mm->owner;
	struct proc_auxv auxv;
	int r;

	REPORT_FRAME(d->report, "task %d", t->host_pid);
	mm_collect_fields(mm);
	r = mm_collect_vmas(d, mm);
	if (r == 0)
		r = collect_path_file(&d->collect, t, FILE_USER_EXE, NULL, &mm->exe);
	if (r < 0)
		return r;
	r = proc_auxv_read(&live_of(t)->proc, &auxv);
	for (size_t i = 0; r == 0 && i < auxv.n; i++)
		r = vec_push(&mm->auxv, auxv.word[i]);
	return r < 0 ? report_fail(d->report, r, "cannot read its auxiliary vector") : 0;
}

int dump_collect_memory(struct dump *d)
{
	int r = 0;

	vec_for_each(mm, &d->model.mms) {
		int one = mm_collect(d, *mm);

		r = one < 0 ? one : r;
	}
	return r;
}

int dump_confirm_memory(struct dump *d)
{
	vec_for_each(at, &d->model.mms) {
		struct mm *mm = *at;

		REPORT_FRAME(d->report, "task %d", mm->owner->host_pid);
		vec_for_each(v, &mm->vmas) {
			int r;

			if (!(*v)->kind->confirm)
				continue;
			REPORT_FRAME(d->report, "mapping %" PRIx64 "-%" PRIx64, (*v)->start,
				     (*v)->end);
			r = (*v)->kind->confirm(&d->collect, mm->owner, *v);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
