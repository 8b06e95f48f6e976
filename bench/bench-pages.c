/*
 * How fast memory contents move: pump and fill of 1 GiB against memcpy(3) and cp(1).
 *
 *	bench-pages [DIRECTORY [MIB]]
 *
 * Contents have no pages of zeros and no pattern; images are written to and read from the page
 * cache of the directory's file system. Each figure is the best of three, so that writeback does
 * not count.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/usec.h"
#include "image/dir.h"
#include "kernel/sys.h"
#include "pages/fill.h"
#include "pages/pump.h"
#include "schema/inventory.pb-c.h"

#define PID    1
#define ROUNDS 3

struct bench {
	char path[4096];
	size_t len;
	uint8_t *data;
	struct mm mm;
	struct vma vma, *vmas[1];
	usec_t memcpy_time;
};

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(1);
}

static void *map(size_t len)
{
	void *p = NULL;

	check(sys_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p),
	      "mmap");
	return p;
}

static void show(const struct bench *b, const char *what, usec_t t)
{
	double s = (double)t / 1e6;

	(void)printf("%-44s %7.0f ms %7.2f GiB/s %6.2f x memcpy\n", what, s * 1e3,
		     (double)b->len / (1UL << 30) / s, (double)t / (double)b->memcpy_time);
}

static void bench_memcpy(struct bench *b)
{
	uint8_t *to = map(b->len);

	b->memcpy_time = UINT64_MAX;
	for (int i = 0; i <= ROUNDS; i++) {
		usec_t start = usec_now();

		memcpy(to, b->data, b->len);
		if (i > 0) /* the first one faults */
			b->memcpy_time = MIN(b->memcpy_time, usec_now() - start);
	}
	(void)munmap(to, b->len); /* ours */
	show(b, "memcpy", b->memcpy_time);
}

static void bench_cp(const struct bench *b)
{
	char from[5000], to[5000];
	usec_t best = UINT64_MAX;

	(void)snprintf(from, sizeof(from), "%s/pages-1.img", b->path);
	(void)snprintf(to, sizeof(to), "%s/copy", b->path);
	for (int i = 0; i < ROUNDS; i++) {
		usec_t start;
		pid_t pid;

		(void)unlink(to); /* of the last round */
		start = usec_now();
		pid = fork();
		if (pid == 0) {
			(void)execlp("cp", "cp", "--reflink=never", "--sparse=never", from, to,
				     NULL);
			_exit(127);
		}
		(void)waitpid(pid, NULL, 0); /* ours */
		best = MIN(best, usec_now() - start);
	}
	(void)unlink(to); /* ours */
	show(b, "cp of the pages file", best);
}

static pid_t child_start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	check(pid, "fork");
	return pid;
}

static void remove_images(const struct bench *b)
{
	static const char *const names[] = { "pages-1.img", "pagemap-1.img", "pagemap-shmem-1.img",
					     "inventory.img", "stasis-manifest.img" };
	int dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlinkat(dir, names[i], 0); /* ours */
	fd_close(dir);
}

static usec_t pump_once(const struct bench *b, pid_t child, unsigned threads, usec_t *ret_scan)
{
	scoped(proc_pid_done) struct proc_pid proc = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	scoped(page_plan_done) struct page_plan plan = { 0 };
	scoped(image_dir_free) struct image_dir *dir = NULL;
	scoped(pump_free) struct pump *pump = NULL;
	struct pump_mm mm = { .plan = &plan, .proc = &proc, .pid = PID, .pages_id = 1 };
	struct pump_config config = { .max_threads = threads };
	InventoryEntry inventory = INVENTORY_ENTRY__INIT;
	struct pump_error error;
	usec_t start;

	check(image_dir_open(b->path, IMAGE_DIR_DUMP, NULL, &dir), b->path);
	config.images = dir;
	check(pump_new(&config, &pump), "pump");
	check(proc_pid_open(child, &proc), "/proc");
	start = usec_now();
	check(pagemap_open(&proc, &pm), "pagemap");
	check(page_plan_scan(&b->mm, &pm, &plan), "scan");
	*ret_scan = usec_now() - start;
	check(pump_add_mm(pump, &mm), "pump");
	check(pump_run(pump, &error), "pump");
	start = usec_now() - start;
	inventory.img_version = 2;
	check(image_dir_complete(dir, &inventory, IMAGE_SYNC_NONE, NULL), "complete");
	return start;
}

static void bench_pump(const struct bench *b, unsigned threads, const char *what)
{
	usec_t best = UINT64_MAX, scan = UINT64_MAX;
	pid_t child = child_start();

	for (int i = 0; i < ROUNDS; i++) {
		usec_t one_scan, t;

		remove_images(b); /* to truncate them is not what we measure */
		t = pump_once(b, child, threads, &one_scan);

		best = MIN(best, t);
		scan = MIN(scan, one_scan);
	}
	(void)kill(child, SIGKILL); /* ours */
	(void)waitpid(child, NULL, 0);
	show(b, what, best);
	if (threads == 1)
		show(b, "  of this: finding the pages", scan);
}

struct opened {
	struct image_dir *dir;
	struct page_chain *chain;
	struct page_store *store;
};

static void opened_done(struct opened *o)
{
	page_store_free(o->store);
	page_chain_free(o->chain);
	image_dir_free(o->dir);
}
SCOPED_OBJECT(struct opened, opened_done);

static struct opened open_images(const struct bench *b, enum image_type type)
{
	enum manifest_state state;
	struct opened o = { 0 };

	check(image_dir_open(b->path, IMAGE_DIR_READ, NULL, &o.dir), b->path);
	check(image_dir_use_manifest(o.dir, NULL, &state), "manifest");
	check(page_chain_new(o.dir, &o.chain), "chain");
	check(page_store_open(o.chain, type, PID, NULL, &o.store), "store");
	return o;
}

enum way { WAY_PLAIN, WAY_NO_SUMS, WAY_HUGE };

static usec_t fill_once(struct bench *b, const struct page_store *store,
			const struct fill_config *config, enum way way)
{
	struct fill_counts counts = { 0 };
	usec_t start;

	b->vma.at = (uintptr_t)map(b->len);
	b->vma.madv = way == WAY_HUGE ? UINT64_C(1) << MADV_HUGEPAGE : 0;
	start = usec_now();
	check(page_fill_mm(store, &b->mm, config, &counts, NULL), "fill");
	start = usec_now() - start;
	if (memcmp((void *)b->vma.at, b->data, b->len) != 0)
		check(-EUCLEAN, "fill");
	(void)munmap((void *)b->vma.at, b->len); /* ours */
	return start;
}

static void bench_fill(struct bench *b, unsigned threads, enum way way, const char *what)
{
	scoped(opened_done) struct opened o = open_images(b, IMAGE_PAGEMAP);
	struct fill_config config = { .max_threads = threads, .skip_sums = way == WAY_NO_SUMS };
	usec_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++)
		best = MIN(best, fill_once(b, o.store, &config, way));
	show(b, what, best);
}

static usec_t pump_segment(const struct bench *b, int fd)
{
	scoped(image_dir_free) struct image_dir *dir = NULL;
	scoped(pump_free) struct pump *pump = NULL;
	struct shmem shmem = { .shmid = PID, .size = b->len };
	struct pump_segment seg = { .shmem = &shmem, .fd = fd, .pages_id = 1 };
	InventoryEntry inventory = INVENTORY_ENTRY__INIT;
	struct pump_config config = { 0 };
	struct pump_error error;
	usec_t start;

	remove_images(b);
	check(image_dir_open(b->path, IMAGE_DIR_DUMP, NULL, &dir), b->path);
	config.images = dir;
	check(pump_new(&config, &pump), "pump");
	start = usec_now();
	check(pump_add_segment(pump, &seg), "pump");
	check(pump_run(pump, &error), "pump");
	start = usec_now() - start;
	inventory.img_version = 2;
	check(image_dir_complete(dir, &inventory, IMAGE_SYNC_NONE, NULL), "complete");
	return start;
}

static void bench_segment(const struct bench *b)
{
	scoped(fd_close) int from = sys_memfd_create("from", 0);
	usec_t best = UINT64_MAX;

	check(fd_write_all(from, b->data, b->len), "memfd");
	for (int i = 0; i < ROUNDS; i++)
		best = MIN(best, pump_segment(b, from));
	show(b, "pump of a memfd, all threads", best);

	scoped(opened_done) struct opened o = open_images(b, IMAGE_SHMEM_PAGEMAP);
	best = UINT64_MAX;
	for (int i = 0; i < ROUNDS; i++) {
		scoped(fd_close) int fd = sys_memfd_create("to", 0);
		struct fill_segment seg = { .fd = fd, .size = b->len };
		struct fill_config config = { 0 };
		struct fill_counts counts = { 0 };
		usec_t start = usec_now();

		check(sys_ftruncate(fd, (int64_t)b->len), "memfd");
		check(page_fill_segment(o.store, &seg, &config, &counts, NULL), "fill");
		best = MIN(best, usec_now() - start);
	}
	show(b, "fill of a memfd, all threads", best);
}

/* Pages that a child shares with its parent and that are all equal. */
static void bench_inherited(struct bench *b)
{
	scoped(opened_done) struct opened o = open_images(b, IMAGE_PAGEMAP);
	struct fill_config config = { .max_threads = 1 };
	int status;
	pid_t pid;

	b->vma.at = b->vma.start;
	b->vma.inherited = true;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct fill_counts counts = { 0 };
		usec_t start = usec_now();

		check(page_fill_mm(o.store, &b->mm, &config, &counts, NULL), "fill");
		show(b, "fill, inherited and equal, 1 thread", usec_now() - start);
		if (counts.shared != b->len / PAGE_SIZE)
			check(-EUCLEAN, "inherited");
		(void)fflush(stdout);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0); /* ours */
	b->vma.inherited = false;
}

static void reservation(void)
{
	scoped(proc_pid_done) struct proc_pid proc = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	scoped(page_plan_done) struct page_plan plan = { 0 };
	size_t len = 100UL << 30;
	struct vma v = { .status = VMA_ANON_PRIVATE, .has_pages = true };
	usec_t start;
	void *p;

	check(sys_mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, &p),
	      "mmap");
	v.start = (uintptr_t)p;
	v.end = v.start + len;
	check(proc_pid_open(0, &proc), "/proc");
	check(pagemap_open(&proc, &pm), "pagemap");
	start = usec_now();
	check(page_plan_scan_vma(&v, &pm, &plan), "scan");
	(void)printf("%-44s %7" PRIu64 " us\n", "finding no pages in 100 GiB", usec_now() - start);
	(void)munmap(p, len); /* ours */
}

static void prepare(struct bench *b, const char *dir, const char *mib)
{
	uint64_t n = 1024, x = 1;

	if (mib)
		check(str_to_u64(mib, 10, &n), mib);
	b->len = n << 20;
	b->data = map(b->len);
	for (size_t i = 0; i < b->len / 8; i++)
		((uint64_t *)b->data)[i] = x = x * 6364136223846793005u + 1442695040888963407u;
	b->vma = (struct vma){
		.start = (uintptr_t)b->data,
		.end = (uintptr_t)b->data + b->len,
		.status = VMA_REGULAR | VMA_ANON_PRIVATE,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS,
		.has_pages = true,
	};
	b->vmas[0] = &b->vma;
	b->mm.vmas.at = b->vmas;
	b->mm.vmas.n = 1;
	(void)snprintf(b->path, sizeof(b->path), "%s/bench-pages-XXXXXX", dir);
	if (!mkdtemp(b->path))
		check(-errno, b->path);
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };

	prepare(&b, argc > 1 ? argv[1] : "/tmp", argc > 2 ? argv[2] : NULL);
	bench_memcpy(&b);
	bench_pump(&b, 1, "pump, 1 thread");
	bench_pump(&b, 0, "pump, all threads");
	bench_cp(&b);
	bench_fill(&b, 1, WAY_PLAIN, "fill, 1 thread");
	bench_fill(&b, 0, WAY_PLAIN, "fill, all threads");
	bench_fill(&b, 1, WAY_NO_SUMS, "fill, unchecked, 1 thread");
	bench_fill(&b, 1, WAY_HUGE, "fill, huge pages, 1 thread");
	bench_fill(&b, 0, WAY_HUGE, "fill, huge pages, all threads");
	bench_inherited(&b);
	bench_segment(&b);
	reservation();
	remove_images(&b);
	(void)rmdir(b.path); /* stays when something else is in it */
	return 0;
}
