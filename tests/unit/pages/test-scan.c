/* Which pages are stored: real memory of ours, asked both ways that the kernel has. */
#include "pages-test.h"

#include "base/usec.h"
#include "pages/scan.h"

struct looked {
	struct page_plan scan, plain;
};

static void looked_done(struct looked *l)
{
	page_plan_done(&l->scan);
	page_plan_done(&l->plain);
}
SCOPED_OBJECT(struct looked, looked_done);

static void look(const struct mm *mm, struct looked *l)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE, plain = PAGEMAP_NONE;

	assert_int_equal(proc_pid_open(0, &self), 0);
	assert_int_equal(pagemap_open(&self, &pm), 0);
	assert_int_equal(pagemap_open_plain(&self, &plain), 0);
	assert_int_equal(page_plan_scan(mm, &pm, &l->scan), 0);
	assert_int_equal(page_plan_scan(mm, &plain, &l->plain), 0);
	assert_int_equal(l->scan.stored, page_runs_count(&l->scan.runs, RUN_PRESENT));
}

/* Both ways agree on so many pages. The plain one cannot tell zero pages without privilege. */
static void expect_stored(const struct looked *l, const uint8_t *at, size_t len, uint64_t n)
{
	assert_int_equal(runs_in(&l->scan.runs, at, len), n);
	if (geteuid() == 0)
		assert_int_equal(runs_in(&l->plain.runs, at, len), n);
}

static void touched_pages_are_stored_and_no_others(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(looked_done) struct looked l = { 0 };
	uint8_t *data = map_anon(64 * PAGE_SIZE), *read_only = map_anon(8 * PAGE_SIZE);
	uint8_t *hidden = map_anon(8 * PAGE_SIZE);
	volatile uint8_t sink = 0;

	for (size_t i = 0; i < 64; i += 3)
		data[i * PAGE_SIZE] = 1;
	for (size_t i = 0; i < 8; i++)
		sink = (uint8_t)(sink + read_only[i * PAGE_SIZE]);
	hidden[2 * PAGE_SIZE] = 7;
	assert_int_equal(mprotect(hidden, 8 * PAGE_SIZE, PROT_NONE), 0);
	mm_put(mm, data, 64 * PAGE_SIZE, VMA_ANON_PRIVATE);
	mm_put(mm, read_only, 8 * PAGE_SIZE, VMA_ANON_PRIVATE);
	mm_put(mm, hidden, 8 * PAGE_SIZE, VMA_ANON_PRIVATE)->prot = PROT_NONE;

	look(mm, &l);
	expect_stored(&l, data, 64 * PAGE_SIZE, 22);
	expect_stored(&l, read_only, 8 * PAGE_SIZE, 0);
	expect_stored(&l, hidden, 8 * PAGE_SIZE, 1);
	vec_for_each(run, &l.scan.runs)
		assert_int_equal(run->flags, RUN_PRESENT | RUN_LAZY);
}

static void locked_pages_are_never_lazy(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(looked_done) struct looked l = { 0 };
	uint8_t *p = map_anon(PAGE_SIZE);

	p[0] = 1;
	mm_put(mm, p, PAGE_SIZE, VMA_ANON_PRIVATE)->flags |= MAP_LOCKED;
	look(mm, &l);
	assert_int_equal(l.scan.runs.n, 1);
	assert_int_equal(l.scan.runs.at[0].flags, RUN_PRESENT);
}

static void file_pages_are_stored_once_changed(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir t = tmp_dir_new();
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(looked_done) struct looked l = { 0 };
	uint8_t bytes[8 * PAGE_SIZE];
	char path[64];
	uint8_t *map;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/file", t.path);
	memset(bytes, 'f', sizeof(bytes));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, sizeof(bytes)), 0);
	map = map_new(sizeof(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	fd_close(fd);
	assert_int_equal(map[PAGE_SIZE], 'f');
	map[5 * PAGE_SIZE] = 'm';
	memset(map + 6 * PAGE_SIZE, 0, PAGE_SIZE);
	mm_put(mm, map, sizeof(bytes), VMA_FILE_PRIVATE);

	look(mm, &l);
	expect_stored(&l, map, sizeof(bytes), 2);
	assert_int_equal(l.scan.runs.at[0].flags, RUN_PRESENT | RUN_KEEP_ZERO);
}

static void untouched_reservation_costs_nothing(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	scoped(page_plan_done) struct page_plan plan = { 0 };
	size_t len = 100UL << 30;
	uint8_t *p = map_new(len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	usec_t start;

	p[len / 2] = 1;
	mm_put(mm, p, len, VMA_ANON_PRIVATE);
	assert_int_equal(proc_pid_open(0, &self), 0);
	assert_int_equal(pagemap_open(&self, &pm), 0);
	if (!pm.by_scan)
		skip();
	start = usec_now();
	assert_int_equal(page_plan_scan(mm, &pm, &plan), 0);
	assert_true(usec_now() - start < 100000);
	assert_int_equal(plan.stored, 1);
	assert_int_equal(plan.scanned, 1);
	assert_int_equal(munmap(p, len), 0);
}

static void huge_page_is_one_run(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(looked_done) struct looked l = { 0 };
	uint8_t *raw = map_anon(4 * MIB);
	uint8_t *p = (uint8_t *)ROUND_UP((uintptr_t)raw, 2 * MIB);

	(void)madvise(p, 2 * MIB, MADV_HUGEPAGE); /* without it: 512 pages all the same */
	memset(p, 1, 2 * MIB);
	mm_put(mm, p, 2 * MIB, VMA_ANON_PRIVATE);
	look(mm, &l);
	expect_stored(&l, p, 2 * MIB, 512);
	assert_int_equal(l.scan.runs.n, 1);
}

static void guards_are_ranges_of_their_own(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(looked_done) struct looked l = { 0 };
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	uint8_t *p = map_anon(16 * PAGE_SIZE), *shared;
	bool has_shared;

	memset(p, 1, 16 * PAGE_SIZE);
	assert_int_equal(proc_pid_open(0, &self), 0);
	assert_int_equal(pagemap_open(&self, &pm), 0);
	if (madvise(p + 4 * PAGE_SIZE, 3 * PAGE_SIZE, MADV_GUARD_INSTALL) < 0 ||
	    !(pm.known & PAGE_GUARD))
		skip();
	shared = map_new(4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	has_shared = madvise(shared, PAGE_SIZE, MADV_GUARD_INSTALL) == 0;
	mm_put(mm, p, 16 * PAGE_SIZE, VMA_ANON_PRIVATE);
	mm_put(mm, shared, 4 * PAGE_SIZE, VMA_ANON_SHARED);

	look(mm, &l);
	assert_int_equal(runs_in(&l.scan.runs, p, 16 * PAGE_SIZE), 13);
	assert_int_equal(runs_in(&l.scan.guards, p + 4 * PAGE_SIZE, 3 * PAGE_SIZE), 3);
	assert_int_equal(runs_in(&l.scan.guards, p, 16 * PAGE_SIZE), 3);
	assert_int_equal(runs_in(&l.scan.guards, shared, 4 * PAGE_SIZE), has_shared);
	assert_int_equal(runs_in(&l.scan.runs, shared, 4 * PAGE_SIZE), 0);
}

static void vdso_is_stored_whole_and_vvar_not(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(looked_done) struct looked l = { 0 };
	uint8_t *a = map_anon(2 * PAGE_SIZE), *b = map_anon(2 * PAGE_SIZE);

	memset(b, 1, 2 * PAGE_SIZE);
	mm_put(mm, a, 2 * PAGE_SIZE, VMA_ANON_PRIVATE | VMA_VDSO)->has_pages = false;
	mm_put(mm, b, 2 * PAGE_SIZE, VMA_ANON_PRIVATE | VMA_VVAR)->has_pages = false;
	look(mm, &l);
	expect_stored(&l, a, 2 * PAGE_SIZE, 2);
	expect_stored(&l, b, 2 * PAGE_SIZE, 0);
	assert_int_equal(l.scan.runs.at[0].flags, RUN_PRESENT | RUN_KEEP_ZERO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(touched_pages_are_stored_and_no_others),
		cmocka_unit_test(locked_pages_are_never_lazy),
		cmocka_unit_test(file_pages_are_stored_once_changed),
		cmocka_unit_test(untouched_reservation_costs_nothing),
		cmocka_unit_test(huge_page_is_one_run),
		cmocka_unit_test(guards_are_ranges_of_their_own),
		cmocka_unit_test(vdso_is_stored_whole_and_vvar_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
