/* Sums by stream, by block and from a file are the same. */
#include "image-test.h"

#include "image/sum.h"

static void stream_and_file_agree(void **state)
{
	static const size_t sizes[] = {
		0, 1, SUM_BLOCK - 1, SUM_BLOCK, SUM_BLOCK + 1, 3 * SUM_BLOCK
	};
	uint8_t *bytes = mem_alloc(3, SUM_BLOCK);

	(void)state;
	for (size_t i = 0; i < 3 * SUM_BLOCK; i++)
		bytes[i] = (uint8_t)(i * 31 >> 3);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct sum_stream stream = { 0 };
		struct sums by_stream = { 0 }, by_file = { 0 };
		scoped(fd_close) int fd = bytes_fd(bytes, sizes[i]);
		size_t block;

		for (size_t at = 0; at < sizes[i]; at += 70001)
			assert_int_equal(sum_stream_add(&stream, bytes + at,
							MIN(70001ul, sizes[i] - at)),
					 0);
		assert_int_equal(sum_stream_finish(&stream, &by_stream), 0);
		assert_int_equal(sums_read(fd, sizes[i], &by_file), 0);
		assert_int_equal(by_stream.n, sum_block_count(sizes[i]));
		assert_int_equal(by_file.n, by_stream.n);
		if (by_file.n) {
			assert_memory_equal(by_file.at, by_stream.at, by_file.n * 8);
			by_file.at[by_file.n - 1]++;
			assert_int_equal(sums_check(fd, sizes[i], by_file.at, &block), 0);
			assert_int_equal(block, by_file.n - 1);
		}
		assert_int_equal(sums_check(fd, sizes[i], by_stream.at, &block), 0);
		assert_int_equal(block, by_stream.n);
		sum_stream_done(&stream);
		vec_done(&by_stream);
		vec_done(&by_file);
	}
	mem_free(bytes);
}

static void the_algorithm_is_fixed(void **state)
{
	(void)state;
	/* Published by the algorithm's authors for the empty input. */
	assert_true(sum_block("", 0) == 0x2d06800538d394c2ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_and_file_agree),
		cmocka_unit_test(the_algorithm_is_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
