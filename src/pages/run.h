#pragma once
/*
 * Runs of pages: which pages of an address space (or of a shared segment, where addresses are
 * offsets) have contents, in units of PAGE_SIZE. A list of runs is ascending and free of overlap.
 */
#include "base/vec.h"

/* The low bits are the image format's own, the others never leave the program. */
enum run_flag {
	RUN_PARENT = 1 << 0,  /* contents are in the dump that this one is an increment of */
	RUN_LAZY = 1 << 1,    /* may be brought after the restore, when touched */
	RUN_PRESENT = 1 << 2, /* contents are in the pages file of this dump */
	RUN_KEEP_ZERO =
		1 << 8, /* dump: a page of zeros must be stored: a missing one is not zero */
};
#define RUN_IMAGE_FLAGS (RUN_PARENT | RUN_LAZY | RUN_PRESENT)

struct page_run {
	uint64_t va;
	uint64_t n;     /* pages, never 0 */
	uint32_t flags; /* enum run_flag */
};

struct page_runs {
	VEC(struct page_run);
};

static inline uint64_t page_run_end(const struct page_run *run)
{
	return run->va + run->n * PAGE_SIZE;
}

/*
 * Adds n pages from va on behind the last run (the caller vouches for the order; n may be 0),
 * joining it when it touches and has the same flags. 0 or -ENOMEM.
 */
int page_runs_add(struct page_runs *runs, uint64_t va, uint64_t n, uint32_t flags) nodiscard;

/* How many pages have any of the flags. */
uint64_t page_runs_count(const struct page_runs *runs, uint32_t flags);

/* The first run that ends behind va: its index, or runs->n. */
size_t page_runs_find(const struct page_runs *runs, uint64_t va);

/*
 * The pages of a that are not in b (`with` false), or that are in both (true), with the flags of a,
 * appended to *ret. 0 or -ENOMEM.
 */
int page_runs_cut(const struct page_runs *a, const struct page_runs *b, bool with,
		  struct page_runs *ret) nodiscard;

void page_runs_done(struct page_runs *runs);
SCOPED_OBJECT(struct page_runs, page_runs_done);
