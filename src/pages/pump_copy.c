/*
 * The pump's workers. Each takes a portion of pages, reads it, leaves zeros out, takes an offset in
 * the pages file when all portions before have theirs, and writes. See pump.h for the picture.
 */
#include <string.h>

#include "kernel/sys.h"
#include "pages/pump_int.h"
#include "pages/zero.h"

struct portion {
	struct source *source;
	uint64_t number;
	size_t pages; /* with contents */
	bool is_last; /* of its source */
	size_t n_runs;
	struct page_run runs[PORTION_RUNS];
};

struct worker {
	struct pump *pump;
	struct portion portion;
	struct page_runs kept; /* of the portion, without zeros */
	size_t kept_pages;     /* contents at the beginning of buf */
	uint64_t at;           /* the first one's place in the file, in pages */
	struct mem_remote mem;
	const struct proc_pid *mem_of;
	struct pump_error error;
	uint8_t *buf; /* SUM_BLOCK bytes */
};

static int fail_in_image(struct worker *w, const struct source *s, int r)
{
	w->error.image = s->error;
	if (!w->error.image.what[0]) {
		char name[IMAGE_NAME_MAX];

		image_name(IMAGE_PAGES, s->image.pages_id, name);
		return image_fail(&w->error.image, name, r, "cannot be written");
	}
	return r;
}

/* ---- claiming ---- */

/* Under the lock. Moves pages of the current source into the portion. */
static void portion_take(struct pump *p, struct portion *o)
{
	const struct page_runs *runs = o->source->runs;

	o->n_runs = 0;
	o->pages = 0;
	while (p->run < runs->n && o->n_runs < PORTION_RUNS && o->pages < PORTION_PAGES) {
		const struct page_run *run = &runs->at[p->run];
		bool is_present = run->flags & RUN_PRESENT;
		uint64_t n = run->n - p->page;

		if (is_present)
			n = MIN(n, (uint64_t)(PORTION_PAGES - o->pages));
		o->runs[o->n_runs++] = (struct page_run){ .va = run->va + p->page * PAGE_SIZE,
							  .n = n,
							  .flags = run->flags };
		if (is_present)
			o->pages += n;
		p->page += n;
		if (p->page == run->n) {
			p->run++;
			p->page = 0;
		}
	}
}

/* Under the lock. 1 with a portion, 0 when there are no more. */
static int portion_claim(struct worker *w)
{
	struct pump *p = w->pump;
	struct portion *o = &w->portion;
	struct source *s;

	if (p->failed || p->source == p->sources.n)
		return 0;
	s = p->sources.at[p->source];
	if (!s->raw) {
		int r = image_raw_create(p->config.images, IMAGE_PAGES, s->image.pages_id,
					 &s->error, &s->raw);

		if (r < 0)
			return fail_in_image(w, s, r);
	}
	o->source = s;
	o->number = p->claimed++;
	portion_take(p, o);
	o->is_last = p->run == s->runs->n;
	s->portions++;
	if (o->is_last) {
		s->is_claimed = true;
		p->source++;
		p->run = 0;
	}
	return 1;
}

/* ---- reading ---- */

/* Finds the page that cannot be read, for the message. */
static int find_unreadable(struct worker *w, const struct source *s, uint64_t va, uint64_t n)
{
	int r = -EFAULT;

	for (uint64_t i = 0; i < n; i++, va += PAGE_SIZE) {
		r = mem_read(&w->mem, REMOTE(s->base + va), w->buf, PAGE_SIZE);
		if (r < 0)
			break;
	}
	w->error.pid = s->is_segment ? 0 : (pid_t)s->image.id;
	w->error.shmid = s->is_segment ? s->image.id : 0;
	w->error.va = va;
	return r < 0 ? r : -EFAULT;
}

/*
 * From the memory of a task. What does not come with the bulk (no read permission) is read run by
 * run the slow way, then the bulk goes on behind it.
 */
static int read_task(struct worker *w)
{
	const struct portion *o = &w->portion;
	const struct source *s = o->source;
	struct iovec from[PORTION_RUNS];
	size_t n = 0, next = 0, done = 0, len = o->pages * PAGE_SIZE;

	for (size_t i = 0; i < o->n_runs; i++) {
		if (o->runs[i].flags & RUN_PRESENT)
			from[n++] = (struct iovec){ (void *)(s->base + o->runs[i].va),
						    o->runs[i].n * PAGE_SIZE };
	}
	for (; w->pump->config.keep_sharing && next < n; next++) {
		int r = mem_read_unpinned(&w->mem, REMOTE((uintptr_t)from[next].iov_base),
					  w->buf + done, from[next].iov_len);

		if (r == -EFAULT)
			return find_unreadable(w, s, (uintptr_t)from[next].iov_base - s->base,
					       from[next].iov_len / PAGE_SIZE);
		if (r < 0)
			return r;
		done += from[next].iov_len;
	}
	while (next < n) {
		ssize_t got =
			mem_read_ranges(&w->mem, &from[next], n - next, w->buf + done, len - done);
		size_t rest;
		int r;

		if (got == -ESRCH || got == -EPERM || got == -ENOMEM)
			return (int)got;
		/* Whole pages only: a fault in the middle of one is none we know. */
		for (rest = got < 0 ? 0 : ROUND_DOWN((size_t)got, PAGE_SIZE);
		     next < n && rest >= from[next].iov_len; next++) {
			rest -= from[next].iov_len;
			done += from[next].iov_len;
		}
		if (next == n)
			break;
		from[next].iov_base = (char *)from[next].iov_base + rest;
		from[next].iov_len -= rest;
		done += rest;
		r = mem_read(&w->mem, REMOTE((uintptr_t)from[next].iov_base), w->buf + done,
			     from[next].iov_len);
		if (r == -EFAULT)
			return find_unreadable(w, s, (uintptr_t)from[next].iov_base - s->base,
					       from[next].iov_len / PAGE_SIZE);
		if (r < 0)
			return r;
		done += from[next++].iov_len;
	}
	return 0;
}

/* From the file of a segment. What was cut off it since it was looked at reads as zeros. */
static int read_segment(struct worker *w)
{
	const struct portion *o = &w->portion;
	const struct source *s = o->source;
	uint8_t *to = w->buf;

	for (size_t i = 0; i < o->n_runs; i++) {
		const struct page_run *run = &o->runs[i];
		size_t len = run->n * PAGE_SIZE, done = 0;

		while (done < len) {
			ssize_t n =
				sys_pread(s->fd, to + done, len - done, (int64_t)(run->va + done));

			if (n == -EINTR)
				continue;
			if (n < 0) {
				w->error.shmid = s->image.id;
				w->error.va = ROUND_DOWN(run->va + done, PAGE_SIZE);
				return (int)n;
			}
			if (n == 0)
				break;
			done += (size_t)n;
		}
		memset(to + done, 0, len - done);
		to += len;
	}
	return 0;
}

static int portion_read(struct worker *w)
{
	const struct source *s = w->portion.source;

	if (w->portion.pages == 0)
		return 0;
	if (s->fd >= 0)
		return read_segment(w);
	if (w->mem_of != s->proc) {
		mem_remote_done(&w->mem);
		w->mem = mem_remote_of(s->proc);
		w->mem_of = s->proc;
	}
	return read_task(w);
}

/* ---- zeros ---- */

/* Lists what is kept and moves its contents together at the beginning of the buffer. */
static int portion_drop_zeros(struct worker *w)
{
	const struct portion *o = &w->portion;
	uint8_t *from = w->buf, *to = w->buf;
	int r = 0;

	w->kept.n = 0;
	for (size_t i = 0; i < o->n_runs && r == 0; i++) {
		const struct page_run *run = &o->runs[i];
		bool may_drop = !w->pump->config.keep_zero && !(run->flags & RUN_KEEP_ZERO);

		if (!(run->flags & RUN_PRESENT)) {
			r = page_runs_add(&w->kept, run->va, run->n, run->flags);
			continue;
		}
		for (uint64_t j = 0; j < run->n && r == 0; j++, from += PAGE_SIZE) {
			if (may_drop && page_is_zero(from))
				continue;
			if (to != from)
				memcpy(to, from, PAGE_SIZE);
			to += PAGE_SIZE;
			r = page_runs_add(&w->kept, run->va + j * PAGE_SIZE, 1, run->flags);
		}
	}
	w->kept_pages = (size_t)(to - w->buf) / PAGE_SIZE;
	return r;
}

/* Waits for the portions before, then takes the place behind theirs. */
static int portion_commit(struct worker *w)
{
	struct pump *p = w->pump;
	struct source *s = w->portion.source;
	int r;

	(void)pthread_mutex_lock(&p->lock); /* fails only when used wrongly; so below */
	while (p->committed != w->portion.number && !p->failed)
		(void)pthread_cond_wait(&p->turn, &p->lock);
	r = p->failed;
	if (r == 0) {
		w->at = s->pages;
		s->pages += w->kept_pages;
		s->zero += w->portion.pages - w->kept_pages;
		vec_for_each(run, &w->kept) {
			if (r == 0)
				r = page_runs_add(&s->written, run->va, run->n, run->flags);
		}
		p->committed++;
		(void)pthread_cond_broadcast(&p->turn);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return r;
}

/* ---- writing ---- */

/* Under the lock. The sheet of a block, a fresh one when there is none; NULL: out of memory. */
static struct sheet *sheet_get(struct pump *p, struct source *s, uint64_t block)
{
	struct sheet *sheet;

	list_for_each(sheet, &s->sheets, link) {
		if (sheet->block == block)
			return sheet;
	}
	if (!list_is_empty(&p->spare)) {
		sheet = list_entry(p->spare.next, struct sheet, link);
		list_del(&sheet->link);
	} else {
		sheet = NEW(struct sheet);
		if (!sheet)
			return NULL;
		list_init(&sheet->link);
		sheet->buf = mem_alloc(1, SUM_BLOCK);
		if (!sheet->buf) {
			mem_free(sheet);
			return NULL;
		}
	}
	sheet->block = block;
	sheet->filled = 0;
	list_add_tail(&s->sheets, &sheet->link);
	return sheet;
}

/* Writes a sheet that nobody adds to any more, and keeps its memory for the next. */
static int sheet_write(struct worker *w, struct source *s, struct sheet *sheet)
{
	struct pump *p = w->pump;
	int r = image_raw_write_block(s->raw, sheet->block, sheet->buf, sheet->filled);

	(void)pthread_mutex_lock(&p->lock);
	list_del(&sheet->link);
	list_add(&p->spare, &sheet->link);
	(void)pthread_mutex_unlock(&p->lock);
	return r < 0 ? fail_in_image(w, s, r) : 0;
}

/* Puts bytes that lie inside one block of the file in their place. */
static int block_add(struct worker *w, struct source *s, uint64_t offset, const uint8_t *bytes,
		     size_t len)
{
	struct pump *p = w->pump;
	struct sheet *sheet;
	bool is_full;

	(void)pthread_mutex_lock(&p->lock);
	sheet = sheet_get(p, s, offset / SUM_BLOCK);
	(void)pthread_mutex_unlock(&p->lock);
	if (!sheet)
		return -ENOMEM;

	memcpy(sheet->buf + offset % SUM_BLOCK, bytes, len);

	(void)pthread_mutex_lock(&p->lock);
	sheet->filled += len;
	is_full = sheet->filled == SUM_BLOCK;
	(void)pthread_mutex_unlock(&p->lock);
	return is_full ? sheet_write(w, s, sheet) : 0;
}

static int portion_write(struct worker *w)
{
	struct source *s = w->portion.source;
	uint64_t offset = w->at * PAGE_SIZE;
	size_t len = w->kept_pages * PAGE_SIZE, first;
	int r = 0;

	if (len == 0)
		return 0;
	/* The common case: nothing was left out before, and the portion is a block. */
	if (offset % SUM_BLOCK == 0 && (len == SUM_BLOCK || w->portion.is_last)) {
		r = image_raw_write_block(s->raw, offset / SUM_BLOCK, w->buf, len);
		return r < 0 ? fail_in_image(w, s, r) : 0;
	}
	first = MIN(len, SUM_BLOCK - offset % SUM_BLOCK);
	r = block_add(w, s, offset, w->buf, first);
	if (r == 0 && len > first)
		r = block_add(w, s, offset + first, w->buf + first, len - first);
	return r;
}

/* All portions of a source are in place: the block that is not full, then the pagemap. */
static int source_finish(struct worker *w, struct source *s)
{
	int r = 0;

	if (!list_is_empty(&s->sheets)) {
		struct sheet *last = list_entry(s->sheets.next, struct sheet, link);

		assert(last->block * SUM_BLOCK + last->filled == s->pages * PAGE_SIZE);
		r = sheet_write(w, s, last);
		assert(list_is_empty(&s->sheets));
	}
	if (r == 0)
		r = image_raw_finish(s->raw);
	if (r == 0)
		r = pagemap_image_save(w->pump->config.images, &s->image, &s->error);
	if (r < 0)
		return fail_in_image(w, s, r);
	image_raw_free(ptr_take(&s->raw));
	return 0;
}

static int portion_finish(struct worker *w)
{
	struct pump *p = w->pump;
	struct source *s = w->portion.source;
	bool is_done;
	uint64_t moved;

	(void)pthread_mutex_lock(&p->lock);
	is_done = --s->portions == 0 && s->is_claimed;
	p->moved += w->kept_pages * PAGE_SIZE;
	moved = p->moved;
	(void)pthread_mutex_unlock(&p->lock);

	if (p->config.progress && sys_gettid() == p->caller)
		p->config.progress(p->config.progress_arg, moved);
	return is_done ? source_finish(w, s) : 0;
}

/* ---- the loop ---- */

static int portion_move(struct worker *w)
{
	int r = portion_read(w);

	if (r == 0)
		r = portion_drop_zeros(w);
	if (r == 0)
		r = portion_commit(w);
	if (r == 0)
		r = portion_write(w);
	return r < 0 ? r : portion_finish(w);
}

/* The first failure is everybody's: those who wait for their turn wake up. */
static void worker_fail(struct worker *w, int r)
{
	struct pump *p = w->pump;

	(void)pthread_mutex_lock(&p->lock);
	if (!p->failed) {
		p->failed = r;
		p->error = w->error;
	}
	(void)pthread_cond_broadcast(&p->turn);
	(void)pthread_mutex_unlock(&p->lock);
}

static void worker_free(struct worker *w)
{
	if (!w)
		return;
	mem_remote_done(&w->mem);
	page_runs_done(&w->kept);
	mem_free(w->buf);
	mem_free(w);
}
SCOPED(struct worker *, worker_free);

static struct worker *worker_new(struct pump *p)
{
	scoped(worker_free) struct worker *w = NEW(struct worker);

	if (!w)
		return NULL;
	w->pump = p;
	w->mem = MEM_REMOTE(0);
	w->buf = mem_alloc(1, SUM_BLOCK);
	return w->buf ? ptr_take(&w) : NULL;
}

int pump_work(void *arg)
{
	struct pump *p = arg;
	scoped(worker_free) struct worker *w = worker_new(p);
	int r;

	/* Another worker may have what it needs: the job fails only if nobody does it. */
	if (!w)
		return sys_gettid() == p->caller ? -ENOMEM : 0;
	for (;;) {
		(void)pthread_mutex_lock(&p->lock);
		r = portion_claim(w);
		(void)pthread_mutex_unlock(&p->lock);
		if (r == 0)
			return 0;
		if (r > 0)
			r = portion_move(w);
		if (r < 0)
			break;
	}
	worker_fail(w, r);
	return r;
}
