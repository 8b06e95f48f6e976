/* Stored pages and their detours through parents. See store.h. */
#include "pages/store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "image/dir.h"
#include "pages/pagemap_image.h"

struct page_chain {
	struct {
		VEC(struct image_dir *);
	} dirs;      /* the first is borrowed, parents are owned */
	bool is_all; /* the last one has no parent */
};

struct page_file {
	struct image_dir *dir;
	uint32_t pages_id;
};

struct page_store {
	char name[IMAGE_NAME_MAX]; /* of the pagemap */
	struct page_pieces pieces;
	struct {
		VEC(struct page_file);
	} files; /* by depth in the chain; not all have pieces */
};

/* ---- the directories ---- */

int page_chain_new(struct image_dir *dir, struct page_chain **ret)
{
	struct page_chain *c = NEW(struct page_chain);
	int r;

	if (!c)
		return -ENOMEM;
	r = vec_push(&c->dirs, dir);
	if (r < 0) {
		mem_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void page_chain_free(struct page_chain *c)
{
	if (!c)
		return;
	for (size_t i = 1; i < c->dirs.n; i++)
		image_dir_free(c->dirs.at[i]);
	vec_done(&c->dirs);
	mem_free(c);
}

/* What a parent's own manifest says holds for its files, if it has one. */
static int parent_use_manifest(struct image_dir *dir, struct image_error *err)
{
	enum manifest_state state;
	int r = image_dir_use_manifest(dir, err, &state);

	/* Pages of a dump that never became complete are as good as the pagemap that asks for them.
	 */
	return r == -ENOENT ? 0 : r;
}

/* The directory at a depth, 0 being the dump itself; *ret NULL when the chain is shorter. */
static int chain_dir(struct page_chain *c, size_t depth, struct image_error *err,
		     struct image_dir **ret)
{
	while (c->dirs.n <= depth && !c->is_all) {
		scoped(image_dir_free) struct image_dir *parent = NULL;
		int r = image_dir_open_parent(c->dirs.at[c->dirs.n - 1], err, &parent);

		if (r < 0)
			return r;
		if (!parent) {
			c->is_all = true;
			break;
		}
		r = parent_use_manifest(parent, err);
		if (r == 0)
			r = vec_push(&c->dirs, parent);
		if (r < 0)
			return r;
		(void)ptr_take(&parent); /* the chain's now */
	}
	*ret = depth < c->dirs.n ? c->dirs.at[depth] : NULL;
	return 0;
}

/* ---- resolving ---- */

/* A pagemap of the chain while its pages are looked for. */
struct level {
	struct image_dir *dir;
	size_t file;
	char name[IMAGE_NAME_MAX];
	struct page_runs runs;
	uint64_t
		pages; /* present ones before the run that is looked at: places in the pages file */
};

static void level_done(struct level *l)
{
	page_runs_done(&l->runs);
}
SCOPED_OBJECT(struct level, level_done);

/* The pages file must hold all that the pagemap says it does. */
static int file_check(const struct page_store *s, const struct level *l, struct image_error *err)
{
	scoped(image_raw_free) struct image_raw *raw = NULL;
	uint64_t need = page_runs_count(&l->runs, RUN_PRESENT) * PAGE_SIZE;
	int r;

	if (need == 0)
		return 0;
	r = page_store_open_file(s, l->file, err, &raw);
	if (r == -ENOENT)
		return image_fail(err, l->name, -EUCLEAN, "its pages-%" PRIu32 ".img is missing",
				  s->files.at[l->file].pages_id);
	if (r < 0)
		return r;
	if (image_raw_size(raw) < need)
		return image_fail(err, l->name, -EUCLEAN,
				  "it needs %" PRIu64 " bytes of pages-%" PRIu32
				  ".img, which has %" PRIu64,
				  need, s->files.at[l->file].pages_id, image_raw_size(raw));
	return 0;
}

static int level_load(struct page_store *s, struct level *l, enum image_type type, uint64_t id,
		      struct image_error *err)
{
	struct pagemap_image pm = { .type = type, .id = id, .runs = &l->runs };
	int r;

	image_name(type, id, l->name);
	r = pagemap_image_load(l->dir, &pm, err);
	if (r < 0)
		return r;
	l->file = s->files.n;
	r = vec_push(&s->files, (struct page_file){ .dir = l->dir, .pages_id = pm.pages_id });
	return r < 0 ? r : file_check(s, l, err);
}

/* Pages [va, end) of a run at this level that are wanted: a piece, or something for the parent. */
static int run_resolve(struct page_store *s, const struct level *l, const struct page_run *run,
		       uint64_t va, uint64_t end, struct page_runs *ret_rest,
		       struct image_error *err)
{
	uint64_t n = (end - va) / PAGE_SIZE;

	if (run->flags & RUN_PARENT)
		return page_runs_add(ret_rest, va, n, 0);
	if (!(run->flags & RUN_PRESENT))
		return image_fail(err, l->name, -ENOTSUP,
				  "%" PRIu64 " pages at 0x%" PRIx64
				  " were left where the dump was made",
				  n, va);
	return vec_push(&s->pieces,
			(struct page_piece){ .va = va,
					     .n = n,
					     .page = l->pages + (va - run->va) / PAGE_SIZE,
					     .file = l->file });
}

static int missing(const struct level *l, uint64_t va, struct image_error *err)
{
	return image_fail(err, l->name, -EUCLEAN,
			  "the page at 0x%" PRIx64 " should be here, says a later dump", va);
}

/*
 * Finds the wanted pages at this level: pieces are added, what is with the parent goes to
 * *ret_rest. wanted NULL: all there are.
 */
static int level_resolve(struct page_store *s, struct level *l, const struct page_runs *wanted,
			 struct page_runs *ret_rest, struct image_error *err)
{
	size_t w = 0;
	uint64_t va = 0; /* wanted from here on */
	int r = 0;

	if (wanted && wanted->n)
		va = wanted->at[0].va;
	vec_for_each(run, &l->runs) {
		uint64_t run_end = page_run_end(run);

		if (!wanted)
			r = run_resolve(s, l, run, run->va, run_end, ret_rest, err);
		while (wanted && w < wanted->n && va < run_end && r == 0) {
			uint64_t end = MIN(page_run_end(&wanted->at[w]), run_end);

			if (va < run->va)
				return missing(l, va, err);
			r = run_resolve(s, l, run, va, end, ret_rest, err);
			va = end;
			if (va == page_run_end(&wanted->at[w]) && ++w < wanted->n)
				va = wanted->at[w].va;
		}
		if (r < 0)
			return r;
		if (run->flags & RUN_PRESENT)
			l->pages += run->n;
	}
	return wanted && w < wanted->n ? missing(l, va, err) : 0;
}

static int piece_compare(const void *a, const void *b)
{
	uint64_t x = ((const struct page_piece *)a)->va, y = ((const struct page_piece *)b)->va;

	return x < y ? -1 : x > y;
}

static int store_resolve(struct page_store *s, struct page_chain *chain, enum image_type type,
			 uint64_t id, struct image_error *err)
{
	scoped(page_runs_done) struct page_runs wanted = { 0 };

	for (size_t depth = 0; depth == 0 || wanted.n; depth++) {
		scoped(level_done) struct level l = { 0 };
		scoped(page_runs_done) struct page_runs rest = { 0 };
		int r = chain_dir(chain, depth, err, &l.dir);

		if (r == 0 && !l.dir)
			return image_fail(err, s->name, -EUCLEAN,
					  "the page at 0x%" PRIx64
					  " is in the parent dump, and there is none",
					  wanted.at[0].va);
		if (r == 0)
			r = level_load(s, &l, type, id, err);
		if (r == -ENOENT && depth > 0)
			return image_fail(err, l.name, -EUCLEAN, "a later dump needs it");
		if (r == 0)
			r = level_resolve(s, &l, depth ? &wanted : NULL, &rest, err);
		if (r < 0)
			return r;
		page_runs_done(&wanted);
		wanted = rest;
		rest = (struct page_runs){ 0 };
	}
	if (s->files.n > 1)
		qsort(s->pieces.at, s->pieces.n, sizeof(s->pieces.at[0]), piece_compare);
	return 0;
}

int page_store_open(struct page_chain *chain, enum image_type type, uint64_t id,
		    struct image_error *err, struct page_store **ret)
{
	scoped(page_store_free) struct page_store *s = NEW(struct page_store);
	int r;

	assert(type == IMAGE_PAGEMAP || type == IMAGE_SHMEM_PAGEMAP);
	if (!s)
		return image_fail(err, "", -ENOMEM, "out of memory");
	image_name(type, id, s->name);
	r = store_resolve(s, chain, type, id, err);
	if (r == -ENOMEM)
		return image_fail(err, s->name, r, "out of memory");
	if (r < 0)
		return r;
	*ret = ptr_take(&s);
	return 0;
}

void page_store_free(struct page_store *s)
{
	if (!s)
		return;
	vec_done(&s->pieces);
	vec_done(&s->files);
	mem_free(s);
}

/* ---- checking ---- */

/* Contents that are in images but come from elsewhere on restore. */
static bool vma_ignores_pages(const struct vma *v)
{
	return v->status & (VMA_VDSO | VMA_VVAR | VMA_VSYSCALL | VMA_AIORING | VMA_UPROBES);
}

static int piece_check(const struct page_store *s, const struct page_piece *p, const struct mm *mm,
		       struct image_error *err)
{
	uint64_t va = p->va;

	while (va < page_piece_end(p)) {
		const struct vma *v = mm_find(mm, va);

		if (!v)
			return image_fail(err, s->name, -EUCLEAN,
					  "the page at 0x%" PRIx64 " lies in no mapping", va);
		if (!v->has_pages && !vma_ignores_pages(v))
			return image_fail(err, s->name, -EUCLEAN,
					  "the page at 0x%" PRIx64
					  " lies in a mapping that has no pages of its own",
					  va);
		va = v->end;
	}
	return 0;
}

int page_store_check_mm(const struct page_store *s, const struct mm *mm, struct image_error *err)
{
	vec_for_each(p, &s->pieces) {
		int r = piece_check(s, p, mm, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int page_store_check_segment(const struct page_store *s, uint64_t size, struct image_error *err)
{
	const struct page_piece *last = s->pieces.n ? &s->pieces.at[s->pieces.n - 1] : NULL;

	if (last && page_piece_end(last) > ROUND_UP(size, PAGE_SIZE))
		return image_fail(err, s->name, -EUCLEAN,
				  "pages up to 0x%" PRIx64 " in a segment of 0x%" PRIx64 " bytes",
				  page_piece_end(last), size);
	return 0;
}

/* ---- what is in it ---- */

uint64_t page_store_pages(const struct page_store *s)
{
	uint64_t n = 0;

	vec_for_each(p, &s->pieces)
		n += p->n;
	return n;
}

const struct page_pieces *page_store_pieces(const struct page_store *s)
{
	return &s->pieces;
}

size_t page_store_files(const struct page_store *s)
{
	return s->files.n;
}

const char *page_store_name(const struct page_store *s)
{
	return s->name;
}

bool page_store_has_sums(const struct page_store *s, size_t file)
{
	char name[IMAGE_NAME_MAX];

	image_name(IMAGE_PAGES, s->files.at[file].pages_id, name);
	return manifest_find(image_dir_manifest(s->files.at[file].dir), name);
}

int page_store_open_file(const struct page_store *s, size_t file, struct image_error *err,
			 struct image_raw **ret)
{
	const struct page_file *f = &s->files.at[file];

	assert(file < s->files.n);
	return image_raw_open(f->dir, IMAGE_PAGES, f->pages_id, err, ret);
}

int page_store_read(const struct page_store *store, uint64_t va, void *buf, size_t len,
		    struct image_error *err)
{
	uint64_t end = va + len;

	vec_for_each(piece, page_store_pieces(store)) {
		scoped(image_raw_free) struct image_raw *raw = NULL;
		uint64_t part;
		int r;

		if (va == end || page_piece_end(piece) <= va)
			continue;
		if (piece->va > va)
			break;
		part = MIN(end, page_piece_end(piece)) - va;
		r = page_store_open_file(store, piece->file, err, &raw);
		if (r == 0)
			r = image_raw_read(raw, buf, part,
					   piece->page * PAGE_SIZE + (va - piece->va));
		if (r < 0)
			return r;
		buf = (char *)buf + part;
		va += part;
	}
	return va == end ? 0 : -ENODATA;
}
