#pragma once
/*
 * Checksums of files: XXH3 (64 bits) over blocks of 1 MiB, so that huge files can be summed by
 * several threads while they are written, and damage has a place. Nothing cryptographic: sums find
 * rot and truncation, not malice.
 */
#include "base/vec.h"

#define SUM_BLOCK (1UL << 20)

struct sums {
	VEC(uint64_t);
};

/* The sum of one block; only the last block of a file may be shorter than SUM_BLOCK. */
uint64_t sum_block(const void *buf, size_t len);

/* How many blocks a file of `size` bytes has. */
uint64_t sum_block_count(uint64_t size);

/*
 * Sums a file from its beginning to `size`, or compares with what it should be.
 * sums_read appends to *ret; sums_check gives the first block that differs, or n when none does.
 * 0, -ENOMEM, -ENODATA when the file is shorter than `size`, or the errno of pread(2).
 */
int sums_read(int fd, uint64_t size, struct sums *ret) nodiscard;
int sums_check(int fd, uint64_t size, const uint64_t *sums, size_t *ret_block) nodiscard;

/* Sums what goes by in pieces of any length. Zero-initialised is empty. */
struct sum_stream {
	struct sums sums; /* of the full blocks */
	size_t in_block;  /* bytes in the current one */
	void *state;
};

int sum_stream_add(struct sum_stream *s, const void *buf, size_t len) nodiscard;
/* Closes the last block and moves the sums out. */
int sum_stream_finish(struct sum_stream *s, struct sums *ret_sums) nodiscard;
void sum_stream_done(struct sum_stream *s);
