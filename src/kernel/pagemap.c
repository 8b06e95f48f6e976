/* Which pages are where. See pagemap.h. */
#include "kernel/pagemap.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "kernel/sys.h"

/* Linux 6.7, retyped: the installed <linux/fs.h> may be older. */
struct scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start, end;
	uint64_t walk_end;
	uint64_t vec, vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};
static_assert(sizeof(struct scan_arg) == 96, "the size is part of the ioctl's number");
static_assert(sizeof(struct page_range) == 24, "the kernel fills arrays of these");

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

enum {
	SCAN_WRITE_PROTECT = 1 << 0,
	SCAN_CHECK_WP_ASYNC = 1 << 1,
};

/* Entries of /proc/PID/pagemap. */
#define ENTRY_FRAME      ((UINT64_C(1) << 55) - 1)
#define ENTRY_SOFT_DIRTY (UINT64_C(1) << 55)
#define ENTRY_UFFD_WP    (UINT64_C(1) << 57)
#define ENTRY_GUARD      (UINT64_C(1) << 58) /* Linux 6.15 */
#define ENTRY_FILE       (UINT64_C(1) << 61)
#define ENTRY_SWAPPED    (UINT64_C(1) << 62)
#define ENTRY_PRESENT    (UINT64_C(1) << 63)

static const uint64_t known_since_scan = PAGE_WP_ALLOWED | PAGE_WRITTEN | PAGE_FILE | PAGE_PRESENT |
					 PAGE_SWAPPED | PAGE_ZERO | PAGE_HUGE | PAGE_SOFT_DIRTY;
static const uint64_t known_to_entries =
	PAGE_WRITTEN | PAGE_FILE | PAGE_PRESENT | PAGE_SWAPPED | PAGE_SOFT_DIRTY | PAGE_GUARD;

uint64_t pagemap_entry_categories(uint64_t entry, uint64_t zero_frame)
{
	uint64_t c = 0;

	if (entry & ENTRY_PRESENT) {
		c |= PAGE_PRESENT;
		if (zero_frame && (entry & ENTRY_FRAME) == zero_frame)
			c |= PAGE_ZERO;
		else if (entry & ENTRY_FILE)
			c |= PAGE_FILE;
	} else if (entry & ENTRY_SWAPPED) {
		c |= PAGE_SWAPPED;
		if (entry & ENTRY_FILE)
			c |= PAGE_FILE;
	}
	if (entry & ENTRY_GUARD)
		c |= PAGE_GUARD;
	if (entry & ENTRY_SOFT_DIRTY)
		c |= PAGE_SOFT_DIRTY;
	if ((c & (PAGE_PRESENT | PAGE_SWAPPED)) && !(entry & ENTRY_UFFD_WP))
		c |= PAGE_WRITTEN;
	return c;
}

/*
 * The zero page has no flag in a pagemap entry, but one frame number for all: that of a page of
 * ours that was read and never written. 0 without the right to see frame numbers.
 */
static uint64_t find_zero_frame(void)
{
	scoped(fd_close) int fd =
		sys_openat(AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	uint64_t entry = 0;
	void *page;
	int r;

	if (fd < 0 ||
	    sys_mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &page) < 0)
		return 0;
	(void)*(volatile char *)page;
	r = fd_pread_all(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE_SIZE * sizeof(entry));
	(void)munmap(page, PAGE_SIZE); /* ours */
	return r == 0 && (entry & ENTRY_PRESENT) ? entry & ENTRY_FRAME : 0;
}

static int scan_ioctl(int fd, struct scan_arg *arg)
{
	int r;

	do
		r = sys_ioctl_ptr(fd, SCAN_IOCTL, arg);
	while (r == -EINTR);
	return r;
}

/* Asks about nothing: a kernel that does not know a category answers EINVAL. */
static bool can_scan(int fd, uint64_t categories)
{
	struct page_range range;
	struct scan_arg arg = {
		.size = sizeof(arg),
		.vec = (uintptr_t)&range,
		.vec_len = 1,
		.category_mask = categories,
		.return_mask = categories,
	};

	return scan_ioctl(fd, &arg) >= 0;
}

int pagemap_open_plain(const struct proc_pid *p, struct pagemap *ret)
{
	int fd = proc_file_open(p, "pagemap", O_RDONLY);

	if (fd < 0)
		return fd;
	*ret = (struct pagemap){
		.fd = fd,
		.known = known_to_entries,
		.zero_frame = find_zero_frame(),
	};
	if (ret->zero_frame)
		ret->known |= PAGE_ZERO;
	return 0;
}

int pagemap_open(const struct proc_pid *p, struct pagemap *ret)
{
	int fd = proc_file_open(p, "pagemap", O_RDONLY);

	if (fd < 0)
		return fd;
	if (!can_scan(fd, known_since_scan)) {
		fd_close(fd);
		return pagemap_open_plain(p, ret);
	}
	*ret = (struct pagemap){ .fd = fd, .by_scan = true, .known = known_since_scan };
	if (can_scan(fd, PAGE_GUARD))
		ret->known |= PAGE_GUARD;
	return 0;
}

void pagemap_done(struct pagemap *pm)
{
	fd_close(pm->fd);
	*pm = PAGEMAP_NONE;
}

static ssize_t find_by_scan(const struct pagemap *pm, const struct pagemap_query *q,
			    struct page_range *ret, size_t room, uint64_t *ret_end)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.flags = q->protect ? SCAN_WRITE_PROTECT | SCAN_CHECK_WP_ASYNC : 0,
		.start = q->start,
		.end = q->end,
		.vec = (uintptr_t)ret,
		.vec_len = room,
		.max_pages = q->max_pages,
		.category_inverted = q->none_of,
		.category_mask = q->all_of | q->none_of,
		.category_anyof_mask = q->any_of,
		.return_mask = q->report & pm->known,
	};
	int r = scan_ioctl(pm->fd, &arg);

	if (r < 0)
		return r;
	*ret_end = arg.walk_end;
	return r;
}

static bool matches(const struct pagemap_query *q, uint64_t c)
{
	return (c & q->all_of) == q->all_of && !(c & q->none_of) && (!q->any_of || (c & q->any_of));
}

struct collector {
	const struct pagemap_query *query;
	struct page_range *ranges;
	size_t n, room;
	uint64_t pages;
};

/* Takes one page; false when it did not fit. */
static bool collect(struct collector *c, uint64_t va, uint64_t categories)
{
	struct page_range *last = c->n ? &c->ranges[c->n - 1] : NULL;

	categories &= c->query->report;
	if (c->query->max_pages && c->pages == c->query->max_pages)
		return false;
	if (last && last->end == va && last->categories == categories) {
		last->end += PAGE_SIZE;
	} else {
		if (c->n == c->room)
			return false;
		c->ranges[c->n++] = (struct page_range){ va, va + PAGE_SIZE, categories };
	}
	c->pages++;
	return true;
}

static ssize_t find_by_entries(const struct pagemap *pm, const struct pagemap_query *q,
			       struct page_range *ret, size_t room, uint64_t *ret_end)
{
	struct collector c = { .query = q, .ranges = ret, .room = room };
	uint64_t entries[512];
	uint64_t va = q->start;

	while (va < q->end) {
		size_t want = (size_t)MIN((q->end - va) / PAGE_SIZE, ARRAY_SIZE(entries));
		ssize_t got = sys_pread(pm->fd, entries, want * sizeof(entries[0]),
					(int64_t)(va / PAGE_SIZE * sizeof(entries[0])));

		if (got == -EINTR)
			continue;
		if (got < 0)
			return got;
		if (got < (ssize_t)sizeof(entries[0])) { /* beyond user space: nothing there */
			va = q->end;
			break;
		}
		for (size_t i = 0; i < (size_t)got / sizeof(entries[0]); i++, va += PAGE_SIZE) {
			uint64_t cat = pagemap_entry_categories(entries[i], pm->zero_frame);

			if (matches(q, cat) && !collect(&c, va, cat)) {
				*ret_end = va;
				return (ssize_t)c.n;
			}
		}
	}
	*ret_end = va;
	return (ssize_t)c.n;
}

ssize_t pagemap_find(const struct pagemap *pm, const struct pagemap_query *query,
		     struct page_range *ret, size_t room, uint64_t *ret_end)
{
	uint64_t unknown = ~pm->known;

	if (query->start % PAGE_SIZE || query->end % PAGE_SIZE || query->start > query->end ||
	    room == 0)
		return -EINVAL;
	/* What cannot be told matches nothing, and excludes nothing. */
	if (query->start == query->end || (query->all_of & unknown) ||
	    (query->any_of && !(query->any_of & pm->known))) {
		*ret_end = query->end;
		return 0;
	}
	if (pm->by_scan) {
		struct pagemap_query known = *query;

		known.any_of &= pm->known;
		known.none_of &= pm->known;
		return find_by_scan(pm, &known, ret, room, ret_end);
	}
	if (query->protect)
		return -ENOTSUP;
	return find_by_entries(pm, query, ret, room, ret_end);
}
