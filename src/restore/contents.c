/*
 * Memory contents on the restore side: the stored pages of every address space and segment are
 * found and checked with the rest of the images, before anything is created; they are read into
 * place later, by whoever the memory belongs to.
 */
#include <inttypes.h>

#include "image/error.h"
#include "pages/fill.h"
#include "pages/store.h"
#include "report/log.h"
#include "restore/restore_int.h"

enum { STORE_MM, STORE_SHMEM };

static int store_open(struct restore *r, enum image_type type, uint64_t id, struct page_store **ret)
{
	struct image_error err = { 0 };
	int rc = page_store_open(r->chain, type, id, &err, ret);

	return rc < 0 ? images_load_failed(r->report, rc, &err) : 0;
}

static int store_keep_take(struct restore *r, unsigned what, uint64_t id, struct page_store *store)
{
	int rc = map_set(&r->stores, what, id, store);

	if (rc < 0) {
		page_store_free(store);
		return report_fail(r->report, rc, "cannot note stored pages");
	}
	return 0;
}

/*
 * Mappings of which no page is stored are right as they are when fresh. They need not be writable
 * while we fill the others: the kernel would count them as memory of ours for good, and join what
 * was apart.
 */
static void mm_note_pages(struct mm *mm, const struct page_pieces *pieces)
{
	size_t i = 0;

	vec_for_each(v, &mm->vmas) {
		while (i < pieces->n && page_piece_end(&pieces->at[i]) <= (*v)->start)
			i++;
		if (i == pieces->n || pieces->at[i].va >= (*v)->end)
			(*v)->has_pages = false;
	}
}

static int load_mm_contents(struct restore *r, struct mm *mm)
{
	struct image_error err = { 0 };
	struct page_store *store;
	int rc = store_open(r, IMAGE_PAGEMAP, (uint64_t)mm->owner->pid, &store);

	if (rc < 0)
		return rc;
	rc = page_store_check_mm(store, mm, &err);
	if (rc < 0) {
		page_store_free(store);
		return images_load_failed(r->report, rc, &err);
	}
	mm_note_pages(mm, page_store_pieces(store));
	r->stats->bytes += page_store_pages(store) * PAGE_SIZE;
	rc = store_keep_take(r, STORE_MM, mm->id, store);
	return rc == 0 ? restore_load_vdso(r, mm, store) : rc;
}

static int load_shmem_contents(struct restore *r, const struct shmem *s)
{
	struct image_error err = { 0 };
	struct page_store *store;
	int rc;

	if (s->stored)
		return 0;
	rc = store_open(r, IMAGE_SHMEM_PAGEMAP, s->shmid, &store);
	if (rc < 0)
		return rc;
	rc = page_store_check_segment(store, s->size, &err);
	if (rc < 0) {
		page_store_free(store);
		return images_load_failed(r->report, rc, &err);
	}
	r->stats->bytes += page_store_pages(store) * PAGE_SIZE;
	return store_keep_take(r, STORE_SHMEM, s->shmid, store);
}

int restore_load_contents(struct restore *r)
{
	int rc = page_chain_new(r->in.dir, &r->chain);

	if (rc < 0)
		return report_fail(r->report, rc, "cannot look for stored pages");
	r->huge_always = fill_huge_always();
	rc = restore_find_specials(r);
	vec_for_each(mm, &r->model.mms)
		rc = rc < 0 ? rc : load_mm_contents(r, *mm);
	vec_for_each(s, &r->model.shmems)
		rc = rc < 0 ? rc : load_shmem_contents(r, *s);
	return rc;
}

void restore_forget_contents(struct restore *r)
{
	map_for_each(e, &r->stores)
		page_store_free(e->value);
	map_done(&r->stores);
	map_done(&r->vdsos);
	page_chain_free(r->chain);
}

static struct fill_config contents_config(const struct restore *r)
{
	/* One thread: more would take pids that tasks still to be born have. */
	return (struct fill_config){ .max_threads = 1, .huge_always = r->huge_always };
}

static void contents_count(struct restore *r, const struct fill_counts *n)
{
	struct shared_counts *c = &r->shared->counts;

	__atomic_add_fetch(&c->restored, n->restored, __ATOMIC_RELAXED);
	__atomic_add_fetch(&c->compared, n->compared, __ATOMIC_RELAXED);
	__atomic_add_fetch(&c->skipped_cow, n->shared, __ATOMIC_RELAXED);
}

int memory_fill(struct restore *r, struct task *t)
{
	const struct page_store *store = map_find(&r->stores, STORE_MM, t->mm->id);
	const struct fill_config config = contents_config(r);
	struct fill_counts counts = { 0 };
	struct image_error err = { 0 };
	int rc = page_fill_mm(store, t->mm, &config, &counts, &err);

	contents_count(r, &counts);
	return rc < 0 ? images_load_failed(r->report, rc, &err) : 0;
}

int shmem_fill(struct restore *r, const struct shmem *s)
{
	const struct page_store *store = map_find(&r->stores, STORE_SHMEM, s->shmid);
	const struct fill_segment segment = { .fd = s->made_fd,
					      .is_hugetlb = s->hugetlb,
					      .size = s->size };
	const struct fill_config config = contents_config(r);
	struct fill_counts counts = { 0 };
	struct image_error err = { 0 };
	int rc = page_fill_segment(store, &segment, &config, &counts, &err);

	contents_count(r, &counts);
	return rc < 0 ? images_load_failed(r->report, rc, &err) : 0;
}
