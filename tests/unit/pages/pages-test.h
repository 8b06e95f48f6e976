#pragma once
/* What the tests of this room share: image directories, mappings of ours as a model, children that
 * hold still with a copy of our memory. */
#include "unit/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/dir.h"
#include "model/mm.h"
#include "pages/run.h"
#include "unit/kernel/child.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define MIB (1UL << 20)

static inline int tmp_remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	return remove(path);
}

/* A directory that goes away with its scope. */
struct tmp_dir {
	char path[40];
};

static inline void tmp_dir_done(struct tmp_dir *t)
{
	if (t->path[0])
		(void)nftw(t->path, tmp_remove_one, 8, FTW_DEPTH | FTW_PHYS); /* litter else */
}
SCOPED_OBJECT(struct tmp_dir, tmp_dir_done);

static inline struct tmp_dir tmp_dir_new(void)
{
	struct tmp_dir t = { "/tmp/stasis-pages-XXXXXX" };

	assert_non_null(mkdtemp(t.path));
	return t;
}

static inline struct image_dir *dir_open(const struct tmp_dir *t, enum image_dir_mode mode)
{
	struct image_dir *dir = NULL;

	assert_int_equal(image_dir_open(t->path, mode, NULL, &dir), 0);
	return dir;
}

static inline uint8_t *map_new(size_t len, int prot, int flags, int fd)
{
	void *p = mmap(NULL, len, prot, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static inline uint8_t *map_anon(size_t len)
{
	return map_new(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Makes a page its own: no two seeds are alike, none is zero. */
static inline void page_stamp(uint8_t *page, uint64_t seed)
{
	uint64_t *w = (uint64_t *)page, x = seed * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < PAGE_SIZE / 8; i++)
		w[i] = x = x * 6364136223846793005u + 1442695040888963407u;
}

static inline struct vma *vma_new(uint8_t *at, size_t len, uint32_t status, uint32_t prot)
{
	struct vma *v = NEW(struct vma);

	assert_non_null(v);
	v->start = v->at = (uintptr_t)at;
	v->end = v->start + len;
	v->status = VMA_REGULAR | status;
	v->prot = prot;
	v->flags = MAP_PRIVATE | (status & VMA_ANON_PRIVATE ? MAP_ANONYMOUS : 0);
	v->has_pages = status & (VMA_ANON_PRIVATE | VMA_FILE_PRIVATE);
	return v;
}

SCOPED(struct mm *, mm_free);

static inline struct mm *mm_new(void)
{
	struct mm *mm = NEW(struct mm);

	assert_non_null(mm);
	return mm;
}

/* Mappings come in the order that the kernel likes: they are sorted here. */
static inline struct vma *mm_put_take(struct mm *mm, struct vma *v)
{
	size_t i = mm->vmas.n;

	assert_int_equal(vec_push(&mm->vmas, v), 0);
	for (; i > 0 && mm->vmas.at[i - 1]->start > v->start; i--)
		mm->vmas.at[i] = mm->vmas.at[i - 1];
	mm->vmas.at[i] = v;
	return v;
}

static inline struct vma *mm_put(struct mm *mm, uint8_t *at, size_t len, uint32_t status)
{
	return mm_put_take(mm, vma_new(at, len, status, PROT_READ | PROT_WRITE));
}

/* How many pages of [at, at + len) a list has. */
static inline uint64_t runs_in(const struct page_runs *runs, const uint8_t *at, size_t len)
{
	uint64_t start = (uintptr_t)at, end = start + len, n = 0;

	vec_for_each(run, runs) {
		uint64_t from = MAX(run->va, start), to = MIN(page_run_end(run), end);

		if (from < to)
			n += (to - from) / PAGE_SIZE;
	}
	return n;
}
