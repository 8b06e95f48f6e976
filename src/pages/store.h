#pragma once
/*
 * Stored pages, for restoring: one pagemap with everything that it leads to. A dump may be an
 * increment of another one (the link `parent` of its directory), and that of a third; a page that
 * is "in the parent" is looked up there. After opening, all such detours are resolved: a store is a
 * plain list of pieces, each a range of addresses and a place in one of a few pages files.
 *
 *	this dump    [ 1  2 (parent: 3 4 5) 6 ]      pages-7.img: 1 2 6
 *	parent             [ 3 (parent: 4) 5 ]       pages-3.img: 3 5
 *	its parent            [ 4 ]                  pages-3.img: 4
 *
 * Nothing of the images is believed; no descriptor is held between calls but those of the
 * directories. A store is not changed after opening: forked children and threads may use it.
 */
#include "image/error.h"
#include "image/raw.h"
#include "model/mm.h"
#include "pages/run.h"

struct image_dir;
struct page_chain;
struct page_store;

/* ---- the directories ---- */

/*
 * The chain of dumps that begins with `dir` (borrowed, as long as the chain lives). Parents are
 * opened when a page needs them. 0 or -ENOMEM; the caller's, for page_chain_free().
 */
int page_chain_new(struct image_dir *dir, struct page_chain **ret) nodiscard;
void page_chain_free(struct page_chain *chain);
SCOPED(struct page_chain *, page_chain_free);

/* ---- one pagemap ---- */

/*
 * Opens pagemap-<id>.img (IMAGE_PAGEMAP, a pid) or pagemap-shmem-<id>.img (IMAGE_SHMEM_PAGEMAP, a
 * shmid) and checks that every page it tells of is there. The chain is borrowed as long as the
 * store lives. 0, -ENOENT no such pagemap, -EUCLEAN damaged or pages are missing, -ENOTSUP pages
 * that are not in the images at all (left at the source of a lazy dump) or stored in an unknown
 * way, -ENOMEM, errno of openat2(2). err (may be NULL) says where.
 */
int page_store_open(struct page_chain *chain, enum image_type type, uint64_t id,
		    struct image_error *err, struct page_store **ret) nodiscard;
void page_store_free(struct page_store *store);
SCOPED(struct page_store *, page_store_free);

/*
 * Checks that every page has a place: in a mapping with private pages, or in one whose contents
 * need not be restored (vDSO, vvar, AIO rings); for a segment: below its size. 0, or -EUCLEAN with
 * err filled.
 */
int page_store_check_mm(const struct page_store *store, const struct mm *mm,
			struct image_error *err) nodiscard;
int page_store_check_segment(const struct page_store *store, uint64_t size,
			     struct image_error *err) nodiscard;

/* How many pages it has. */
uint64_t page_store_pages(const struct page_store *store);

/*
 * Reads len bytes from va on, both multiples of the page size: small things that are looked at
 * while loading. -ENODATA when a page of them is not stored; else as image_raw_read().
 */
int page_store_read(const struct page_store *store, uint64_t va, void *buf, size_t len,
		    struct image_error *err) nodiscard;

/* ---- for whoever moves the pages (fill.h) ---- */

struct page_piece {
	uint64_t va;
	uint64_t n;    /* pages */
	uint64_t page; /* the first one's place in the file, in pages */
	size_t file;   /* which of the store's files */
};

struct page_pieces {
	VEC(struct page_piece);
};

static inline uint64_t page_piece_end(const struct page_piece *piece)
{
	return piece->va + piece->n * PAGE_SIZE;
}

/* All pieces, in ascending order of addresses; borrowed. */
const struct page_pieces *page_store_pieces(const struct page_store *store);
size_t page_store_files(const struct page_store *store);
/* Of the pagemap, for messages; borrowed. */
const char *page_store_name(const struct page_store *store);
/* Whether blocks of a file can be checked: image_raw_check_block() says something. */
bool page_store_has_sums(const struct page_store *store, size_t file);
/* Opens a pages file for reading: image_raw_open(). */
int page_store_open_file(const struct page_store *store, size_t file, struct image_error *err,
			 struct image_raw **ret) nodiscard;
