#pragma once
/*
 * Filling: the contents of stored pages into the memory of a task that is being built, or into a
 * shared segment. The counterpart of pump.h.
 *
 * A pages file is read in its blocks of 1 MiB, by several threads when it is much, each block
 * checked against the manifest and put in place in the fastest way that the mapping allows:
 * userfaultfd(2) makes pages with their contents in one step (no fault, no clearing of the page
 * first); where the kernel is going to give huge pages, or userfaultfd cannot go, pread(2) writes
 * into place.
 */
#include "pages/store.h"

struct fill_config {
	unsigned max_threads; /* 0: as many as there are CPUs */
	bool huge_always;     /* the kernel gives huge pages unasked: fill_huge_always() */
	bool skip_sums;       /* do not compare with the manifest */
};

struct fill_counts {
	uint64_t restored; /* pages written */
	uint64_t compared; /* pages compared with what was inherited */
	uint64_t shared;   /* of these: equal, so that they stay shared */
	uint64_t dropped;  /* inherited pages that the task does not have */
};

/* What /sys/kernel/mm/transparent_hugepage/enabled says; to be asked before the tree has mount
 * namespaces of its own. */
bool fill_huge_always(void);

/*
 * Fills the private pages of the address space that we are in: page va of a mapping goes to
 * vma->at + (va - vma->start), which is mapped readable and writable. Mappings without has_pages
 * are left alone. Advice for or against huge pages (vma->madv) is given before filling.
 *
 * A mapping with `inherited` holds what a parent's had: pages that are equal are not touched, so
 * that they stay shared; those that differ are written; those that the task does not have become
 * what they would be if never touched.
 *
 * Added threads take numbers from the pid namespace while this runs (crew.h): give max_threads 1
 * while tasks are being born with numbers of their own.
 *
 * Adds to *counts. 0, -EUCLEAN for contents that changed since they were written, -EFAULT where
 * memory cannot be written, -ENOMEM, errno of reading; err (may be NULL) says where.
 */
int page_fill_mm(const struct page_store *store, const struct mm *mm,
		 const struct fill_config *config, struct fill_counts *counts,
		 struct image_error *err) nodiscard;

/*
 * Fills a shared segment, empty and large enough, through a descriptor with write access (borrowed;
 * its position is not touched). What has no page stays a hole. is_hugetlb: the file cannot be
 * written, only mapped.
 */
struct fill_segment {
	int fd;
	bool is_hugetlb;
	uint64_t size; /* bytes; pages behind it were refused by page_store_check_segment() */
};
int page_fill_segment(const struct page_store *store, const struct fill_segment *segment,
		      const struct fill_config *config, struct fill_counts *counts,
		      struct image_error *err) nodiscard;

/* The same for memory of ours that is a segment of `size` bytes: an attached System V segment. */
int page_fill_memory(const struct page_store *store, void *at, uint64_t size,
		     const struct fill_config *config, struct fill_counts *counts,
		     struct image_error *err) nodiscard;
