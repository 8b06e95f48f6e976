/* Stored pages: detours through parents, and everything that can be wrong with a pagemap. */
#include "pages-test.h"

#include "image/writer.h"
#include "pages/store.h"
#include "schema/pagemap.pb-c.h"

#define PID 77

struct entry {
	uint64_t page, n;
	uint32_t flags;
};

static void entry_write(struct image_writer *out, const PagemapEntry *e)
{
	assert_int_equal(image_write(out, &e->base), 0);
}

static struct image_writer *pagemap_begin(struct image_dir *dir, uint32_t pages_id)
{
	struct image_writer *out = NULL;
	PagemapHead head = PAGEMAP_HEAD__INIT;

	head.pages_id = pages_id;
	assert_int_equal(image_writer_create(dir, IMAGE_PAGEMAP, PID, NULL, &out), 0);
	assert_int_equal(image_write(out, &head.base), 0);
	return out;
}

static void pagemap_end(struct image_writer *out)
{
	assert_int_equal(image_writer_finish(out), 0);
	image_writer_free(out);
}

static void pages_make(struct image_dir *dir, uint32_t id, uint64_t bytes)
{
	scoped(image_raw_free) struct image_raw *raw = NULL;

	assert_int_equal(image_raw_create(dir, IMAGE_PAGES, id, NULL, &raw), 0);
	assert_int_equal(ftruncate(image_raw_fd(raw), (off_t)bytes), 0);
	assert_int_equal(image_raw_finish(raw), 0);
}

/* A dump: entries up to one with n 0, and a pages file that is as long as they need. */
static void dump_make(const struct tmp_dir *t, uint32_t pages_id, const struct entry *entries)
{
	scoped(image_dir_free) struct image_dir *dir = dir_open(t, IMAGE_DIR_DUMP);
	struct image_writer *out = pagemap_begin(dir, pages_id);
	uint64_t pages = 0;

	for (; entries->n; entries++) {
		PagemapEntry e = PAGEMAP_ENTRY__INIT;

		e.vaddr = entries->page * PAGE_SIZE;
		e.has_flags = e.has_nr_pages = true;
		e.flags = entries->flags;
		e.nr_pages = entries->n;
		entry_write(out, &e);
		pages += entries->flags & RUN_PRESENT ? entries->n : 0;
	}
	pagemap_end(out);
	pages_make(dir, pages_id, pages * PAGE_SIZE);
}

static void parent_set(const struct tmp_dir *t, const char *target)
{
	scoped(image_dir_free) struct image_dir *dir = dir_open(t, IMAGE_DIR_DUMP);

	assert_int_equal(image_dir_set_parent(dir, target, NULL), 0);
}

/* An opened store with what it needs. */
struct opened {
	struct image_dir *dir;
	struct page_chain *chain;
	struct page_store *store;
	struct image_error err;
	int r;
};

static void opened_done(struct opened *o)
{
	page_store_free(o->store);
	page_chain_free(o->chain);
	image_dir_free(o->dir);
}
SCOPED_OBJECT(struct opened, opened_done);

static struct opened store_open(const struct tmp_dir *t)
{
	struct opened o = { .dir = dir_open(t, IMAGE_DIR_READ) };

	assert_int_equal(page_chain_new(o.dir, &o.chain), 0);
	o.r = page_store_open(o.chain, IMAGE_PAGEMAP, PID, &o.err, &o.store);
	return o;
}

static void expect_piece(const struct opened *o, size_t i, struct page_piece want)
{
	const struct page_pieces *p = page_store_pieces(o->store);

	assert_true(i < p->n);
	assert_int_equal(p->at[i].va / PAGE_SIZE, want.va);
	assert_int_equal(p->at[i].n, want.n);
	assert_int_equal(p->at[i].page, want.page);
	assert_int_equal(p->at[i].file, want.file);
}

static void plain_dump_is_a_list(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir t = tmp_dir_new();
	const struct entry entries[] = { { 16, 4, RUN_PRESENT },
					 { 20, 2, RUN_PRESENT | RUN_LAZY },
					 { 30, 1, RUN_PRESENT },
					 { 0 } };

	dump_make(&t, 3, entries);
	scoped(opened_done) struct opened o = store_open(&t);
	assert_int_equal(o.r, 0);
	assert_int_equal(page_store_pages(o.store), 7);
	expect_piece(&o, 0, (struct page_piece){ .va = 16, .n = 4, .page = 0 });
	expect_piece(&o, 1, (struct page_piece){ .va = 20, .n = 2, .page = 4 });
	expect_piece(&o, 2, (struct page_piece){ .va = 30, .n = 1, .page = 6 });
}

static void parents_are_looked_up(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir a = tmp_dir_new(), b = tmp_dir_new();
	scoped(tmp_dir_done) struct tmp_dir c = tmp_dir_new();
	const struct entry last[] = { { 16, 1, RUN_PRESENT },
				      { 17, 6, RUN_PARENT },
				      { 23, 1, RUN_PRESENT },
				      { 40, 2, RUN_PARENT },
				      { 0 } };
	const struct entry middle[] = { { 10, 3, RUN_PRESENT },
					{ 16, 3, RUN_PRESENT },
					{ 19, 2, RUN_PARENT },
					{ 21, 9, RUN_PRESENT },
					{ 40, 1, RUN_PRESENT },
					{ 41, 1, RUN_PARENT },
					{ 0 } };
	const struct entry first[] = { { 0x10, 32, RUN_PRESENT }, { 0 } };

	dump_make(&a, 7, last);
	dump_make(&b, 3, middle);
	dump_make(&c, 3, first);
	parent_set(&a, b.path);
	parent_set(&b, c.path);
	scoped(opened_done) struct opened o = store_open(&a);
	assert_int_equal(o.r, 0);
	assert_int_equal(page_store_files(o.store), 3);
	assert_int_equal(page_store_pages(o.store), 10);
	expect_piece(&o, 0, (struct page_piece){ .va = 16, .n = 1, .page = 0, .file = 0 });
	expect_piece(&o, 1, (struct page_piece){ .va = 17, .n = 2, .page = 4, .file = 1 });
	expect_piece(&o, 2, (struct page_piece){ .va = 19, .n = 2, .page = 3, .file = 2 });
	expect_piece(&o, 3, (struct page_piece){ .va = 21, .n = 2, .page = 6, .file = 1 });
	expect_piece(&o, 4, (struct page_piece){ .va = 23, .n = 1, .page = 1, .file = 0 });
	expect_piece(&o, 5, (struct page_piece){ .va = 40, .n = 1, .page = 15, .file = 1 });
	expect_piece(&o, 6, (struct page_piece){ .va = 41, .n = 1, .page = 25, .file = 2 });
}

static void old_entries_are_understood(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir a = tmp_dir_new(), b = tmp_dir_new();
	const struct entry first[] = { { 16, 32, RUN_PRESENT }, { 0 } };
	scoped(image_dir_free) struct image_dir *dir = dir_open(&a, IMAGE_DIR_DUMP);
	struct image_writer *out = pagemap_begin(dir, 1);
	PagemapEntry e = PAGEMAP_ENTRY__INIT;

	e.vaddr = 16 * PAGE_SIZE;
	e.compat_nr_pages = 2;
	entry_write(out, &e);
	e.vaddr = 20 * PAGE_SIZE;
	e.has_in_parent = e.in_parent = true;
	entry_write(out, &e);
	pagemap_end(out);
	pages_make(dir, 1, 2 * PAGE_SIZE);
	dump_make(&b, 1, first);
	parent_set(&a, b.path);

	scoped(opened_done) struct opened o = store_open(&a);
	assert_int_equal(o.r, 0);
	expect_piece(&o, 0, (struct page_piece){ .va = 16, .n = 2, .page = 0, .file = 0 });
	expect_piece(&o, 1, (struct page_piece){ .va = 20, .n = 2, .page = 4, .file = 1 });
}

/* ---- damage ---- */

static void expect_error(const struct opened *o, int r, const char *what)
{
	assert_int_equal(o->r, r);
	assert_null(o->store);
	if (!strstr(o->err.what, what))
		fail_msg("\"%s: %s\" does not say \"%s\"", o->err.file, o->err.what, what);
}

static void broken_entries_are_refused(void **state)
{
	static const struct {
		uint64_t vaddr, n;
		uint32_t flags;
		int r;
		const char *what;
	} cases[] = {
		{ 0x20001, 1, RUN_PRESENT, -EUCLEAN, "is not a page's" },
		{ 0x20000, 0, RUN_PRESENT, -EUCLEAN, "no pages at" },
		{ 0x20000, UINT64_MAX, RUN_PRESENT, -EUCLEAN, "pages at" },
		{ 0x20000, UINT64_MAX / PAGE_SIZE, RUN_PRESENT, -EUCLEAN, "pages at" },
		{ UINT64_C(1) << 63, 1, RUN_PRESENT, -EUCLEAN, "pages at" },
		{ -PAGE_SIZE, 1, RUN_PRESENT, -EUCLEAN, "pages at" },
		{ 0x11000, 1, RUN_PRESENT, -EUCLEAN, "follow those up to 0x12000" },
		{ 0x1000, 1, RUN_PRESENT, -EUCLEAN, "follow those up to" },
		{ 0x20000, 1, 0, -EUCLEAN, "contradictory" },
		{ 0x20000, 1, RUN_PRESENT | RUN_PARENT, -EUCLEAN, "contradictory" },
		{ 0x20000, 1, RUN_PRESENT | 8, -ENOTSUP, "flags 0xc" },
		{ 0x20000, 3, RUN_LAZY, -ENOTSUP, "3 pages at 0x20000 were left" },
		{ 0x20000, UINT64_C(1) << 40, RUN_PRESENT, -EUCLEAN, "bytes of pages-1.img" },
		{ 0x20000, 9, RUN_PRESENT, -EUCLEAN, "it needs 45056 bytes of pages-1.img" },
		{ 0x20000, 9, RUN_PARENT, -EUCLEAN, "is in the parent dump, and there is none" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped(tmp_dir_done) struct tmp_dir t = tmp_dir_new();
		scoped(image_dir_free) struct image_dir *dir = dir_open(&t, IMAGE_DIR_DUMP);
		struct image_writer *out = pagemap_begin(dir, 1);
		PagemapEntry e = PAGEMAP_ENTRY__INIT;

		e.has_flags = e.has_nr_pages = true;
		e.flags = RUN_PRESENT;
		e.vaddr = 0x10000;
		e.nr_pages = 2;
		entry_write(out, &e);
		e.vaddr = cases[i].vaddr;
		e.nr_pages = cases[i].n;
		e.flags = cases[i].flags;
		entry_write(out, &e);
		pagemap_end(out);
		pages_make(dir, 1, 10 * PAGE_SIZE);

		scoped(opened_done) struct opened o = store_open(&t);
		expect_error(&o, cases[i].r, cases[i].what);
	}
}

static void missing_files_are_told(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir t = tmp_dir_new();
	const struct entry entries[] = { { 16, 4, RUN_PRESENT }, { 0 } };
	char path[64];

	scoped(opened_done) struct opened none = store_open(&t);
	assert_int_equal(none.r, -ENOENT);

	dump_make(&t, 3, entries);
	(void)snprintf(path, sizeof(path), "%s/pages-3.img", t.path);
	assert_int_equal(unlink(path), 0);
	scoped(opened_done) struct opened o = store_open(&t);
	expect_error(&o, -EUCLEAN, "its pages-3.img is missing");
}

static void empty_pagemap_is_refused(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir t = tmp_dir_new();
	scoped(image_dir_free) struct image_dir *dir = dir_open(&t, IMAGE_DIR_DUMP);
	struct image_writer *out = NULL;

	assert_int_equal(image_writer_create(dir, IMAGE_PAGEMAP, PID, NULL, &out), 0);
	pagemap_end(out);
	scoped(opened_done) struct opened o = store_open(&t);
	expect_error(&o, -EUCLEAN, "no head");
}

static void broken_chains_are_refused(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir a = tmp_dir_new(), b = tmp_dir_new();
	const struct entry child[] = { { 16, 8, RUN_PARENT }, { 0 } };
	const struct entry hole[] = { { 16, 2, RUN_PRESENT }, { 19, 9, RUN_PRESENT }, { 0 } };
	const struct entry late[] = { { 17, 9, RUN_PRESENT }, { 0 } };
	const struct entry early[] = { { 16, 7, RUN_PRESENT }, { 0 } };

	dump_make(&a, 1, child);
	parent_set(&a, b.path);
	scoped(opened_done) struct opened none = store_open(&a);
	expect_error(&none, -EUCLEAN, "a later dump needs it");

	dump_make(&b, 1, hole);
	scoped(opened_done) struct opened with_hole = store_open(&a);
	expect_error(&with_hole, -EUCLEAN, "the page at 0x12000 should be here");
	dump_make(&b, 1, late);
	scoped(opened_done) struct opened too_late = store_open(&a);
	expect_error(&too_late, -EUCLEAN, "the page at 0x10000 should be here");
	dump_make(&b, 1, early);
	scoped(opened_done) struct opened too_early = store_open(&a);
	expect_error(&too_early, -EUCLEAN, "the page at 0x17000 should be here");

	parent_set(&a, ".");
	scoped(opened_done) struct opened loop = store_open(&a);
	assert_true(loop.r == -ELOOP || loop.r == -EMFILE);
}

/* ---- against mappings ---- */

static int check(const struct page_store *s, const struct mm *mm, const char *what)
{
	struct image_error err = { 0 };
	int r = page_store_check_mm(s, mm, &err);

	if (r < 0 && !strstr(err.what, what))
		fail_msg("\"%s\" does not say \"%s\"", err.what, what);
	return r;
}

static void pages_need_a_mapping(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir t = tmp_dir_new();
	const struct entry entries[] = { { 16, 4, RUN_PRESENT }, { 24, 1, RUN_PRESENT }, { 0 } };
	scoped(mm_free) struct mm *mm = mm_new();
	struct vma *last;

	dump_make(&t, 3, entries);
	scoped(opened_done) struct opened o = store_open(&t);
	assert_int_equal(o.r, 0);
	assert_int_equal(check(o.store, mm, "0x10000 lies in no mapping"), -EUCLEAN);
	mm_put(mm, (uint8_t *)0x10000, 2 * PAGE_SIZE, VMA_ANON_PRIVATE);
	assert_int_equal(check(o.store, mm, "0x12000 lies in no mapping"), -EUCLEAN);
	last = mm_put(mm, (uint8_t *)0x12000, 12 * PAGE_SIZE, VMA_ANON_PRIVATE);
	assert_int_equal(check(o.store, mm, ""), 0);
	last->has_pages = false;
	assert_int_equal(check(o.store, mm, "0x12000 lies in a mapping that has no"), -EUCLEAN);
	last->status |= VMA_VDSO;
	assert_int_equal(check(o.store, mm, ""), 0);
}

static void segments_have_an_end(void **state)
{
	scoped(tmp_dir_done) struct tmp_dir t = tmp_dir_new();
	const struct entry entries[] = { { 0, 4, RUN_PRESENT }, { 0 } };
	struct image_error err = { 0 };

	dump_make(&t, 3, entries);
	scoped(opened_done) struct opened o = store_open(&t);
	assert_int_equal(o.r, 0);
	assert_int_equal(page_store_check_segment(o.store, 3 * PAGE_SIZE + 1, &err), 0);
	assert_int_equal(page_store_check_segment(o.store, 3 * PAGE_SIZE, &err), -EUCLEAN);
	assert_non_null(strstr(err.what, "pages up to 0x4000 in a segment of 0x3000 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_dump_is_a_list),
		cmocka_unit_test(parents_are_looked_up),
		cmocka_unit_test(old_entries_are_understood),
		cmocka_unit_test(broken_entries_are_refused),
		cmocka_unit_test(missing_files_are_told),
		cmocka_unit_test(empty_pagemap_is_refused),
		cmocka_unit_test(broken_chains_are_refused),
		cmocka_unit_test(pages_need_a_mapping),
		cmocka_unit_test(segments_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
