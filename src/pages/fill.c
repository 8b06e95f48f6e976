/* Where stored pages go, and how. See fill.h. */
#include "pages/fill.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "kernel/pagemap.h"
#include "kernel/sys.h"
#include "pages/fill_int.h"
#include "pages/scan.h"

/* Fewer pages in a mapping than this are not worth setting userfaultfd up for. */
#define FRESH_PAGES 64

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24 /* Linux 5.18 */
#endif

bool fill_huge_always(void)
{
	scoped(fd_close) int fd = sys_openat(
		AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC, 0);
	char text[64] = "";

	return fd >= 0 && fd_read_some(fd, text, sizeof(text) - 1) > 0 && strstr(text, "[always]");
}

/* ---- address spaces ---- */

/* One mapping while it is being planned. */
struct target {
	struct fill *fill;
	const struct vma *vma;
	struct page_runs stored;  /* what the images have of it */
	struct page_runs present; /* what it has already, at addresses of the images */
	bool is_guess;            /* `present` may be too much */
	enum place place;         /* of pages that it does not have */
	size_t piece;             /* the first that is not wholly before it */
};

static void target_done(struct target *t)
{
	page_runs_done(&t->stored);
	page_runs_done(&t->present);
}
SCOPED_OBJECT(struct target, target_done);

static uint64_t target_at(const struct target *t, uint64_t va)
{
	return t->vma->at + (va - t->vma->start);
}

static bool vma_gets_huge_pages(const struct vma *v, const struct mm *mm,
				const struct fill_config *config)
{
	if (v->madv & (UINT64_C(1) << MADV_NOHUGEPAGE))
		return false;
	return (v->madv & (UINT64_C(1) << MADV_HUGEPAGE)) ||
	       (config->huge_always && !mm->thp_disabled);
}

/* Advice that decides what sort of pages the filling makes. That it cannot be taken is no trouble
 * of ours: whoever gives all advice again will see. */
static void target_advise(const struct target *t)
{
	static const int advices[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	const struct vma *v = t->vma;

	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		if (v->madv & (UINT64_C(1) << advices[i]))
			(void)!sys_madvise((void *)v->at, v->end - v->start, advices[i]);
	}
}

/* The part of a piece that lies in the mapping. */
static struct page_piece piece_within(const struct page_piece *p, const struct vma *v)
{
	uint64_t from = MAX(p->va, v->start), to = MIN(page_piece_end(p), v->end);

	return (struct page_piece){
		.va = from,
		.n = (to - from) / PAGE_SIZE,
		.page = p->page + (from - p->va) / PAGE_SIZE,
		.file = p->file,
	};
}

static bool piece_is_before_end(const struct target *t, size_t i)
{
	const struct page_pieces *pieces = page_store_pieces(t->fill->store);

	return i < pieces->n && pieces->at[i].va < t->vma->end;
}

/* What the images have of the mapping. */
static int target_list(struct target *t)
{
	const struct page_pieces *pieces = page_store_pieces(t->fill->store);

	for (size_t i = t->piece; piece_is_before_end(t, i); i++) {
		struct page_piece p = piece_within(&pieces->at[i], t->vma);
		int r = page_runs_add(&t->stored, p.va, p.n, RUN_PRESENT);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * What an inherited mapping holds: the plan of a dump of ourselves, moved to the addresses of the
 * images. Without a pagemap (no /proc here): everything, to be on the safe side.
 */
static int target_look(struct target *t)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	scoped(page_plan_done) struct page_plan plan = { 0 };
	struct vma here = *t->vma;
	uint64_t n = (here.end - here.start) / PAGE_SIZE;
	int r;

	t->is_guess = proc_pid_open(0, &self) < 0 || pagemap_open(&self, &pm) < 0;
	if (t->is_guess)
		return page_runs_add(&t->present, here.start, n, RUN_PRESENT);
	here.start = here.at;
	here.end = here.at + n * PAGE_SIZE;
	r = page_plan_scan_vma(&here, &pm, &plan);
	vec_for_each(run, &plan.runs) {
		if (r == 0)
			r = page_runs_add(&t->present, run->va - here.at + t->vma->start, run->n,
					  RUN_PRESENT);
	}
	return r;
}

/* Makes a page what it would be had it never been touched. */
static int page_forget(const struct target *t, uint64_t va, uint64_t n)
{
	void *at = (void *)target_at(t, va);
	int r = sys_madvise(at, n * PAGE_SIZE, MADV_DONTNEED_LOCKED);

	if (r == -EINVAL)
		r = sys_madvise(at, n * PAGE_SIZE, MADV_DONTNEED);
	/* A part of a huge page cannot be dropped. */
	if (r == -EINVAL && (t->vma->status & VMA_ANON_PRIVATE)) {
		memset(at, 0, n * PAGE_SIZE);
		r = 0;
	}
	if (r < 0)
		return image_fail(t->fill->err, page_store_name(t->fill->store), r,
				  "inherited pages at 0x%" PRIx64 " cannot be dropped", va);
	t->fill->counts->dropped += n;
	return 0;
}

static int target_forget(const struct target *t)
{
	scoped(page_runs_done) struct page_runs extra = { 0 };
	int r = page_runs_cut(&t->present, &t->stored, false, &extra);

	vec_for_each(run, &extra) {
		if (r == 0)
			r = page_forget(t, run->va, run->n);
	}
	return r;
}

/* How pages are made where there are none. */
static void target_choose(struct target *t, const struct mm *mm)
{
	struct fill *f = t->fill;
	const struct vma *v = t->vma;

	t->place = PLACE_READ;
	if (!(v->status & VMA_ANON_PRIVATE) || (v->flags & MAP_HUGETLB) || t->is_guess ||
	    vma_gets_huge_pages(v, mm, f->config) ||
	    page_runs_count(&t->stored, RUN_PRESENT) < FRESH_PAGES)
		return;
	if (f->fresh == -EBADF)
		f->fresh = fresh_new();
	if (f->fresh >= 0 && fresh_register(f->fresh, v->at, v->end - v->start) == 0)
		t->place = PLACE_FRESH;
}

/* Cuts a piece where the mapping begins or ends to have pages already. */
static int target_add(const struct target *t, const struct page_piece *p)
{
	size_t i = page_runs_find(&t->present, p->va);
	uint64_t va = p->va, end = page_piece_end(p);

	while (va < end) {
		const struct page_run *run =
			i < t->present.n && t->present.at[i].va < end ? &t->present.at[i] : NULL;
		bool is_present = run && run->va <= va;
		uint64_t to = !run ? end : is_present ? MIN(end, page_run_end(run)) : run->va;
		struct page_piece part = {
			.va = va,
			.n = (to - va) / PAGE_SIZE,
			.page = p->page + (va - p->va) / PAGE_SIZE,
			.file = p->file,
		};
		int r = fill_add(t->fill, &part, target_at(t, va),
				 is_present ? PLACE_COMPARE : t->place);

		if (r < 0)
			return r;
		va = to;
		i += is_present;
	}
	return 0;
}

static int target_plan(struct target *t, const struct mm *mm)
{
	const struct page_pieces *pieces = page_store_pieces(t->fill->store);
	int r = target_list(t);

	if (r == 0 && t->vma->inherited) {
		r = target_look(t);
		if (r == 0)
			r = target_forget(t);
	}
	if (r < 0)
		return r;
	target_advise(t);
	target_choose(t, mm);
	for (size_t i = t->piece; piece_is_before_end(t, i); i++) {
		struct page_piece p = piece_within(&pieces->at[i], t->vma);

		r = target_add(t, &p);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct fill fill_new(const struct page_store *store, const struct fill_config *config,
			    struct fill_counts *counts, struct image_error *err)
{
	return (struct fill){
		.store = store,
		.config = config,
		.counts = counts,
		.err = err,
		.fresh = -EBADF,
		.segment = -EBADF,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
}

int page_fill_mm(const struct page_store *store, const struct mm *mm,
		 const struct fill_config *config, struct fill_counts *counts,
		 struct image_error *err)
{
	scoped(fill_done) struct fill f = fill_new(store, config, counts, err);
	const struct page_pieces *pieces = page_store_pieces(store);
	size_t piece = 0;

	vec_for_each(v, &mm->vmas) {
		scoped(target_done) struct target t = { .fill = &f, .vma = *v };
		int r;

		while (piece < pieces->n && page_piece_end(&pieces->at[piece]) <= (*v)->start)
			piece++;
		t.piece = piece;
		r = (*v)->has_pages ? target_plan(&t, mm) : 0;
		if (r < 0)
			return r;
	}
	return fill_run(&f);
}

/* ---- segments ---- */

static int segment_run(struct fill *f, uint64_t base, enum place place)
{
	vec_for_each(p, page_store_pieces(f->store)) {
		int r = fill_add(f, p, base + p->va, place);

		if (r < 0)
			return r;
	}
	return fill_run(f);
}

int page_fill_memory(const struct page_store *store, void *at, uint64_t size,
		     const struct fill_config *config, struct fill_counts *counts,
		     struct image_error *err)
{
	scoped(fill_done) struct fill f = fill_new(store, config, counts, err);
	int r = page_store_check_segment(store, size, err);

	return r < 0 ? r : segment_run(&f, (uintptr_t)at, PLACE_READ);
}

int page_fill_segment(const struct page_store *store, const struct fill_segment *seg,
		      const struct fill_config *config, struct fill_counts *counts,
		      struct image_error *err)
{
	scoped(fill_done) struct fill f = fill_new(store, config, counts, err);
	void *map;
	int r;

	if (!seg->is_hugetlb) {
		f.segment = seg->fd;
		r = page_store_check_segment(store, seg->size, err);
		return r < 0 ? r : segment_run(&f, 0, PLACE_WRITE);
	}
	if (page_store_pages(store) == 0)
		return 0;
	r = sys_mmap(NULL, seg->size, PROT_READ | PROT_WRITE, MAP_SHARED, seg->fd, 0, &map);
	if (r < 0)
		return image_fail(err, page_store_name(store), r, "its segment cannot be mapped");
	r = page_fill_memory(store, map, seg->size, config, counts, err);
	(void)!sys_munmap(map, seg->size); /* ours: cannot fail */
	return r;
}
