/* Which pages are to be stored. See scan.h. */
#include "pages/scan.h"

#include <sys/mman.h>

/* How many ranges the kernel tells in one call. */
#define RANGES_PER_CALL 512

/*
 * Mappings whose contents are dumped whole whatever the pages are: readers of the format want to
 * look into the vDSO, and what is in an AIO ring is not to be had otherwise.
 */
static bool vma_is_stored_whole(const struct vma *v)
{
	return v->status & (VMA_VDSO | VMA_AIORING);
}

/* Mappings that the kernel owns: nothing to be found in them. */
static bool vma_is_kernels(const struct vma *v)
{
	return v->status & (VMA_VVAR | VMA_VSYSCALL | VMA_UPROBES);
}

/* Memory that a restore may bring page by page when it is touched (userfaultfd). */
static bool vma_may_be_lazy(const struct vma *v)
{
	return (v->flags & MAP_ANONYMOUS) && (v->flags & MAP_PRIVATE) &&
	       !(v->flags & (MAP_LOCKED | MAP_HUGETLB)) && !vma_is_stored_whole(v);
}

/* A missing page of anonymous memory reads as zeros, one of a file as what the file has. */
static uint32_t run_flags(const struct vma *v)
{
	uint32_t flags = RUN_PRESENT;

	if (vma_may_be_lazy(v))
		flags |= RUN_LAZY;
	if (!(v->status & VMA_ANON_PRIVATE) || vma_is_stored_whole(v))
		flags |= RUN_KEEP_ZERO;
	return flags;
}

static int range_note(struct page_plan *plan, const struct vma *v, const struct page_range *range)
{
	uint64_t n = (range->end - range->start) / PAGE_SIZE;

	plan->scanned += n;
	if (range->categories & PAGE_GUARD)
		return page_runs_add(&plan->guards, range->start, n, 0);
	plan->stored += n;
	return page_runs_add(&plan->runs, range->start, n, run_flags(v));
}

static int query_run(const struct vma *v, const struct pagemap *pm, struct pagemap_query *q,
		     struct page_plan *plan)
{
	struct page_range ranges[RANGES_PER_CALL];

	while (q->start < q->end) {
		uint64_t end;
		ssize_t n = pagemap_find(pm, q, ranges, RANGES_PER_CALL, &end);

		if (n < 0)
			return (int)n;
		for (ssize_t i = 0; i < n; i++) {
			int r = range_note(plan, v, &ranges[i]);

			if (r < 0)
				return r;
		}
		if (end <= q->start) /* no way on: the kernel broke its word */
			return -EIO;
		q->start = end;
	}
	return 0;
}

int page_plan_scan_vma(const struct vma *v, const struct pagemap *pm, struct page_plan *plan)
{
	struct pagemap_query q = { .start = v->start, .end = v->end, .report = PAGE_GUARD };

	if (vma_is_stored_whole(v)) {
		struct page_range all = { .start = v->start, .end = v->end };

		return range_note(plan, v, &all);
	}
	if (v->has_pages) {
		q.any_of = PAGE_PRESENT | PAGE_SWAPPED;
		q.none_of = PAGE_ZERO;
		if (v->status & VMA_FILE_PRIVATE)
			q.none_of |= PAGE_FILE;
	} else {
		/* Kernels without PAGEMAP_SCAN have no guard regions either. */
		if (vma_is_kernels(v) || !pm->by_scan || !(pm->known & PAGE_GUARD))
			return 0;
		q.all_of = PAGE_GUARD;
	}
	return query_run(v, pm, &q, plan);
}

int page_plan_scan(const struct mm *mm, const struct pagemap *pm, struct page_plan *plan)
{
	vec_for_each(v, &mm->vmas) {
		int r = page_plan_scan_vma(*v, pm, plan);

		if (r < 0)
			return r;
	}
	return 0;
}

void page_plan_done(struct page_plan *plan)
{
	page_runs_done(&plan->runs);
	page_runs_done(&plan->guards);
}
