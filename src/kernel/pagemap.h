#pragma once
/*
 * Which pages of an address space are where: PAGEMAP_SCAN (Linux 6.7), which gives ranges and skips
 * what does not matter inside the kernel; /proc/PID/pagemap, an entry of 8 bytes for every page,
 * where that is missing.
 */
#include "kernel/proc/dir.h"

/*
 * What can be said of a page. Values are the kernel's (PAGE_IS_* of <linux/fs.h>, not in older
 * headers). Beyond the obvious: SWAPPED is any entry that is not a page, markers of userfaultfd and
 * guard regions among them; FILE is "not anonymous": shared memory too.
 */
enum page_category {
	PAGE_WP_ALLOWED = 1 << 0, /* the range takes asynchronous write protection */
	PAGE_WRITTEN = 1 << 1,    /* since it was write-protected; true where it never was */
	PAGE_FILE = 1 << 2,
	PAGE_PRESENT = 1 << 3,
	PAGE_SWAPPED = 1 << 4,
	PAGE_ZERO = 1 << 5, /* the zero page */
	PAGE_HUGE = 1 << 6, /* mapped by a huge entry */
	PAGE_SOFT_DIRTY = 1 << 7,
	PAGE_GUARD = 1 << 8, /* a guard region (MADV_GUARD_INSTALL); Linux 6.16, with SWAPPED */
};

/* The kernel's struct page_region. */
struct page_range {
	uint64_t start, end;
	uint64_t categories; /* those asked for in `report` */
};

struct pagemap {
	int fd; /* /proc/PID/pagemap, owned */
	bool by_scan;
	uint64_t known;      /* categories that this kernel can tell; others never match */
	uint64_t zero_frame; /* of the zero page, where only frame numbers tell; else 0 */
};

#define PAGEMAP_NONE ((struct pagemap){ .fd = -EBADF })

/*
 * Opens the pagemap of a task (needs the right to ptrace it) and finds out what it can tell. The
 * caller owns *ret (pagemap_done). -ESRCH: gone.
 */
int pagemap_open(const struct proc_pid *p, struct pagemap *ret) nodiscard;
/* The same, but never by PAGEMAP_SCAN. */
int pagemap_open_plain(const struct proc_pid *p, struct pagemap *ret) nodiscard;
void pagemap_done(struct pagemap *pm);
SCOPED_OBJECT(struct pagemap, pagemap_done);

struct pagemap_query {
	uint64_t start, end; /* page-aligned */
	/* A page matches when it has all of these, some of these (if any are given), none of these.
	 */
	uint64_t all_of, any_of, none_of;
	uint64_t report;    /* categories wanted in the answer; ranges differ in these only */
	uint64_t max_pages; /* stop after so many matching pages; 0: no limit */
	bool protect;       /* write-protect what matches, in the same step; by_scan only */
};

/*
 * Finds matching ranges from query->start on, ascending, neighbours with equal categories merged.
 * Gives how many of at most `room` were stored; *ret_end is where the search stopped: query->end,
 * or where to go on. -EINVAL: bounds; -ENOTSUP: `protect` without PAGEMAP_SCAN; -EPERM: `protect`
 * where write protection is not set up; -ESRCH: the task is gone.
 */
ssize_t pagemap_find(const struct pagemap *pm, const struct pagemap_query *query,
		     struct page_range *ret, size_t room, uint64_t *ret_end) nodiscard;

/* Categories of one entry of /proc/PID/pagemap. zero_frame 0: not known. */
uint64_t pagemap_entry_categories(uint64_t entry, uint64_t zero_frame);
