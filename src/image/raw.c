/* Files without records, and their sums. See raw.h. */
#include "image/raw.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "image/dir.h"

struct image_raw {
	struct image_dir *dir; /* borrowed */
	int fd;
	char name[IMAGE_NAME_MAX];
	struct image_error *err;
	pthread_mutex_t lock; /* of err, sums and known */

	/* Writing: sums by block, and which of them are known. */
	struct sums sums;
	struct {
		VEC(bool);
	} known;

	/* Reading. */
	uint64_t size;
	const struct manifest_file *expected; /* NULL: no manifest in force */
};

static int raw_new(struct image_dir *dir, enum image_type type, uint64_t id,
		   enum image_access access, struct image_error *err, struct image_raw **ret_raw)
{
	scoped(image_raw_free) struct image_raw *raw = NEW(struct image_raw);

	assert(!image_form(type)->entry);
	if (!raw)
		return image_fail(err, image_form(type)->file, -ENOMEM, "out of memory");
	image_name(type, id, raw->name);
	pthread_mutex_init(&raw->lock, NULL);
	raw->dir = dir;
	raw->err = err;
	raw->fd = image_dir_open_file(dir, raw->name, access, err);
	if (raw->fd < 0)
		return raw->fd;
	*ret_raw = ptr_take(&raw);
	return 0;
}

int image_raw_create(struct image_dir *dir, enum image_type type, uint64_t id,
		     struct image_error *err, struct image_raw **ret_raw)
{
	return raw_new(dir, type, id, IMAGE_CREATE, err, ret_raw);
}

int image_raw_open(struct image_dir *dir, enum image_type type, uint64_t id,
		   struct image_error *err, struct image_raw **ret_raw)
{
	scoped(image_raw_free) struct image_raw *raw = NULL;
	struct stat st;
	int r = raw_new(dir, type, id, IMAGE_OPEN, err, &raw);

	if (r < 0)
		return r;
	if (fstat(raw->fd, &st) < 0)
		return image_fail(err, raw->name, -errno, "cannot be examined");
	raw->size = st.st_size;
	r = image_dir_expect(dir, raw->name, raw->size, err, &raw->expected);
	if (r == 0)
		*ret_raw = ptr_take(&raw);
	return r;
}

void image_raw_free(struct image_raw *raw)
{
	if (!raw)
		return;
	fd_close(raw->fd);
	vec_done(&raw->sums);
	vec_done(&raw->known);
	pthread_mutex_destroy(&raw->lock);
	mem_free(raw);
}

int image_raw_fd(const struct image_raw *raw)
{
	return raw->fd;
}

uint64_t image_raw_size(const struct image_raw *raw)
{
	return raw->size;
}

/* ---- writing ---- */

/* Under the lock. Makes the arrays at least n long; new blocks are not known. */
static int blocks_reserve(struct image_raw *raw, size_t n)
{
	int r;

	if (n <= raw->sums.n)
		return 0;
	r = vec_reserve(&raw->sums, n - raw->sums.n);
	if (r == 0)
		r = vec_reserve(&raw->known, n - raw->known.n);
	if (r < 0)
		return r;
	for (; raw->sums.n < n; raw->sums.n++, raw->known.n++) {
		raw->sums.at[raw->sums.n] = 0;
		raw->known.at[raw->known.n] = false;
	}
	return 0;
}

int image_raw_set_sum(struct image_raw *raw, uint64_t block, uint64_t sum)
{
	int r;

	if (block >= INT64_MAX / SUM_BLOCK)
		return -EINVAL;
	pthread_mutex_lock(&raw->lock);
	r = blocks_reserve(raw, block + 1);
	if (r == 0) {
		raw->sums.at[block] = sum;
		raw->known.at[block] = true;
	}
	pthread_mutex_unlock(&raw->lock);
	return r;
}

int image_raw_write_block(struct image_raw *raw, uint64_t block, const void *buf, size_t len)
{
	int r;

	assert(len <= SUM_BLOCK);
	r = image_raw_set_sum(raw, block, sum_block(buf, len));
	return r < 0 ? r : fd_pwrite_all(raw->fd, buf, len, block * SUM_BLOCK);
}

static int read_back(struct image_raw *raw, uint64_t size)
{
	scoped(mem_free) uint8_t *buf = NULL;
	int r;

	for (uint64_t block = 0; block < sum_block_count(size); block++) {
		size_t len = MIN(size - block * SUM_BLOCK, (uint64_t)SUM_BLOCK);

		if (raw->known.at[block])
			continue;
		if (!buf)
			buf = mem_alloc(1, SUM_BLOCK);
		if (!buf)
			return image_fail(raw->err, raw->name, -ENOMEM, "out of memory");
		r = fd_pread_all(raw->fd, buf, len, block * SUM_BLOCK);
		if (r < 0)
			return image_fail(raw->err, raw->name, r, "cannot be read back");
		raw->sums.at[block] = sum_block(buf, len);
	}
	return 0;
}

int image_raw_finish(struct image_raw *raw)
{
	struct sums sums;
	struct stat st;
	uint64_t size;
	int r;

	if (fstat(raw->fd, &st) < 0)
		return image_fail(raw->err, raw->name, -errno, "cannot be examined");
	size = st.st_size;
	r = blocks_reserve(raw, sum_block_count(size));
	if (r < 0)
		return image_fail(raw->err, raw->name, r, "out of memory");
	r = read_back(raw, size);
	if (r < 0)
		return r;

	/* Blocks behind the end are of an earlier, longer life of the file. */
	sums = raw->sums;
	sums.n = sum_block_count(size);
	raw->sums = (struct sums){ 0 };
	r = image_dir_add_sums_take(raw->dir, raw->name, size, sums);
	return r < 0 ? image_fail(raw->err, raw->name, r, "out of memory") : 0;
}

/* ---- reading ---- */

static int fail_at(struct image_raw *raw, uint64_t offset, int code, const char *what)
{
	pthread_mutex_lock(&raw->lock);
	code = image_fail_at(raw->err, raw->name, offset, code, "%s", what);
	pthread_mutex_unlock(&raw->lock);
	return code;
}

int image_raw_read(struct image_raw *raw, void *buf, size_t len, uint64_t offset)
{
	int r;

	if (len > raw->size || offset > raw->size - len)
		return fail_at(raw, offset, -EUCLEAN, "file ends before what should be here");
	r = fd_pread_all(raw->fd, buf, len, offset);
	if (r == -ENODATA)
		return fail_at(raw, offset, -EUCLEAN, "file became shorter");
	return r < 0 ? fail_at(raw, offset, r, "cannot be read") : 0;
}

int image_raw_check_block(struct image_raw *raw, uint64_t block, const void *buf, size_t len)
{
	if (!raw->expected)
		return 0;
	if (block < raw->expected->sums.n && sum_block(buf, len) == raw->expected->sums.at[block])
		return 0;
	return fail_at(raw, block * SUM_BLOCK, -EUCLEAN,
		       "contents changed since they were written");
}

int image_raw_check(struct image_raw *raw)
{
	return image_dir_check_file(raw->dir, raw->name, raw->fd, raw->size, raw->err);
}
