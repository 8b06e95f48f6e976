/*
 * The vDSO of a task and that of this kernel. Programs keep addresses of its functions, so what
 * counts is where these were: when this kernel's vDSO has them all at the same offsets, it takes
 * the old one's place; otherwise the old pages stay, and every function in them jumps to this
 * kernel's, which lies elsewhere (inject/vdso.h).
 *
 * Decided while the images are loaded; the steps are composed in program.c.
 */
#include <string.h>
#include <sys/auxv.h>

#include "inject/vdso.h"
#include "kernel/proc/maps.h"
#include "pages/store.h"
#include "report/log.h"
#include "restore/restore_int.h"

#define VDSO_MAX (64 * 1024UL) /* today's have two pages */

static bool map_is_special(enum proc_map_kind kind)
{
	return kind == PROC_MAP_VDSO || kind == PROC_MAP_VVAR || kind == PROC_MAP_VVAR_VCLOCK;
}

int restore_find_specials(struct restore *r)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_maps_walk walk;
	struct proc_map m;
	int rc = own_maps_read(r, &text);

	if (rc < 0)
		return rc;
	walk = proc_maps_walk(text.at, text.n);
	while ((rc = proc_maps_next(&walk, &m)) > 0) {
		if (!map_is_special(m.kind) || r->n_specials == SPECIALS_MAX)
			continue;
		r->specials[r->n_specials++] = (struct special){ .from = m.start,
								 .size = m.end - m.start,
								 .kind = m.kind };
		if (m.kind == PROC_MAP_VDSO)
			r->own_vdso_size = m.end - m.start;
	}
	return rc < 0 ? report_fail(r->report, rc, "cannot understand our own mappings") : 0;
}

static const struct vma *mm_vdso(const struct mm *mm)
{
	vec_for_each(v, &mm->vmas)
		if ((*v)->status & VMA_VDSO)
			return *v;
	return NULL;
}

/* Ours: as long as its own headers say, which the kernel mapped for us. */
static int vdso_ours(const struct restore *r, struct vdso *ret)
{
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);

	if (!image)
		return -ENOENT;
	return vdso_parse(image, r->own_vdso_size, ret);
}

static int vdso_compare(struct restore *r, struct old_vdso *old)
{
	scoped(vdso_done) struct vdso theirs = { 0 }, ours = { 0 };
	int rc = vdso_parse(old->image, old->size, &theirs);

	if (rc == -EUCLEAN)
		return report_refuse(r->report, rc, CODE_IMAGE_DAMAGED,
				     "its vDSO is no vDSO of this CPU");
	if (rc == 0)
		rc = vdso_ours(r, &ours);
	if (rc == -ENOENT) { /* this kernel has none: its functions become system calls */
		old->fits = false;
		return 0;
	}
	if (rc < 0)
		return report_fail(r->report, rc, "cannot compare vDSOs");
	old->fits = old->size == r->own_vdso_size && vdso_fits(&theirs, &ours);
	return 0;
}

int restore_load_vdso(struct restore *r, const struct mm *mm, const struct page_store *store)
{
	const struct vma *v = mm_vdso(mm);
	struct old_vdso *old;
	int rc;

	if (!v || v->end - v->start > VDSO_MAX)
		return 0;
	old = ARENA_NEW(&r->in.arena, struct old_vdso);
	if (!old)
		return report_fail(r->report, -ENOMEM, "cannot look at its vDSO");
	old->size = v->end - v->start;
	old->image = arena_alloc(&r->in.arena, 1, old->size);
	rc = old->image ? page_store_read(store, v->start, old->image, old->size, NULL) : -ENOMEM;
	if (rc == -ENODATA) /* not stored: nothing to compare, its size will have to do */
		return 0;
	if (rc < 0)
		return report_fail(r->report, rc, "cannot read its vDSO");
	/* Nearly always all tasks have the same one. */
	if (r->last_vdso && r->last_vdso->size == old->size &&
	    memcmp(r->last_vdso->image, old->image, old->size) == 0)
		old = r->last_vdso;
	else
		rc = vdso_compare(r, old);
	if (rc < 0)
		return rc;
	r->last_vdso = old;
	rc = map_set(&r->vdsos, 0, mm->id, old);
	return rc < 0 ? report_fail(r->report, rc, "cannot note its vDSO") : 0;
}

int vdso_make_proxy(struct restore *r, const struct old_vdso *old, uint64_t ours_at, void *image)
{
	scoped(vdso_done) struct vdso theirs = { 0 }, ours = { 0 };
	struct vdso_patches patches = { 0 };
	int rc = vdso_parse(old->image, old->size, &theirs);

	if (rc == 0)
		rc = vdso_ours(r, &ours);
	if (rc == 0 || rc == -ENOENT)
		rc = vdso_redirect(&theirs, &ours, REMOTE(ours_at), &patches);
	if (rc == 0) {
		memcpy(image, old->image, old->size);
		vec_for_each(p, &patches)
			memcpy((char *)image + p->offset, p->bytes, p->len);
	}
	vec_done(&patches);
	if (rc == -ENOTSUP)
		return report_refuse(r->report, rc, CODE_FEATURE,
				     "its vDSO has functions that cannot be led to this kernel's");
	return rc < 0 ? report_fail(r->report, rc, "cannot make a proxy of its vDSO") : 0;
}
