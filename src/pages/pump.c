/* The pump: what is to be moved, and the result. See pump.h. */
#include "pages/pump_int.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/proc/maps.h"
#include "kernel/sys.h"
#include "model/task.h"
#include "pages/crew.h"

/* A segment that can only be read through a mapping may be this large: reading makes its holes
 * real. */
#define MAPPED_SEGMENT_MAX (256UL << 20)

int pump_new(const struct pump_config *config, struct pump **ret)
{
	struct pump *p = NEW(struct pump);

	if (!p)
		return -ENOMEM;
	p->config = *config;
	list_init(&p->spare);
	(void)pthread_mutex_init(&p->lock, NULL); /* neither can fail on Linux */
	(void)pthread_cond_init(&p->turn, NULL);
	*ret = p;
	return 0;
}

static void sheets_free(struct list *sheets)
{
	struct sheet *s;

	list_for_each(s, sheets, link) {
		list_del(&s->link);
		mem_free(s->buf);
		mem_free(s);
	}
}

static void source_free(struct source *s)
{
	if (!s)
		return;
	fd_close(s->fd);
	image_raw_free(s->raw);
	page_runs_done(&s->own_runs);
	page_runs_done(&s->written);
	sheets_free(&s->sheets);
	mem_free(s);
}
SCOPED(struct source *, source_free);

void pump_free(struct pump *p)
{
	if (!p)
		return;
	vec_for_each(s, &p->sources)
		source_free(*s);
	vec_done(&p->sources);
	sheets_free(&p->spare);
	(void)pthread_cond_destroy(&p->turn); /* nobody waits */
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

static struct source *source_new(enum image_type type, uint64_t id, uint32_t pages_id)
{
	struct source *s = NEW(struct source);

	if (!s)
		return NULL;
	s->image = (struct pagemap_image){
		.type = type, .id = id, .pages_id = pages_id, .runs = &s->written
	};
	s->runs = &s->own_runs;
	s->fd = -EBADF;
	list_init(&s->sheets);
	return s;
}

int pump_add_mm(struct pump *p, const struct pump_mm *mm)
{
	struct source *s = source_new(IMAGE_PAGEMAP, (uint64_t)mm->pid, mm->pages_id);
	int r = s ? vec_push(&p->sources, s) : -ENOMEM;

	if (r < 0) {
		source_free(s);
		return r;
	}
	s->runs = &mm->plan->runs;
	s->proc = mm->proc;
	p->counts.scanned += mm->plan->scanned;
	return 0;
}

/* ---- shared segments ---- */

static int segment_open_fd(int fd)
{
	char path[32];

	/* A description of our own: with the one behind fd we would move the target's position. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fits */
	return sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
}

/* The parts of the file that are not holes, up to `size`, as runs. */
static int segment_find_data(int fd, uint64_t size, struct page_runs *runs)
{
	uint64_t at = 0;

	while (at < size) {
		int64_t data = sys_lseek(fd, (int64_t)at, SEEK_DATA), hole;
		uint64_t end;
		int r;

		if (data == -ENXIO)
			return 0;
		if (data < 0)
			return (int)data;
		hole = sys_lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return (int)hole;
		at = ROUND_DOWN((uint64_t)data, PAGE_SIZE);
		end = ROUND_UP(MIN((uint64_t)hole, size), PAGE_SIZE);
		if (at >= end)
			return 0;
		r = page_runs_add(runs, at, (end - at) / PAGE_SIZE, RUN_PRESENT);
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

/* The mapping of the segment that the model knows. */
static const struct vma *segment_mapping(const struct shmem *shmem)
{
	return shmem->task && shmem->task->mm ? mm_find(shmem->task->mm, shmem->at) : NULL;
}

/* Without the right to open the file: the mapping, if it shows all of the segment. */
static int segment_through_mapping(struct source *s, const struct pump_segment *seg)
{
	const struct vma *v = segment_mapping(seg->shmem);
	uint64_t size = ROUND_UP(seg->shmem->size, PAGE_SIZE);

	if (!v || v->pgoff != 0 || v->end - v->start < size || size > MAPPED_SEGMENT_MAX)
		return -EPERM;
	s->proc = seg->proc;
	s->base = v->start;
	return page_runs_add(&s->own_runs, 0, size / PAGE_SIZE, RUN_PRESENT);
}

static int segment_open(struct source *s, const struct pump_segment *seg)
{
	const struct vma *v;

	if (seg->fd >= 0) {
		s->fd = segment_open_fd(seg->fd);
		return s->fd < 0 ? s->fd : 0;
	}
	v = segment_mapping(seg->shmem);
	if (!v || !seg->proc)
		return -EINVAL;
	s->fd = proc_map_file_open(seg->proc, v->start, v->end, O_RDONLY);
	if (s->fd == -EPERM || s->fd == -EACCES)
		return segment_through_mapping(s, seg);
	return s->fd < 0 ? s->fd : 0;
}

int pump_add_segment(struct pump *p, const struct pump_segment *seg)
{
	scoped(source_free) struct source *s =
		source_new(IMAGE_SHMEM_PAGEMAP, seg->shmem->shmid, seg->pages_id);
	int r;

	if (!s)
		return -ENOMEM;
	s->is_segment = true;
	r = segment_open(s, seg);
	if (r == 0 && s->fd >= 0)
		r = segment_find_data(s->fd, seg->shmem->size, &s->own_runs);
	if (r == 0)
		r = vec_push(&p->sources, s);
	if (r < 0)
		return r;
	p->counts.shared_scanned += page_runs_count(s->runs, RUN_PRESENT);
	(void)ptr_take(&s); /* the pump's now */
	return 0;
}

/* ---- all of it ---- */

uint64_t pump_bytes(const struct pump *p)
{
	uint64_t pages = 0;

	vec_for_each(s, &p->sources)
		pages += page_runs_count((*s)->runs, RUN_PRESENT);
	return pages * PAGE_SIZE;
}

int pump_run(struct pump *p, struct pump_error *ret_error)
{
	int r;

	p->caller = sys_gettid();
	r = crew_run(crew_size(pump_bytes(p), p->config.max_threads), pump_work, p);
	if (r < 0) {
		*ret_error = p->error;
		return r;
	}
	vec_for_each(at, &p->sources) {
		const struct source *s = *at;

		*(s->is_segment ? &p->counts.shared_written : &p->counts.written) += s->pages;
		*(s->is_segment ? &p->counts.shared_zero : &p->counts.zero) += s->zero;
	}
	return 0;
}

const struct pump_counts *pump_counts(const struct pump *p)
{
	return &p->counts;
}

int pump_error_text(const struct pump_error *e, struct str *out)
{
	if (e->image.what[0])
		return image_error_text(&e->image, out);
	if (e->pid)
		return str_addf(out, "task %d: the page at 0x%" PRIx64 " cannot be read", e->pid,
				e->va);
	if (e->shmid)
		return str_addf(out,
				"shared segment %" PRIu64 ": the page at offset 0x%" PRIx64
				" cannot be read",
				e->shmid, e->va);
	return str_addf(out, "memory cannot be moved");
}
