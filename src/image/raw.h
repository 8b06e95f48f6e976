#pragma once
/*
 * Files without records: page contents, archives, texts of other programs. Who writes or reads them
 * uses the descriptor; this keeps the sums.
 */
#include "image/error.h"
#include "image/sum.h"

struct image_dir;
struct image_raw;

/*
 * Creates (or truncates) or opens a raw image. Opening checks the size against the manifest in
 * force, not the sums. err as in writer.h. The result is the caller's, for image_raw_free().
 */
int image_raw_create(struct image_dir *dir, enum image_type type, uint64_t id,
		     struct image_error *err, struct image_raw **ret_raw) nodiscard;
int image_raw_open(struct image_dir *dir, enum image_type type, uint64_t id,
		   struct image_error *err, struct image_raw **ret_raw) nodiscard;
void image_raw_free(struct image_raw *raw);
SCOPED(struct image_raw *, image_raw_free);

/* Borrowed; for pwrite(2), splice(2), as another program's output, for pread(2), mmap(2). */
int image_raw_fd(const struct image_raw *raw);
/* When opened: bytes in the file. */
uint64_t image_raw_size(const struct image_raw *raw);

/*
 * Says that block number `block` (SUM_BLOCK bytes, the last one may be shorter) was written with
 * this sum, as sum_block() gives it; a later call for the same block wins. May be called by several
 * threads. Blocks that nobody speaks for are read back by image_raw_finish().
 * 0, -ENOMEM, -EINVAL for a block that no file can have.
 */
int image_raw_set_sum(struct image_raw *raw, uint64_t block, uint64_t sum) nodiscard;
/* pwrite(2) of a whole block, and its sum. May be called by several threads. */
int image_raw_write_block(struct image_raw *raw, uint64_t block, const void *buf,
			  size_t len) nodiscard;
/* When everything is written and the writers have ended: takes the missing sums and lists the file
 * in the manifest. */
int image_raw_finish(struct image_raw *raw) nodiscard;

/* pread(2) of exactly len bytes; -EUCLEAN where the file ends before. May be called by several
 * threads, but the error is only filled for one of them. */
int image_raw_read(struct image_raw *raw, void *buf, size_t len, uint64_t offset) nodiscard;
/* Whether a block that was just read whole has the sum of the manifest in force: 0 (also without
 * one), or -EUCLEAN. */
int image_raw_check_block(struct image_raw *raw, uint64_t block, const void *buf,
			  size_t len) nodiscard;
/* Reads the whole file and compares. 0 (also without a manifest), or -EUCLEAN. */
int image_raw_check(struct image_raw *raw) nodiscard;
