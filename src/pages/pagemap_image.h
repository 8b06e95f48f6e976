#pragma once
/*
 * pagemap-*.img: which pages a task or a shared segment has, and the number of the pages file that
 * holds their contents one behind the other. Only the file; what it leads to is store.h.
 */
#include "image/type.h"
#include "pages/run.h"

struct image_dir;
struct image_error;

/* type: IMAGE_PAGEMAP (id: a pid) or IMAGE_SHMEM_PAGEMAP (id: a shmid). */
struct pagemap_image {
	enum image_type type;
	uint64_t id;
	uint32_t pages_id;      /* the pages file */
	struct page_runs *runs; /* borrowed; flags are those of the format */
};

/*
 * Writes the image. Flags that are not the format's are left out, and runs that differ in those
 * only are joined. 0 or -errno with err (may be NULL) filled.
 */
int pagemap_image_save(struct image_dir *dir, const struct pagemap_image *pm,
		       struct image_error *err) nodiscard;

/*
 * Reads the image pm->type, pm->id: sets pages_id and appends to *pm->runs. Runs are then whole
 * pages in user space, ascending and free of overlap, each with exactly one of: PRESENT (with LAZY
 * or not), PARENT, LAZY alone.
 * -ENOENT: no such image. -EUCLEAN: damaged. -ENOTSUP: a flag that we do not know. err is filled.
 */
int pagemap_image_load(struct image_dir *dir, struct pagemap_image *pm,
		       struct image_error *err) nodiscard;
