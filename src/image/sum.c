/* Block checksums of image files. See sum.h. */
#include "image/sum.h"

#include <xxhash.h>

#include "base/fd.h"

uint64_t sum_block(const void *buf, size_t len)
{
	return XXH3_64bits(buf, len);
}

uint64_t sum_block_count(uint64_t size)
{
	return size / SUM_BLOCK + (size % SUM_BLOCK != 0);
}

/* Calls for each block in order; a positive answer of `each` ends the walk and is given back. */
static int blocks_read(int fd, uint64_t size, int (*each)(void *ctx, size_t block, uint64_t sum),
		       void *ctx)
{
	size_t room = MIN(size, (uint64_t)SUM_BLOCK);
	scoped(mem_free) uint8_t *buf = mem_alloc(1, room);
	int r = 0;

	if (!buf)
		return -ENOMEM;
	for (uint64_t at = 0; at < size && r == 0; at += SUM_BLOCK) {
		size_t len = MIN(size - at, (uint64_t)SUM_BLOCK);

		r = fd_pread_all(fd, buf, len, at);
		if (r == 0)
			r = each(ctx, at / SUM_BLOCK, sum_block(buf, len));
	}
	return r;
}

static int block_append(void *ctx, size_t block, uint64_t sum)
{
	struct sums *s = ctx;

	(void)block; /* they come in order */
	return vec_push(s, sum);
}

int sums_read(int fd, uint64_t size, struct sums *ret)
{
	return blocks_read(fd, size, block_append, ret);
}

struct expected {
	const uint64_t *sums;
	size_t differs;
};

static int block_compare(void *ctx, size_t block, uint64_t sum)
{
	struct expected *e = ctx;

	e->differs = block;
	return sum == e->sums[block] ? 0 : 1;
}

int sums_check(int fd, uint64_t size, const uint64_t *sums, size_t *ret_block)
{
	struct expected e = { .sums = sums };
	int r = blocks_read(fd, size, block_compare, &e);

	if (r < 0)
		return r;
	*ret_block = r ? e.differs : sum_block_count(size);
	return 0;
}

static int block_close(struct sum_stream *s)
{
	int r = vec_push(&s->sums, XXH3_64bits_digest(s->state));

	s->in_block = 0;
	(void)XXH3_64bits_reset(s->state); /* fails on NULL only */
	return r;
}

int sum_stream_add(struct sum_stream *s, const void *buf, size_t len)
{
	const uint8_t *at = buf;
	int r = 0;

	if (!s->state) {
		s->state = XXH3_createState();
		if (!s->state)
			return -ENOMEM;
		(void)XXH3_64bits_reset(s->state);
	}

	while (len && r == 0) {
		size_t n = MIN(len, SUM_BLOCK - s->in_block);

		if (XXH3_64bits_update(s->state, at, n) != XXH_OK)
			return -ENOMEM;
		s->in_block += n;
		at += n;
		len -= n;
		if (s->in_block == SUM_BLOCK)
			r = block_close(s);
	}
	return r;
}

int sum_stream_finish(struct sum_stream *s, struct sums *ret_sums)
{
	int r = s->in_block ? block_close(s) : 0;

	if (r < 0)
		return r;
	*ret_sums = s->sums;
	s->sums = (struct sums){ 0 };
	return 0;
}

void sum_stream_done(struct sum_stream *s)
{
	(void)XXH3_freeState(s->state); /* always XXH_OK */
	s->state = NULL;
	vec_done(&s->sums);
}
