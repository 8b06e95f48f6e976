/* Pages whose state we know, by PAGEMAP_SCAN and by entries, and PROCMAP_QUERY beside them. */
#include "unit/check.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "child.h"
#include "kernel/pagemap.h"
#include "kernel/procmap.h"

/* Newer than the installed headers may be. */
enum { WP_UNPOPULATED = 1 << 13, WP_ASYNC = 1 << 15 };

#define ANY (PAGE_PRESENT | PAGE_SWAPPED)

static void entries(void **state)
{
	const uint64_t present = 1ULL << 63, swapped = 1ULL << 62, file = 1ULL << 61;

	assert_int_equal(pagemap_entry_categories(0, 5), 0);
	assert_int_equal(pagemap_entry_categories(present | 5, 5),
			 PAGE_PRESENT | PAGE_ZERO | PAGE_WRITTEN);
	assert_int_equal(pagemap_entry_categories(present | 5, 0), PAGE_PRESENT | PAGE_WRITTEN);
	assert_int_equal(pagemap_entry_categories(present | file | 1ULL << 57, 5),
			 PAGE_PRESENT | PAGE_FILE);
	assert_int_equal(pagemap_entry_categories(swapped | 1ULL << 58, 5),
			 PAGE_SWAPPED | PAGE_GUARD | PAGE_WRITTEN);
	assert_int_equal(pagemap_entry_categories(present | 1ULL << 55, 5),
			 PAGE_PRESENT | PAGE_SOFT_DIRTY | PAGE_WRITTEN);
}

enum { PAGES = 16 };

/*
 * Pages: 0, 1 written; 2 untouched; 3 read only (zero page); 4 written; 5 to 14 untouched; 15
 * written; the whole in a mapping of its own that takes no huge pages.
 */
static char *known_pages(void)
{
	char *p = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	(void)madvise(p, PAGES * PAGE_SIZE, MADV_NOHUGEPAGE);
	p[0] = p[PAGE_SIZE] = p[4 * PAGE_SIZE] = p[15 * PAGE_SIZE] = 1;
	(void)*(volatile char *)(p + 3 * PAGE_SIZE);
	return p;
}

static void check_known(const struct pagemap *pm)
{
	char *p = known_pages();
	uint64_t at = (uintptr_t)p, end = 0;
	struct pagemap_query q = {
		.start = at,
		.end = at + PAGES * PAGE_SIZE,
		.any_of = ANY,
		.none_of = PAGE_ZERO,
	};
	struct page_range r[8];

	assert_int_equal(pagemap_find(pm, &q, r, 8, &end), 3);
	assert_int_equal(end, q.end);
	assert_int_equal(r[0].start, at);
	assert_int_equal(r[0].end, at + 2 * PAGE_SIZE);
	assert_int_equal(r[1].start, at + 4 * PAGE_SIZE);
	assert_int_equal(r[1].end, at + 5 * PAGE_SIZE);
	assert_int_equal(r[2].start, at + 15 * PAGE_SIZE);

	/* In pieces: each call goes on where the last one stopped. */
	q.start = at;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pagemap_find(pm, &q, r, 1, &end), 1);
		q.start = end;
	}
	assert_int_equal(r[0].start, at + 15 * PAGE_SIZE);

	/* The zero page, and telling it from others by `report`. */
	q = (struct pagemap_query){
		.start = at, .end = at + 5 * PAGE_SIZE, .all_of = PAGE_PRESENT, .report = PAGE_ZERO
	};
	assert_int_equal(pagemap_find(pm, &q, r, 8, &end), 3);
	assert_int_equal(r[1].start, at + 3 * PAGE_SIZE);
	assert_int_equal(r[1].categories, PAGE_ZERO);
	assert_int_equal(r[2].categories, 0);

	q = (struct pagemap_query){
		.start = at, .end = at + PAGES * PAGE_SIZE, .all_of = PAGE_PRESENT, .max_pages = 1
	};
	assert_int_equal(pagemap_find(pm, &q, r, 8, &end), 1);
	assert_int_equal(r[0].end, at + PAGE_SIZE);
	assert_int_equal(munmap(p, PAGES * PAGE_SIZE), 0);
}

static void check_file(const struct pagemap *pm)
{
	scoped(fd_close) int fd = memfd_create("x", MFD_CLOEXEC);
	struct page_range r[4];
	struct pagemap_query q;
	uint64_t end;
	char *p;

	assert_int_equal(ftruncate(fd, 2 * PAGE_SIZE), 0);
	p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	(void)*(volatile char *)p;
	p[PAGE_SIZE] = 1; /* a copy: no file page any more */
	q = (struct pagemap_query){ .start = (uintptr_t)p,
				    .end = (uintptr_t)p + 2 * PAGE_SIZE,
				    .all_of = PAGE_PRESENT,
				    .report = PAGE_FILE };
	assert_int_equal(pagemap_find(pm, &q, r, 4, &end), 2);
	assert_int_equal(r[0].categories, PAGE_FILE);
	assert_int_equal(r[1].categories, 0);
	assert_int_equal(munmap(p, 2 * PAGE_SIZE), 0);
}

static void check_guard(const struct pagemap *pm)
{
	char *p = known_pages();
	struct page_range r[4];
	struct pagemap_query q = {
		.start = (uintptr_t)p,
		.end = (uintptr_t)p + PAGES * PAGE_SIZE,
		.all_of = PAGE_GUARD,
	};
	uint64_t end;

	if ((pm->known & PAGE_GUARD) && madvise(p + PAGE_SIZE, 2 * PAGE_SIZE, 102) == 0) {
		assert_int_equal(pagemap_find(pm, &q, r, 4, &end), 1);
		assert_int_equal(r[0].start, q.start + PAGE_SIZE);
		assert_int_equal(r[0].end, q.start + 3 * PAGE_SIZE);
	}
	assert_int_equal(munmap(p, PAGES * PAGE_SIZE), 0);
}

static void check_bounds(const struct pagemap *pm)
{
	struct page_range r[4];
	uint64_t end;
	struct pagemap_query q = { .start = 1, .end = PAGE_SIZE };

	assert_int_equal(pagemap_find(pm, &q, r, 4, &end), -EINVAL);
	q = (struct pagemap_query){ .start = 2 * PAGE_SIZE, .end = PAGE_SIZE };
	assert_int_equal(pagemap_find(pm, &q, r, 4, &end), -EINVAL);
	q = (struct pagemap_query){ .start = PAGE_SIZE, .end = 2 * PAGE_SIZE };
	assert_int_equal(pagemap_find(pm, &q, r, 0, &end), -EINVAL);
	q = (struct pagemap_query){ .start = 0, .end = 0 };
	assert_int_equal(pagemap_find(pm, &q, r, 4, &end), 0);
	/* A category that nobody knows matches nothing. */
	q = (struct pagemap_query){ .start = 0, .end = PAGE_SIZE, .all_of = 1ULL << 60 };
	assert_int_equal(pagemap_find(pm, &q, r, 4, &end), 0);
	assert_int_equal(end, PAGE_SIZE);
	q = (struct pagemap_query){
		.start = 0, .end = PAGE_SIZE, .none_of = 1ULL << 60, .all_of = PAGE_PRESENT
	};
	assert_int_equal(pagemap_find(pm, &q, r, 4, &end), 0);
}

static void both_ways(void **state)
{
	for (int plain = 0; plain < 2; plain++) {
		scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
		scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;

		assert_int_equal(proc_pid_open(0, &p), 0);
		assert_int_equal(plain ? pagemap_open_plain(&p, &pm) : pagemap_open(&p, &pm), 0);
		check_bounds(&pm);
		if (pm.known & PAGE_ZERO)
			check_known(&pm);
		check_file(&pm);
		check_guard(&pm);
	}
}

/* The same answers from outside, and none from the dead. */
static void of_a_child(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	char *pages = known_pages();
	pid_t pid = child_start(NULL, NULL);
	struct pagemap_query q = { .start = (uintptr_t)pages,
				   .end = (uintptr_t)pages + 2 * PAGE_SIZE,
				   .all_of = PAGE_PRESENT };
	struct page_range r[4];
	uint64_t end;

	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_int_equal(pagemap_open(&p, &pm), 0);
	assert_int_equal(pagemap_find(&pm, &q, r, 4, &end), 1);
	assert_int_equal(r[0].end, q.end);
	child_end(pid);
	assert_true(pagemap_find(&pm, &q, r, 4, &end) <= 0);
	assert_int_equal(munmap(pages, PAGES * PAGE_SIZE), 0);
}

static void single_mappings(void **state)
{
	scoped(fd_close) int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	scoped(fd_close) int fd = memfd_create("x", MFD_CLOEXEC);
	struct build_id id;
	struct procmap m;
	struct stat st;
	char name[64];
	char *p;

	assert_int_equal(ftruncate(fd, PAGE_SIZE), 0);
	assert_int_equal(fstat(fd, &st), 0);
	p = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	int r = procmap_query(maps, (uintptr_t)p, PROCMAP_AT, name, sizeof(name), &m);
	if (r == -ENOTTY)
		skip();
	assert_int_equal(r, 0);
	assert_string_equal(name, "/memfd:x (deleted)");
	assert_int_equal(m.start, (uintptr_t)p);
	assert_int_equal(m.end, m.start + PAGE_SIZE);
	assert_int_equal(m.prot, PROT_READ);
	assert_true(m.shared);
	assert_int_equal(m.ino, st.st_ino);
	assert_int_equal(procmap_query(maps, (uintptr_t)p, PROCMAP_AT, name, 4, &m), -ENAMETOOLONG);
	assert_int_equal(procmap_query(maps, 0, PROCMAP_AT, NULL, 0, &m), -ENOENT);
	assert_int_equal(procmap_query(maps, 0, PROCMAP_AT_OR_UP, NULL, 0, &m), 0);
	assert_true(m.start > 0);
	assert_int_equal(procmap_build_id(maps, (uintptr_t)p, &id), -ENOENT);
	assert_int_equal(munmap(p, PAGE_SIZE), 0);
}

/* Writes tracked without a monitor: what is protected and not written since stays unwritten. */
static void tracked_writes(void **state)
{
	scoped(fd_close) int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	char *pages = known_pages();
	struct pagemap_query q = { .start = (uintptr_t)pages,
				   .end = (uintptr_t)pages + PAGES * PAGE_SIZE,
				   .all_of = PAGE_WRITTEN,
				   .protect = true };
	struct page_range r[8];
	uint64_t end;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(pagemap_open(&p, &pm), 0);
	if (uffd < 0 || !pm.by_scan || ioctl(uffd, UFFDIO_API, &api) < 0)
		skip();
	assert_int_equal(pagemap_find(&pm, &q, r, 8, &end), -EPERM);
	reg.range.start = q.start;
	reg.range.len = PAGES * PAGE_SIZE;
	assert_int_equal(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
	assert_true(pagemap_find(&pm, &q, r, 8, &end) > 0);
	assert_int_equal(end, q.end);
	pages[4 * PAGE_SIZE] = 2;
	pages[7 * PAGE_SIZE] = 2; /* not there before */
	assert_int_equal(pagemap_find(&pm, &q, r, 8, &end), 2);
	assert_int_equal(r[0].start, q.start + 4 * PAGE_SIZE);
	assert_int_equal(r[0].end, q.start + 5 * PAGE_SIZE);
	assert_int_equal(r[1].start, q.start + 7 * PAGE_SIZE);
	assert_int_equal(pagemap_find(&pm, &q, r, 8, &end), 0);
	assert_int_equal(munmap(pages, PAGES * PAGE_SIZE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),        cmocka_unit_test(both_ways),
		cmocka_unit_test(of_a_child),     cmocka_unit_test(single_mappings),
		cmocka_unit_test(tracked_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
