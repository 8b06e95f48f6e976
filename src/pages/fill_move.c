/* Moving parcels from pages files into place, by several threads. See fill_int.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "pages/fill_int.h"

#define BLOCK_PAGES (SUM_BLOCK / PAGE_SIZE)

/* One of the crew. Made before the threads are: a thread that allocates leaves mappings behind. */
struct filler {
	struct fill_counts counts;
	struct image_error err;
	uint8_t *buf; /* SUM_BLOCK bytes */
};

int fill_add(struct fill *f, const struct page_piece *piece, uint64_t at, enum place place)
{
	uint64_t done = 0;

	while (done < piece->n) {
		uint64_t page = piece->page + done;
		uint64_t n = MIN(piece->n - done, BLOCK_PAGES - page % BLOCK_PAGES);
		int r = vec_push(&f->parcels, (struct parcel){ .file = piece->file,
							       .page = page,
							       .n = n,
							       .at = at + done * PAGE_SIZE,
							       .place = place });

		if (r < 0)
			return image_fail(f->err, page_store_name(f->store), r, "out of memory");
		done += n;
	}
	return 0;
}

/* ---- one block ---- */

/* The parcels of one block, claimed together. */
struct batch {
	const struct parcel *first;
	size_t n;
	uint64_t block, from, to; /* pages of the file */
};

/* Under the lock. */
static bool batch_claim(struct fill *f, struct batch *b)
{
	const struct parcel *p;

	if (f->failed || f->next == f->parcels.n)
		return false;
	p = b->first = &f->parcels.at[f->next];
	b->n = 0;
	b->block = p->page / BLOCK_PAGES;
	b->from = b->to = p->page;
	for (; f->next < f->parcels.n; f->next++, p++, b->n++) {
		if (p->file != b->first->file || p->page / BLOCK_PAGES != b->block)
			break;
		b->to = p->page + p->n;
	}
	return true;
}

static int place_fail(struct filler *w, const struct fill *f, uint64_t at, int r)
{
	return image_fail(&w->err, page_store_name(f->store), r,
			  "its pages cannot be put at 0x%" PRIx64, at);
}

/* EFAULT is about our memory; what went wrong with the file is in the file's own error. */
static int read_fail(struct filler *w, const struct fill *f, const struct parcel *p, int r)
{
	return r == -EFAULT ? place_fail(w, f, p->at, r) : r;
}

static int parcel_compare(struct filler *w, const struct fill *f, const struct parcel *p,
			  const uint8_t *contents)
{
	uint8_t *at = (uint8_t *)p->at;
	/* Where we could not look what is there, it may be a file's, which may be too short. */
	int r = sys_madvise(at, p->n * PAGE_SIZE, MADV_POPULATE_READ);

	if (r < 0 && r != -EINVAL)
		return place_fail(w, f, p->at, r);
	for (uint64_t i = 0; i < p->n; i++, at += PAGE_SIZE, contents += PAGE_SIZE) {
		if (memcmp(at, contents, PAGE_SIZE) == 0) {
			w->counts.shared++;
			continue;
		}
		memcpy(at, contents, PAGE_SIZE);
		w->counts.restored++;
	}
	w->counts.compared += p->n;
	return 0;
}

static int parcel_place(struct filler *w, const struct fill *f, const struct parcel *p,
			const uint8_t *contents)
{
	size_t len = p->n * PAGE_SIZE;
	int r = 0;

	switch (p->place) {
	case PLACE_COMPARE:
		return parcel_compare(w, f, p, contents);
	case PLACE_READ:
		/* Not copied from the buffer: where memory cannot be had, a system call fails and
		 * we do not. */
		r = image_raw_read(f->raws[p->file], (void *)p->at, len, p->page * PAGE_SIZE);
		if (r < 0)
			return read_fail(w, f, p, r);
		break;
	case PLACE_FRESH:
		r = fresh_fill(f->fresh, p->at, contents, p->n);
		break;
	case PLACE_WRITE:
		r = fd_pwrite_all(f->segment, contents, len, p->at);
		break;
	}
	w->counts.restored += p->n;
	return r < 0 ? place_fail(w, f, p->at, r) : 0;
}

/* Whether the whole batch is one read into place. */
static bool batch_is_direct(const struct batch *b, uint64_t from, uint64_t to)
{
	return b->n == 1 && b->first->place == PLACE_READ && b->from == from && b->to == to;
}

static bool batch_needs_buffer(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->first[i].place != PLACE_READ)
			return true;
	}
	return false;
}

static int batch_move(struct filler *w, const struct fill *f, const struct batch *b)
{
	struct image_raw *raw = f->raws[b->first->file];
	bool check = !f->config->skip_sums && page_store_has_sums(f->store, b->first->file);
	uint64_t from = check ? b->block * BLOCK_PAGES : b->from, to = b->to;
	size_t len;
	int r = 0;

	if (check)
		to = MIN(from + BLOCK_PAGES, image_raw_size(raw) / PAGE_SIZE);
	len = (to - from) * PAGE_SIZE;
	/* A file's last block may end with bytes that are no page: then its sum is not of pages. */
	check = check && (to - from == BLOCK_PAGES || to * PAGE_SIZE == image_raw_size(raw));

	if (batch_is_direct(b, from, to)) {
		r = image_raw_read(raw, (void *)b->first->at, len, from * PAGE_SIZE);
		if (r == 0 && check)
			r = image_raw_check_block(raw, b->block, (void *)b->first->at, len);
		w->counts.restored += b->first->n;
		return r < 0 ? read_fail(w, f, b->first, r) : 0;
	}
	if (check || batch_needs_buffer(b)) {
		r = image_raw_read(raw, w->buf, len, from * PAGE_SIZE);
		if (r == 0 && check)
			r = image_raw_check_block(raw, b->block, w->buf, len);
		if (r < 0)
			return read_fail(w, f, b->first, r);
	}
	for (size_t i = 0; i < b->n && r == 0; i++)
		r = parcel_place(w, f, &b->first[i],
				 w->buf + (b->first[i].page - from) * PAGE_SIZE);
	return r;
}

/* ---- all of them ---- */

static int work(void *arg)
{
	struct fill *f = arg;
	struct filler *w;
	struct batch b = { 0 };
	int r = 0;

	(void)pthread_mutex_lock(&f->lock);
	assert(f->started < f->n_fillers);
	w = &f->fillers[f->started++];
	while (r == 0 && batch_claim(f, &b)) {
		(void)pthread_mutex_unlock(&f->lock);
		r = batch_move(w, f, &b);
		(void)pthread_mutex_lock(&f->lock);
	}
	if (r < 0 && !f->failed) {
		f->failed = r;
		f->failed_error = w->err.what[0] ? &w->err : &f->raw_errors[b.first->file];
	}
	(void)pthread_mutex_unlock(&f->lock);
	return r;
}

static int parcel_order(const void *a, const void *b)
{
	const struct parcel *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->page < y->page ? -1 : x->page > y->page;
}

/* Files without a parcel stay closed. */
static int open_files(struct fill *f)
{
	size_t n = page_store_files(f->store);

	f->raws = NEW_ARRAY(struct image_raw *, n);
	f->raw_errors = NEW_ARRAY(struct image_error, n);
	if (!f->raws || !f->raw_errors)
		return -ENOMEM;
	vec_for_each(p, &f->parcels) {
		int r;

		if (f->raws[p->file])
			continue;
		r = page_store_open_file(f->store, p->file, &f->raw_errors[p->file],
					 &f->raws[p->file]);
		if (r < 0) {
			if (f->err)
				*f->err = f->raw_errors[p->file];
			return r;
		}
	}
	return 0;
}

static int hire(struct fill *f, uint64_t bytes)
{
	unsigned n = crew_size(bytes, f->config->max_threads);

	f->fillers = NEW_ARRAY(struct filler, n);
	if (!f->fillers)
		return -ENOMEM;
	for (f->n_fillers = 0; f->n_fillers < n; f->n_fillers++) {
		struct filler *w = &f->fillers[f->n_fillers];

		w->buf = mem_alloc(1, SUM_BLOCK);
		if (!w->buf)
			return -ENOMEM;
	}
	return 0;
}

int fill_run(struct fill *f)
{
	uint64_t pages = 0;
	int r;

	vec_for_each(p, &f->parcels)
		pages += p->n;
	if (pages == 0)
		return 0;
	qsort(f->parcels.at, f->parcels.n, sizeof(f->parcels.at[0]), parcel_order);
	r = open_files(f);
	if (r == 0)
		r = hire(f, pages * PAGE_SIZE);
	if (r == -ENOMEM)
		return image_fail(f->err, page_store_name(f->store), r, "out of memory");
	if (r < 0)
		return r;
	r = crew_run(f->n_fillers, work, f);
	for (unsigned i = 0; i < f->n_fillers; i++) {
		f->counts->restored += f->fillers[i].counts.restored;
		f->counts->compared += f->fillers[i].counts.compared;
		f->counts->shared += f->fillers[i].counts.shared;
	}
	if (r < 0 && f->err)
		*f->err = *f->failed_error;
	return r;
}

void fill_done(struct fill *f)
{
	for (size_t i = 0; f->raws && i < page_store_files(f->store); i++)
		image_raw_free(f->raws[i]);
	mem_free(f->raws);
	mem_free(f->raw_errors);
	for (unsigned i = 0; i < f->n_fillers; i++)
		mem_free(f->fillers[i].buf);
	mem_free(f->fillers);
	vec_done(&f->parcels);
	fd_close(f->fresh);
}
