/* Raw files: blocks summed by several threads, by none, and checked on the way back. */
#include "image-test.h"

#include <pthread.h>

#include "image/raw.h"
#include "schema/inventory.pb-c.h"

#define BLOCKS 6

struct job {
	struct image_raw *raw;
	unsigned first;
	int r;
};

static void fill_block(uint8_t *buf, unsigned block)
{
	for (size_t i = 0; i < SUM_BLOCK; i++)
		buf[i] = (uint8_t)(i * (block + 3) >> 2);
}

static void *write_blocks(void *arg)
{
	struct job *job = arg;
	uint8_t *buf = mem_alloc(1, SUM_BLOCK);

	/* Block 3 is left out: a hole, that nobody speaks for. */
	for (unsigned b = job->first; b < BLOCKS && job->r == 0; b += 2) {
		fill_block(buf, b);
		if (b != 3)
			job->r = image_raw_write_block(job->raw, b, buf,
						       b == BLOCKS - 1 ? 5000 : SUM_BLOCK);
	}
	mem_free(buf);
	return NULL;
}

static struct image_dir *make_pages(const char *path)
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;
	struct image_raw *raw = NULL;
	struct job jobs[2] = { 0 };
	InventoryEntry e = INVENTORY_ENTRY__INIT;
	pthread_t threads[2];
	enum manifest_state st;

	assert_int_equal(image_dir_open(path, IMAGE_DIR_DUMP, &err, &dir), 0);
	assert_int_equal(image_raw_create(dir, IMAGE_PAGES, 1, &err, &raw), 0);
	assert_int_equal(image_raw_set_sum(raw, BLOCKS + 2, 5), 0); /* behind the end: forgotten */
	assert_int_equal(image_raw_set_sum(raw, UINT64_MAX, 5), -EINVAL);
	for (unsigned i = 0; i < 2; i++) {
		jobs[i] = (struct job){ .raw = raw, .first = i };
		assert_int_equal(pthread_create(&threads[i], NULL, write_blocks, &jobs[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(jobs[i].r, 0);
	}
	assert_int_equal(image_raw_finish(raw), 0);
	image_raw_free(raw);
	assert_int_equal(image_dir_complete(dir, &e, IMAGE_SYNC_NONE, &err), 0);
	image_dir_free(dir);

	assert_int_equal(image_dir_open(path, IMAGE_DIR_READ, &err, &dir), 0);
	assert_int_equal(image_dir_use_manifest(dir, &err, &st), 0);
	assert_int_equal(st, MANIFEST_IN_FORCE);
	return dir;
}

static void blocks_are_checked(void **state)
{
	struct image_error err = { 0 };
	struct image_raw *raw = NULL;
	struct image_dir *dir;
	uint8_t *buf = mem_alloc(1, SUM_BLOCK);
	char path[40], file[64];

	(void)state;
	tmp_dir(path);
	dir = make_pages(path);
	assert_int_equal(image_raw_open(dir, IMAGE_PAGES, 1, &err, &raw), 0);
	assert_int_equal(image_raw_size(raw), (BLOCKS - 1) * SUM_BLOCK + 5000);
	assert_int_equal(image_raw_check(raw), 0);
	assert_int_equal(image_raw_read(raw, buf, SUM_BLOCK, 2 * SUM_BLOCK), 0);
	assert_int_equal(image_raw_check_block(raw, 2, buf, SUM_BLOCK), 0);
	assert_int_equal(image_raw_read(raw, buf, 5000, (BLOCKS - 1) * SUM_BLOCK), 0);
	assert_int_equal(image_raw_check_block(raw, BLOCKS - 1, buf, 5000), 0);
	buf[4]++;
	assert_int_equal(image_raw_check_block(raw, BLOCKS - 1, buf, 5000), -EUCLEAN);
	assert_string_equal(sentence(&err), "pages-1.img at offset 5242880: contents changed since "
					    "they were written");
	assert_int_equal(image_raw_check_block(raw, BLOCKS, buf, 5000), -EUCLEAN);

	assert_int_equal(image_raw_read(raw, buf, 5001, (BLOCKS - 1) * SUM_BLOCK), -EUCLEAN);
	assert_int_equal(image_raw_read(raw, buf, 1, UINT64_MAX), -EUCLEAN);

	snprintf(file, sizeof(file), "%s/pages-1.img", path);
	assert_int_equal(truncate(file, SUM_BLOCK), 0);
	assert_int_equal(image_raw_read(raw, buf, SUM_BLOCK, 2 * SUM_BLOCK), -EUCLEAN);
	assert_string_equal(sentence(&err), "pages-1.img at offset 2097152: file became shorter");
	image_raw_free(raw);
	raw = NULL;
	assert_int_equal(image_raw_open(dir, IMAGE_PAGES, 1, &err, &raw), -EUCLEAN);
	image_dir_free(dir);
	mem_free(buf);
}

static void the_place_of_damage_is_told(void **state)
{
	struct image_error err = { 0 };
	struct image_raw *raw = NULL;
	struct image_dir *dir;
	char path[40];

	(void)state;
	tmp_dir(path);
	dir = make_pages(path);
	assert_int_equal(image_raw_open(dir, IMAGE_PAGES, 1, &err, &raw), 0);
	{
		scoped(fd_close) int fd =
			openat(image_dir_fd(dir), "pages-1.img", O_WRONLY | O_CLOEXEC);

		assert_int_equal(pwrite(fd, "x", 1, 3 * SUM_BLOCK + 17), 1);
	}
	assert_int_equal(image_raw_check(raw), -EUCLEAN);
	assert_int_equal(err.offset, 3 * SUM_BLOCK);
	image_raw_free(raw);
	image_dir_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_checked),
		cmocka_unit_test(the_place_of_damage_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
