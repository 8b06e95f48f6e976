/* Filling: what the pump took from a child comes back as it was, whatever sort of memory it is. */
#include "pages-test.h"

#include <sys/stat.h>

#include "model/task.h"
#include "pages/fill.h"
#include "pages/pump.h"
#include "schema/inventory.pb-c.h"

#define PID 77

struct images {
	struct tmp_dir tmp;
	struct image_dir *dir;
	struct page_chain *chain;
	struct page_store *store;
	struct fill_config config;
	struct fill_counts counts;
	struct image_error err;
};

static void images_done(struct images *i)
{
	page_store_free(i->store);
	page_chain_free(i->chain);
	image_dir_free(i->dir);
	tmp_dir_done(&i->tmp);
}
SCOPED_OBJECT(struct images, images_done);

static struct pump *pump_begin(struct images *i)
{
	struct pump_config config = { 0 };
	struct pump *pump = NULL;

	i->tmp = tmp_dir_new();
	i->dir = config.images = dir_open(&i->tmp, IMAGE_DIR_DUMP);
	assert_int_equal(pump_new(&config, &pump), 0);
	return pump;
}

/* Runs the pump, completes the dump and opens what was written, with its sums in force. */
static void pump_end(struct images *i, struct pump *pump, enum image_type type, uint64_t id)
{
	InventoryEntry inventory = INVENTORY_ENTRY__INIT;
	struct pump_error error = { 0 };
	enum manifest_state state;

	assert_int_equal(pump_run(pump, &error), 0);
	pump_free(pump);
	inventory.img_version = 2;
	assert_int_equal(image_dir_complete(i->dir, &inventory, IMAGE_SYNC_NONE, NULL), 0);
	image_dir_free(i->dir);
	i->dir = dir_open(&i->tmp, IMAGE_DIR_READ);
	assert_int_equal(image_dir_use_manifest(i->dir, NULL, &state), 0);
	assert_int_equal(state, MANIFEST_IN_FORCE);
	assert_int_equal(page_chain_new(i->dir, &i->chain), 0);
	assert_int_equal(page_store_open(i->chain, type, id, &i->err, &i->store), 0);
}

/* Dumps a child with a copy of our memory. */
static struct images images_of(const struct mm *mm)
{
	scoped(child_end) pid_t child = child_start(NULL, NULL);
	scoped(proc_pid_done) struct proc_pid proc = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	scoped(page_plan_done) struct page_plan plan = { 0 };
	struct pump_mm add = { .plan = &plan, .proc = &proc, .pid = PID, .pages_id = 1 };
	struct images i = { .config.max_threads = 2 };
	struct pump *pump = pump_begin(&i);

	assert_int_equal(proc_pid_open(child, &proc), 0);
	assert_int_equal(pagemap_open(&proc, &pm), 0);
	assert_int_equal(page_plan_scan(mm, &pm, &plan), 0);
	assert_int_equal(pump_add_mm(pump, &add), 0);
	pump_end(&i, pump, IMAGE_PAGEMAP, PID);
	assert_int_equal(page_store_check_mm(i.store, mm, &i.err), 0);
	return i;
}

static int fill(struct images *i, const struct mm *mm)
{
	return page_fill_mm(i->store, mm, &i->config, &i->counts, &i->err);
}

/* A fresh mapping for a vma, elsewhere than the original. */
static uint8_t *stage(struct vma *v, int fd)
{
	uint8_t *p = map_new(v->end - v->start, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd);

	v->at = (uintptr_t)p;
	return p;
}

/* How many pages of ours exist. */
static uint64_t pages_present(const uint8_t *at, size_t len)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	scoped(page_plan_done) struct page_plan plan = { 0 };

	mm_put(mm, (uint8_t *)at, len, VMA_ANON_PRIVATE);
	assert_int_equal(proc_pid_open(0, &self), 0);
	assert_int_equal(pagemap_open(&self, &pm), 0);
	assert_int_equal(page_plan_scan(mm, &pm, &plan), 0);
	return plan.stored;
}

/* ---- fresh memory ---- */

static void few_pages_come_back(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	uint8_t *a = map_anon(40 * PAGE_SIZE), *b = map_anon(9 * PAGE_SIZE), *to_a, *to_b;
	struct vma *va, *vb;

	for (size_t i = 0; i < 40; i += 1 + i % 4)
		page_stamp(a + i * PAGE_SIZE, i);
	page_stamp(b + 8 * PAGE_SIZE, 99);
	va = mm_put(mm, a, 40 * PAGE_SIZE, VMA_ANON_PRIVATE);
	vb = mm_put(mm, b, 9 * PAGE_SIZE, VMA_ANON_PRIVATE);
	scoped(images_done) struct images img = images_of(mm);
	to_a = stage(va, -1);
	to_b = stage(vb, -1);
	assert_int_equal(fill(&img, mm), 0);
	assert_int_equal(img.counts.restored, page_store_pages(img.store));
	assert_int_equal(pages_present(to_a, 40 * PAGE_SIZE), img.counts.restored - 1);
	assert_memory_equal(to_a, a, 40 * PAGE_SIZE);
	assert_memory_equal(to_b, b, 9 * PAGE_SIZE);
}

/* Many blocks, holes of every size, two threads, both ways of making pages. */
static void many_pages_come_back(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	size_t n = 48 * MIB / PAGE_SIZE, stamped = 0;
	uint8_t *p = map_anon(n * PAGE_SIZE), *to;
	uint32_t x = 7;
	struct vma *v;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		if (x >> 29 == 0 || (i > 3000 && i < 4000))
			continue;
		page_stamp(p + i * PAGE_SIZE, i);
		stamped++;
	}
	v = mm_put(mm, p, n * PAGE_SIZE, VMA_ANON_PRIVATE);
	scoped(images_done) struct images img = images_of(mm);
	for (unsigned way = 0; way < 4; way++) {
		img.counts = (struct fill_counts){ 0 };
		v->madv = way & 1 ? UINT64_C(1) << MADV_HUGEPAGE : 0;
		img.config.skip_sums = way & 2;
		to = stage(v, -1);
		assert_int_equal(fill(&img, mm), 0);
		assert_int_equal(img.counts.restored, stamped);
		assert_memory_equal(to, p, n * PAGE_SIZE);
		assert_int_equal(munmap(to, n * PAGE_SIZE), 0);
	}
	assert_int_equal(munmap(p, n * PAGE_SIZE), 0);
}

static void changed_pages_of_a_file_come_back(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(fd_close) int fd = memfd_create("f", MFD_CLOEXEC);
	uint8_t *p, *to, page[PAGE_SIZE];
	struct vma *v;

	for (size_t i = 0; i < 8; i++) {
		page_stamp(page, i);
		assert_int_equal(fd_write_all(fd, page, PAGE_SIZE), 0);
	}
	p = map_new(8 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	memset(p + PAGE_SIZE, 0, PAGE_SIZE);
	page_stamp(p + 5 * PAGE_SIZE, 55);
	v = mm_put(mm, p, 8 * PAGE_SIZE, VMA_FILE_PRIVATE);
	scoped(images_done) struct images img = images_of(mm);
	to = stage(v, fd);
	assert_int_equal(fill(&img, mm), 0);
	assert_int_equal(img.counts.restored, 2);
	assert_memory_equal(to, p, 8 * PAGE_SIZE);
}

static void hidden_memory_comes_back(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	uint8_t *p = map_anon(80 * PAGE_SIZE), *to;
	struct vma *v;

	for (size_t i = 0; i < 80; i++)
		page_stamp(p + i * PAGE_SIZE, i);
	assert_int_equal(mprotect(p, 80 * PAGE_SIZE, PROT_NONE), 0);
	v = mm_put(mm, p, 80 * PAGE_SIZE, VMA_ANON_PRIVATE);
	v->prot = PROT_NONE;
	scoped(images_done) struct images img = images_of(mm);
	to = stage(v, -1);
	assert_int_equal(fill(&img, mm), 0);
	assert_int_equal(mprotect(p, 80 * PAGE_SIZE, PROT_READ), 0);
	assert_memory_equal(to, p, 80 * PAGE_SIZE);
}

static void huge_pages_come_back_huge(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	uint8_t *p = (uint8_t *)ROUND_UP((uintptr_t)map_anon(6 * MIB), 2 * MIB), *to;
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	struct pagemap_query q = { .all_of = PAGE_HUGE, .report = PAGE_HUGE };
	struct page_range range = { 0 };
	uint64_t end;
	struct vma *v;

	assert_int_equal(proc_pid_open(0, &self), 0);
	assert_int_equal(pagemap_open(&self, &pm), 0);
	if (madvise(p, 4 * MIB, MADV_HUGEPAGE) < 0)
		skip();
	for (size_t i = 0; i < 4 * MIB / PAGE_SIZE; i++)
		page_stamp(p + i * PAGE_SIZE, i);
	q.start = (uintptr_t)p;
	q.end = q.start + 4 * MIB;
	if (pagemap_find(&pm, &q, &range, 1, &end) != 1 || range.end != q.end)
		skip(); /* the machine has none to give */

	v = mm_put(mm, p, 4 * MIB, VMA_ANON_PRIVATE);
	v->madv = UINT64_C(1) << MADV_HUGEPAGE;
	scoped(images_done) struct images img = images_of(mm);
	to = (uint8_t *)ROUND_UP((uintptr_t)map_anon(6 * MIB), 2 * MIB);
	v->at = (uintptr_t)to;
	assert_int_equal(fill(&img, mm), 0);
	assert_memory_equal(to, p, 4 * MIB);
	q.start = v->at;
	q.end = q.start + 4 * MIB;
	assert_int_equal(pagemap_find(&pm, &q, &range, 1, &end), 1);
	assert_int_equal(range.end - range.start, 4 * MIB);
}

static void hugetlb_memory_comes_back(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE;
	uint8_t *p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, flags, -1, 0), *to;
	scoped(fd_close) int free_fd =
		open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", O_RDONLY);
	char text[32] = "";
	struct vma *v;

	if (p == MAP_FAILED || free_fd < 0 || fd_read_some(free_fd, text, sizeof(text) - 1) <= 0 ||
	    strtoul(text, NULL, 10) < 4)
		skip();
	page_stamp(p + 5 * PAGE_SIZE, 5);
	page_stamp(p + 511 * PAGE_SIZE, 511);
	v = mm_put(mm, p, 4 * MIB, VMA_ANON_PRIVATE);
	v->flags |= MAP_HUGETLB;
	scoped(images_done) struct images img = images_of(mm);
	assert_int_equal(page_store_pages(img.store), 2);
	to = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, flags, -1, 0);
	assert_ptr_not_equal(to, MAP_FAILED);
	v->at = (uintptr_t)to;
	assert_int_equal(fill(&img, mm), 0);
	assert_memory_equal(to, p, 2 * MIB);
	assert_int_equal(pages_present(to, 4 * MIB), 512);
	assert_int_equal(munmap(to, 4 * MIB), 0);
	assert_int_equal(munmap(p, 4 * MIB), 0);
}

/* ---- inherited memory ---- */

/* Frame numbers of our pages; false where they are not to be seen. */
static bool frames_read(const uint8_t *at, size_t n, uint64_t *frames)
{
	scoped(fd_close) int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool any = false;

	assert_true(fd >= 0);
	assert_int_equal(fd_pread_all(fd, frames, n * 8, (uintptr_t)at / PAGE_SIZE * 8), 0);
	for (size_t i = 0; i < n; i++) {
		frames[i] &= (UINT64_C(1) << 55) - 1;
		any |= frames[i] != 0;
	}
	return any;
}

#define HEIR_PAGES 2000

/* What the child of the test does, which inherited the parent's memory; exits 0 when all is well.
 */
static int heir_check(struct images *img, struct mm *mm, uint8_t *at, const uint8_t *want)
{
	static uint64_t before[HEIR_PAGES], after[HEIR_PAGES];
	bool frames = frames_read(at, HEIR_PAGES, before);

	if (fill(img, mm) != 0)
		return 2;
	if (memcmp(at, want, HEIR_PAGES * PAGE_SIZE) != 0)
		return 3;
	/* 0-999 equal, 1000-1499 changed, 1500-1699 gone, 1700-1899 only ours, the rest nobody's */
	if (img->counts.compared != 1500 || img->counts.shared != 1000 ||
	    img->counts.restored != 700 || img->counts.dropped != 200)
		return 4;
	frames = frames && frames_read(at, HEIR_PAGES, after);
	for (size_t i = 0; frames && i < HEIR_PAGES; i++) {
		if ((i < 1000) != (before[i] == after[i] && after[i]) && i < 1900)
			return 5;
	}
	return 0;
}

static void inherited_pages_stay_shared(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	uint8_t *theirs = map_anon(HEIR_PAGES * PAGE_SIZE), *parents, page[PAGE_SIZE];
	struct vma *v;
	int status;
	pid_t pid;

	for (size_t i = 0; i < 1900; i++) {
		if (i < 1500 || i >= 1700)
			page_stamp(theirs + i * PAGE_SIZE, i);
	}
	v = mm_put(mm, theirs, HEIR_PAGES * PAGE_SIZE, VMA_ANON_PRIVATE);
	scoped(images_done) struct images img = images_of(mm);
	parents = stage(v, -1);
	for (size_t i = 0; i < 1700; i++)
		page_stamp(parents + i * PAGE_SIZE, i < 1000 ? i : i + 5000);
	v->inherited = true;
	pid = fork();
	if (pid == 0)
		_exit(heir_check(&img, mm, parents, theirs));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
	page_stamp(page, 6000);
	assert_memory_equal(parents + 1000 * PAGE_SIZE, page, PAGE_SIZE);
}

static int file_heir_check(struct images *img, struct mm *mm, uint8_t *at, const uint8_t *want)
{
	if (fill(img, mm) != 0)
		return 2;
	if (memcmp(at, want, 8 * PAGE_SIZE) != 0)
		return 3;
	return img->counts.dropped == 1 && img->counts.compared == 1 && img->counts.shared == 1 &&
			       img->counts.restored == 1
		       ? 0
		       : 4;
}

/* A page that only the parent changed must be the file's again. */
static void inherited_file_pages_go_back_to_the_file(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	scoped(fd_close) int fd = memfd_create("f", MFD_CLOEXEC);
	uint8_t *p, *parents, page[PAGE_SIZE];
	struct vma *v;
	int status;
	pid_t pid;

	for (size_t i = 0; i < 8; i++) {
		page_stamp(page, i);
		assert_int_equal(fd_write_all(fd, page, PAGE_SIZE), 0);
	}
	p = map_new(8 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	page_stamp(p + 2 * PAGE_SIZE, 22);
	page_stamp(p + 3 * PAGE_SIZE, 33);
	v = mm_put(mm, p, 8 * PAGE_SIZE, VMA_FILE_PRIVATE);
	scoped(images_done) struct images img = images_of(mm);
	parents = stage(v, fd);
	page_stamp(parents + 2 * PAGE_SIZE, 22);
	page_stamp(parents + 6 * PAGE_SIZE, 66);
	v->inherited = true;
	pid = fork();
	if (pid == 0)
		_exit(file_heir_check(&img, mm, parents, p));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

/* ---- segments ---- */

static struct images images_of_segment(int fd, uint64_t size)
{
	struct shmem shmem = { .shmid = 9, .size = size };
	struct pump_segment seg = { .shmem = &shmem, .fd = fd, .pages_id = 4 };
	struct images i = { .config.max_threads = 2 };
	struct pump *pump = pump_begin(&i);

	assert_int_equal(pump_add_segment(pump, &seg), 0);
	pump_end(&i, pump, IMAGE_SHMEM_PAGEMAP, 9);
	return i;
}

static void segment_comes_back_with_its_holes(void **state)
{
	scoped(fd_close) int fd = memfd_create("a", MFD_CLOEXEC);
	scoped(fd_close) int to_fd = memfd_create("b", MFD_CLOEXEC);
	size_t size = 40 * MIB;
	struct fill_segment seg = { .fd = to_fd, .size = size };
	struct stat st;
	uint8_t *p, *to;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(ftruncate(to_fd, (off_t)size), 0);
	p = map_new(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	to = map_new(size, PROT_READ | PROT_WRITE, MAP_SHARED, to_fd);
	for (size_t i = 100; i < size / PAGE_SIZE; i += i % 1000 ? 1 : 500)
		page_stamp(p + i * PAGE_SIZE, i);
	scoped(images_done) struct images img = images_of_segment(fd, size);
	assert_int_equal(page_fill_segment(img.store, &seg, &img.config, &img.counts, &img.err), 0);
	assert_int_equal(fstat(to_fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, page_store_pages(img.store) * PAGE_SIZE);
	assert_memory_equal(to, p, size);

	memset(to, 0, size);
	assert_int_equal(page_fill_memory(img.store, to, size, &img.config, &img.counts, &img.err),
			 0);
	assert_memory_equal(to, p, size);
	assert_int_equal(page_fill_memory(img.store, to, size / 2, &img.config, &img.counts,
					  &img.err),
			 -EUCLEAN);
	assert_int_equal(munmap(p, size), 0);
	assert_int_equal(munmap(to, size), 0);
}

static void hugetlb_segment_comes_back(void **state)
{
	scoped(fd_close) int fd = memfd_create("a", MFD_CLOEXEC | MFD_HUGETLB);
	scoped(fd_close) int to_fd = memfd_create("b", MFD_CLOEXEC | MFD_HUGETLB);
	struct fill_segment seg = { .fd = to_fd, .size = 4 * MIB, .is_hugetlb = true };
	uint8_t *p, *to;

	if (fd < 0 || to_fd < 0 || ftruncate(fd, 4 * MIB) < 0 || ftruncate(to_fd, 4 * MIB) < 0)
		skip();
	p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	to = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, to_fd, 0);
	if (p == MAP_FAILED || to == MAP_FAILED)
		skip();
	page_stamp(p + 700 * PAGE_SIZE, 1);
	scoped(images_done) struct images img = images_of_segment(fd, 4 * MIB);
	assert_int_equal(page_store_pages(img.store), 1);
	assert_int_equal(page_fill_segment(img.store, &seg, &img.config, &img.counts, &img.err), 0);
	assert_memory_equal(to + 2 * MIB, p + 2 * MIB, 2 * MIB);
	assert_int_equal(munmap(p, 4 * MIB), 0);
	assert_int_equal(munmap(to, 4 * MIB), 0);
}

/* ---- trouble ---- */

static void changed_contents_are_found(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	uint8_t *p = map_anon(600 * PAGE_SIZE);
	char path[64];
	struct vma *v;
	int fd;

	for (size_t i = 0; i < 600; i++)
		page_stamp(p + i * PAGE_SIZE, i);
	v = mm_put(mm, p, 600 * PAGE_SIZE, VMA_ANON_PRIVATE);
	scoped(images_done) struct images img = images_of(mm);
	(void)snprintf(path, sizeof(path), "%s/pages-1.img", img.tmp.path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_pwrite_all(fd, "x", 1, MIB + 12345), 0);
	fd_close(fd);

	(void)stage(v, -1);
	assert_int_equal(fill(&img, mm), -EUCLEAN);
	assert_string_equal(img.err.file, "pages-1.img");
	assert_true(img.err.has_offset);
	assert_int_equal(img.err.offset, MIB);
	(void)stage(v, -1);
	img.config.skip_sums = true;
	assert_int_equal(fill(&img, mm), 0);
}

static void memory_that_cannot_be_written_is_told(void **state)
{
	scoped(mm_free) struct mm *mm = mm_new();
	uint8_t *p = map_anon(8 * PAGE_SIZE), *to;
	struct vma *v;

	page_stamp(p, 1);
	v = mm_put(mm, p, 8 * PAGE_SIZE, VMA_ANON_PRIVATE);
	scoped(images_done) struct images img = images_of(mm);
	to = stage(v, -1);
	assert_int_equal(mprotect(to, 8 * PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(fill(&img, mm), -EFAULT);
	assert_string_equal(img.err.file, "pagemap-77.img");
	assert_non_null(strstr(img.err.what, "its pages cannot be put at 0x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_pages_come_back),
		cmocka_unit_test(many_pages_come_back),
		cmocka_unit_test(changed_pages_of_a_file_come_back),
		cmocka_unit_test(hidden_memory_comes_back),
		cmocka_unit_test(huge_pages_come_back_huge),
		cmocka_unit_test(hugetlb_memory_comes_back),
		cmocka_unit_test(inherited_pages_stay_shared),
		cmocka_unit_test(inherited_file_pages_go_back_to_the_file),
		cmocka_unit_test(segment_comes_back_with_its_holes),
		cmocka_unit_test(hugetlb_segment_comes_back),
		cmocka_unit_test(changed_contents_are_found),
		cmocka_unit_test(memory_that_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
