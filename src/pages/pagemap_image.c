/* Page maps as files. See pagemap_image.h. */
#include "pages/pagemap_image.h"

#include <inttypes.h>

#include "image/reader.h"
#include "image/writer.h"
#include "schema/pagemap.pb-c.h"

/* Where user space ends on any CPU; an address or offset beyond is damage. */
#define VA_END (UINT64_C(1) << 63)

/* A pagemap is read in bites, so that its records need not all be in memory at once. */
#define ENTRIES_PER_BITE 1024

static int run_save(struct image_writer *out, const struct page_run *run)
{
	PagemapEntry e = PAGEMAP_ENTRY__INIT;

	/* The count for old readers is 0, as CRIU 4 writes it. */
	e.vaddr = run->va;
	e.has_flags = true;
	e.flags = run->flags;
	e.has_nr_pages = true;
	e.nr_pages = run->n;
	return image_write(out, &e.base);
}

static int runs_save(struct image_writer *out, const struct page_runs *runs)
{
	struct page_run next = { 0 };
	int r = 0;

	vec_for_each(run, runs) {
		uint32_t flags = run->flags & RUN_IMAGE_FLAGS;

		if (next.n && next.flags == flags && page_run_end(&next) == run->va) {
			next.n += run->n;
			continue;
		}
		if (next.n)
			r = run_save(out, &next);
		if (r < 0)
			return r;
		next = (struct page_run){ .va = run->va, .n = run->n, .flags = flags };
	}
	return next.n ? run_save(out, &next) : 0;
}

int pagemap_image_save(struct image_dir *dir, const struct pagemap_image *pm,
		       struct image_error *err)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	PagemapHead head = PAGEMAP_HEAD__INIT;
	int r;

	r = image_writer_create(dir, pm->type, pm->id, err, &out);
	if (r < 0)
		return r;
	head.pages_id = pm->pages_id;
	r = image_write(out, &head.base);
	if (r == 0)
		r = runs_save(out, pm->runs);
	return r < 0 ? r : image_writer_finish(out);
}

/* The flags of an entry, those of older images translated. 0 and the flags, or -errno. */
static int entry_flags(struct image_reader *in, const PagemapEntry *e, uint32_t *ret_flags)
{
	uint32_t flags = e->flags;

	if (e->has_in_parent && e->in_parent)
		flags |= RUN_PARENT;
	else if (!e->has_flags)
		flags = RUN_PRESENT;
	if (flags & ~RUN_IMAGE_FLAGS)
		return image_reader_fail(in, -ENOTSUP, "pages with flags 0x%" PRIx32, flags);
	if (flags != RUN_PARENT && flags != RUN_PRESENT && flags != RUN_LAZY &&
	    flags != (RUN_PRESENT | RUN_LAZY) && flags != (RUN_PARENT | RUN_LAZY))
		return image_reader_fail(in, -EUCLEAN, "pages with contradictory flags 0x%" PRIx32,
					 flags);
	/* What is in the parent can be taken from there, now or later. */
	*ret_flags = flags & RUN_PARENT ? RUN_PARENT : flags;
	return 0;
}

static int entry_load(struct image_reader *in, const PagemapEntry *e, struct page_runs *runs)
{
	uint64_t n = e->has_nr_pages ? e->nr_pages : e->compat_nr_pages;
	const struct page_run *last = runs->n ? &runs->at[runs->n - 1] : NULL;
	uint32_t flags = 0;
	int r;

	if (e->vaddr % PAGE_SIZE)
		return image_reader_fail(in, -EUCLEAN, "address 0x%" PRIx64 " is not a page's",
					 e->vaddr);
	if (n == 0)
		return image_reader_fail(in, -EUCLEAN, "no pages at 0x%" PRIx64, e->vaddr);
	if (e->vaddr >= VA_END || n > (VA_END - e->vaddr) / PAGE_SIZE)
		return image_reader_fail(in, -EUCLEAN, "%" PRIu64 " pages at 0x%" PRIx64, n,
					 e->vaddr);
	if (last && e->vaddr < page_run_end(last))
		return image_reader_fail(in, -EUCLEAN,
					 "pages at 0x%" PRIx64 " follow those up to 0x%" PRIx64,
					 e->vaddr, page_run_end(last));
	r = entry_flags(in, e, &flags);
	if (r < 0)
		return r;
	return page_runs_add(runs, e->vaddr, n, flags);
}

/* Up to ENTRIES_PER_BITE entries: 1 when there may be more, 0 at the end. */
static int bite_load(struct image_reader *in, struct page_runs *runs)
{
	scoped(arena_done) struct arena a = { 0 };
	ProtobufCMessage *msg;

	for (unsigned i = 0; i < ENTRIES_PER_BITE; i++) {
		int r = image_read(in, &a, &msg);

		if (r <= 0)
			return r;
		r = entry_load(in, (const PagemapEntry *)msg, runs);
		if (r < 0)
			return r;
	}
	return 1;
}

int pagemap_image_load(struct image_dir *dir, struct pagemap_image *pm, struct image_error *err)
{
	scoped(image_reader_free) struct image_reader *in = NULL;
	scoped(arena_done) struct arena a = { 0 };
	ProtobufCMessage *msg;
	int r;

	r = image_reader_open(dir, pm->type, pm->id, err, &in);
	if (r < 0)
		return r;
	r = image_read(in, &a, &msg);
	if (r < 0)
		return r;
	if (r == 0)
		return image_reader_fail(in, -EUCLEAN, "no head");
	pm->pages_id = ((const PagemapHead *)msg)->pages_id;
	do
		r = bite_load(in, pm->runs);
	while (r > 0);
	return r;
}
