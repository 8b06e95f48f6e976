/* The pump: contents of a child, which has a copy of our memory, and of segments, into images. */
#include "pages-test.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "image/raw.h"
#include "kernel/sys.h"
#include "model/task.h"
#include "pages/pagemap_image.h"
#include "pages/pump.h"

#define PID 77

/* Everything that a dump of one child needs. */
struct job {
	struct tmp_dir tmp;
	struct image_dir *dir;
	struct mm *mm;
	pid_t child;
	struct proc_pid proc;
	struct page_plan plan;
	struct pump *pump;
	struct pump_error error;
	struct page_runs stored; /* as the pagemap says */
};

static void job_done(struct job *j)
{
	child_end(j->child);
	proc_pid_done(&j->proc);
	page_plan_done(&j->plan);
	pump_free(j->pump);
	page_runs_done(&j->stored);
	mm_free(j->mm);
	image_dir_free(j->dir);
	tmp_dir_done(&j->tmp);
}
SCOPED_OBJECT(struct job, job_done);

static struct job job_new(bool keep_zero)
{
	struct job j = { .tmp = tmp_dir_new(), .mm = mm_new(), .proc = PROC_PID_NONE };
	struct pump_config config = { .keep_zero = keep_zero };

	j.dir = config.images = dir_open(&j.tmp, IMAGE_DIR_DUMP);
	assert_int_equal(pump_new(&config, &j.pump), 0);
	return j;
}

/* Forks the child and plans its memory. */
static void job_plan(struct job *j)
{
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;

	j->child = child_start(NULL, NULL);
	assert_true(j->child > 0);
	assert_int_equal(proc_pid_open(j->child, &j->proc), 0);
	assert_int_equal(pagemap_open(&j->proc, &pm), 0);
	assert_int_equal(page_plan_scan(j->mm, &pm, &j->plan), 0);
}

static void job_add(struct job *j)
{
	struct pump_mm add = { .plan = &j->plan, .proc = &j->proc, .pid = PID, .pages_id = 1 };

	assert_int_equal(pump_add_mm(j->pump, &add), 0);
}

/* Loads what was written and compares contents with memory at base + va. Gives how many pages. */
static uint64_t images_check(struct job *j, enum image_type type, uint64_t id, const uint8_t *base)
{
	struct pagemap_image pm = { .type = type, .id = id, .runs = &j->stored };
	scoped(image_raw_free) struct image_raw *raw = NULL;
	uint8_t page[PAGE_SIZE];
	uint64_t n = 0;

	j->stored.n = 0;
	assert_int_equal(pagemap_image_load(j->dir, &pm, NULL), 0);
	assert_int_equal(image_raw_open(j->dir, IMAGE_PAGES, pm.pages_id, NULL, &raw), 0);
	vec_for_each(run, &j->stored) {
		assert_true(run->flags & RUN_PRESENT);
		for (uint64_t i = 0; i < run->n; i++, n++) {
			assert_int_equal(image_raw_read(raw, page, PAGE_SIZE, n * PAGE_SIZE), 0);
			assert_memory_equal(page, base + run->va + i * PAGE_SIZE, PAGE_SIZE);
		}
	}
	assert_int_equal(image_raw_size(raw), n * PAGE_SIZE);
	assert_int_equal(image_raw_check(raw), 0);
	return n;
}

static void pump_all(struct job *j)
{
	job_plan(j);
	job_add(j);
	assert_int_equal(pump_run(j->pump, &j->error), 0);
}

static void every_sort_of_page_arrives(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	uint8_t *data = map_anon(40 * PAGE_SIZE), *hidden = map_anon(30 * PAGE_SIZE);
	uint8_t *more = map_anon(4 * PAGE_SIZE);

	for (size_t i = 0; i < 40; i += 1 + i % 3)
		page_stamp(data + i * PAGE_SIZE, i);
	for (size_t i = 0; i < 30; i++)
		page_stamp(hidden + i * PAGE_SIZE, 100 + i);
	page_stamp(more, 7);
	assert_int_equal(mprotect(hidden, 10 * PAGE_SIZE, PROT_NONE), 0);
	assert_int_equal(mprotect(hidden + 15 * PAGE_SIZE, 5 * PAGE_SIZE, PROT_NONE), 0);
	mm_put(j.mm, data, 40 * PAGE_SIZE, VMA_ANON_PRIVATE);
	mm_put(j.mm, hidden, 30 * PAGE_SIZE, VMA_ANON_PRIVATE)->prot = PROT_NONE;
	mm_put(j.mm, more, 4 * PAGE_SIZE, VMA_ANON_PRIVATE);

	pump_all(&j);
	assert_int_equal(mprotect(hidden, 30 * PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(images_check(&j, IMAGE_PAGEMAP, PID, NULL), j.plan.stored);
	assert_int_equal(pump_counts(j.pump)->written, j.plan.stored);
	assert_int_equal(pump_counts(j.pump)->scanned, j.plan.scanned);
	assert_int_equal(pump_counts(j.pump)->zero, 0);
	assert_int_equal(runs_in(&j.stored, hidden, 30 * PAGE_SIZE), 30);
}

/* Enough for several threads and blocks; pages of zeros strewn in, so that blocks are put together
 * from portions. */
static void zeros_are_left_out_wherever_they_are(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	size_t n = 48 * MIB / PAGE_SIZE, zeros = 0;
	uint8_t *p = map_anon(n * PAGE_SIZE);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		page_stamp(p + i * PAGE_SIZE, i);
		if (x >> 30 == 0 || (i > 2000 && i < 2600)) {
			memset(p + i * PAGE_SIZE, 0, PAGE_SIZE);
			zeros++;
		}
	}
	mm_put(j.mm, p, n * PAGE_SIZE, VMA_ANON_PRIVATE);
	pump_all(&j);
	assert_int_equal(images_check(&j, IMAGE_PAGEMAP, PID, NULL), n - zeros);
	assert_int_equal(pump_counts(j.pump)->zero, zeros);
	assert_int_equal(pump_counts(j.pump)->written, n - zeros);
	assert_int_equal(munmap(p, n * PAGE_SIZE), 0);
}

static void zeros_stay_where_asked_for(void **state)
{
	scoped(job_done) struct job j = job_new(true);
	uint8_t *p = map_anon(600 * PAGE_SIZE);

	memset(p, 1, 600 * PAGE_SIZE);
	memset(p, 0, 300 * PAGE_SIZE);
	mm_put(j.mm, p, 600 * PAGE_SIZE, VMA_ANON_PRIVATE);
	pump_all(&j);
	assert_int_equal(images_check(&j, IMAGE_PAGEMAP, PID, NULL), 600);
}

static void zeros_over_a_file_are_stored(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	int fd = memfd_create("f", MFD_CLOEXEC);
	uint8_t *p;

	assert_int_equal(ftruncate(fd, 4 * PAGE_SIZE), 0);
	p = map_new(4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	fd_close(fd);
	memset(p + PAGE_SIZE, 0, PAGE_SIZE);
	mm_put(j.mm, p, 4 * PAGE_SIZE, VMA_FILE_PRIVATE);
	pump_all(&j);
	assert_int_equal(images_check(&j, IMAGE_PAGEMAP, PID, NULL), 1);
}

static void nothing_makes_empty_files(void **state)
{
	scoped(job_done) struct job j = job_new(false);

	pump_all(&j);
	assert_int_equal(images_check(&j, IMAGE_PAGEMAP, PID, NULL), 0);
}

static void runs_in_the_parent_have_no_contents(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	struct pagemap_image pm = { .type = IMAGE_PAGEMAP, .id = PID, .runs = &j.stored };
	uint8_t *p = map_anon(3 * PAGE_SIZE);
	uint64_t va = (uintptr_t)p;

	memset(p, 1, 3 * PAGE_SIZE);
	j.child = child_start(NULL, NULL);
	assert_int_equal(proc_pid_open(j.child, &j.proc), 0);
	assert_int_equal(page_runs_add(&j.plan.runs, va, 1, RUN_PRESENT), 0);
	assert_int_equal(page_runs_add(&j.plan.runs, va + PAGE_SIZE, 1, RUN_PARENT), 0);
	assert_int_equal(page_runs_add(&j.plan.runs, va + 2 * PAGE_SIZE, 1, RUN_PRESENT), 0);
	job_add(&j);
	assert_int_equal(pump_run(j.pump, &j.error), 0);
	assert_int_equal(pump_counts(j.pump)->written, 2);
	assert_int_equal(pagemap_image_load(j.dir, &pm, NULL), 0);
	assert_int_equal(j.stored.n, 3);
	assert_int_equal(j.stored.at[1].flags, RUN_PARENT);
}

/* ---- segments ---- */

static void memfd_keeps_holes_and_its_position(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	scoped(fd_close) int fd = memfd_create("m", MFD_CLOEXEC);
	struct shmem shmem = { .shmid = 9, .size = 900 * PAGE_SIZE + 5 };
	struct pump_segment seg = { .shmem = &shmem, .fd = fd, .pages_id = 4 };
	uint8_t *p;

	assert_int_equal(ftruncate(fd, (off_t)shmem.size), 0);
	p = map_new(901 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	for (size_t i = 300; i < 650; i++)
		page_stamp(p + i * PAGE_SIZE, i);
	memset(p + 400 * PAGE_SIZE, 0, PAGE_SIZE);
	p[900 * PAGE_SIZE + 2] = 1;
	assert_int_equal(lseek(fd, 1234, SEEK_SET), 1234);

	assert_int_equal(pump_add_segment(j.pump, &seg), 0);
	assert_int_equal(pump_bytes(j.pump), 351 * PAGE_SIZE);
	assert_int_equal(pump_run(j.pump, &j.error), 0);
	assert_int_equal(images_check(&j, IMAGE_SHMEM_PAGEMAP, 9, p), 350);
	assert_int_equal(pump_counts(j.pump)->shared_written, 350);
	assert_int_equal(pump_counts(j.pump)->shared_zero, 1);
	assert_int_equal(pump_counts(j.pump)->written, 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 1234);
}

/* The child has unmapped half of it: what is there must be stored all the same. */
static void shared_memory_is_read_through_its_mapping(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	struct task task = { .mm = j.mm };
	struct shmem shmem = { .shmid = 5, .size = 64 * PAGE_SIZE, .task = &task };
	struct pump_segment seg = { .shmem = &shmem, .proc = &j.proc, .fd = -1, .pages_id = 4 };
	uint8_t *p =
		map_new(64 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	uint8_t copy[64 * PAGE_SIZE];

	for (size_t i = 0; i < 64; i += 2)
		page_stamp(p + i * PAGE_SIZE, i);
	memcpy(copy, p, sizeof(copy));
	assert_int_equal(munmap(p + 32 * PAGE_SIZE, 32 * PAGE_SIZE), 0);
	mm_put(j.mm, p, 32 * PAGE_SIZE, VMA_ANON_SHARED);
	shmem.at = (uintptr_t)p;
	job_plan(&j);
	if (geteuid() != 0)
		skip();
	assert_int_equal(pump_add_segment(j.pump, &seg), 0);
	assert_int_equal(pump_run(j.pump, &j.error), 0);
	assert_int_equal(images_check(&j, IMAGE_SHMEM_PAGEMAP, 5, copy), 32);
}

/* Gives up what opening map_files needs. */
static bool caps_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (sys_capget(&head, data) < 0)
		return false;
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1u << CAP_SYS_ADMIN);
	data[1].effective &= ~(1u << (CAP_CHECKPOINT_RESTORE - 32));
	data[1].permitted &= ~(1u << (CAP_CHECKPOINT_RESTORE - 32));
	return sys_capset(&head, data) == 0;
}

static void without_privilege_the_mapping_is_read(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		scoped(job_done) struct job j = job_new(false);
		struct task task = { .mm = j.mm };
		struct shmem shmem = { .shmid = 5, .size = 64 * PAGE_SIZE, .task = &task };
		struct pump_segment seg = {
			.shmem = &shmem, .proc = &j.proc, .fd = -1, .pages_id = 4
		};
		uint8_t *p = map_new(64 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1);
		bool ok = caps_drop();

		for (size_t i = 0; i < 64; i += 2)
			page_stamp(p + i * PAGE_SIZE, i);
		shmem.at = (uintptr_t)p;
		mm_put(j.mm, p, 64 * PAGE_SIZE, VMA_ANON_SHARED);
		job_plan(&j);
		ok = ok && pump_add_segment(j.pump, &seg) == 0 &&
		     pump_bytes(j.pump) == 64 * PAGE_SIZE && pump_run(j.pump, &j.error) == 0 &&
		     images_check(&j, IMAGE_SHMEM_PAGEMAP, 5, p) == 32;
		/* A mapping that shows a part only will not do. */
		shmem.size += PAGE_SIZE;
		ok = ok && pump_add_segment(j.pump, &seg) == -EPERM;
		job_done(&j);
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- trouble ---- */

static void dead_task_is_told(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	uint8_t *p = map_anon(PAGE_SIZE);

	p[0] = 1;
	mm_put(j.mm, p, PAGE_SIZE, VMA_ANON_PRIVATE);
	job_plan(&j);
	job_add(&j);
	child_end(j.child);
	assert_int_equal(pump_run(j.pump, &j.error), -ESRCH);
}

static void unreadable_page_is_named(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	scoped(str_done) struct str text = { 0 };
	size_t len = 40 * MIB;
	uint8_t *p = map_anon(len);

	memset(p, 1, len);
	if (madvise(p + 5000 * PAGE_SIZE, PAGE_SIZE, MADV_GUARD_INSTALL) < 0)
		skip();
	j.child = child_start(NULL, NULL);
	assert_int_equal(proc_pid_open(j.child, &j.proc), 0);
	assert_int_equal(page_runs_add(&j.plan.runs, (uintptr_t)p, len / PAGE_SIZE, RUN_PRESENT),
			 0);
	job_add(&j);
	assert_int_equal(pump_run(j.pump, &j.error), -EFAULT);
	assert_int_equal(j.error.pid, PID);
	assert_int_equal(j.error.va, (uintptr_t)p + 5000 * PAGE_SIZE);
	assert_int_equal(pump_error_text(&j.error, &text), 0);
	assert_non_null(strstr(str_get(&text), "task 77: the page at 0x"));
	assert_int_equal(munmap(p, len), 0);
}

static void full_disk_is_told(void **state)
{
	scoped(job_done) struct job j = job_new(false);
	scoped(str_done) struct str text = { 0 };
	struct rlimit old, small = { .rlim_cur = 3 * MIB, .rlim_max = RLIM_INFINITY };
	uint8_t *p = map_anon(40 * MIB);
	int r;

	memset(p, 1, 40 * MIB);
	mm_put(j.mm, p, 40 * MIB, VMA_ANON_PRIVATE);
	job_plan(&j);
	job_add(&j);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	(void)sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = pump_run(j.pump, &j.error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(pump_error_text(&j.error, &text), 0);
	assert_string_equal(str_get(&text), "pages-1.img: cannot be written");
	assert_int_equal(munmap(p, 40 * MIB), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sort_of_page_arrives),
		cmocka_unit_test(zeros_are_left_out_wherever_they_are),
		cmocka_unit_test(zeros_stay_where_asked_for),
		cmocka_unit_test(zeros_over_a_file_are_stored),
		cmocka_unit_test(nothing_makes_empty_files),
		cmocka_unit_test(runs_in_the_parent_have_no_contents),
		cmocka_unit_test(memfd_keeps_holes_and_its_position),
		cmocka_unit_test(shared_memory_is_read_through_its_mapping),
		cmocka_unit_test(without_privilege_the_mapping_is_read),
		cmocka_unit_test(dead_task_is_told),
		cmocka_unit_test(unreadable_page_is_named),
		cmocka_unit_test(full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
