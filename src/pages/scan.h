#pragma once
/*
 * Which pages of a live address space must be stored: those that hold something that neither the
 * kernel (zero pages) nor a file (page cache) would bring back by itself. Never-touched memory
 * costs nothing, however large: the kernel walks the page tables that exist.
 *
 * Only looks; nothing is read. The task must stand still, or the answer is a guess.
 */
#include "kernel/pagemap.h"
#include "model/mm.h"
#include "pages/run.h"

struct page_plan {
	struct page_runs runs;   /* to be stored: PRESENT, LAZY where a restore may delay them */
	struct page_runs guards; /* guard regions, in any mapping; flags 0 */
	uint64_t scanned;        /* pages that the kernel had something to tell of */
	uint64_t stored;         /* pages of `runs`: at most what a dump will write */
};

/*
 * Plans the private pages of the mappings with has_pages, the vDSO and AIO rings, and finds guard
 * regions in all. `pm` is the pagemap of a task with this mm. Adds to *plan, which must have been
 * empty; freed by the caller also after a failure. 0, -ENOMEM, -ESRCH when the task is gone, or the
 * errno of PAGEMAP_SCAN.
 */
int page_plan_scan(const struct mm *mm, const struct pagemap *pm, struct page_plan *plan) nodiscard;

/* The same for one mapping; mappings in ascending order. */
int page_plan_scan_vma(const struct vma *v, const struct pagemap *pm,
		       struct page_plan *plan) nodiscard;

void page_plan_done(struct page_plan *plan);
SCOPED_OBJECT(struct page_plan, page_plan_done);
