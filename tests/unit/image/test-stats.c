/* The statistics files have the bytes that their readers expect, and leave images alone. */
#include "unit/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/stats.h"
#include "schema/stats.pb-c.h"

static void file_is_two_words_and_a_record(void **state)
{
	char dir[] = "/tmp/stasis-stats-XXXXXX";
	scoped(fd_close) int at = open(mkdtemp(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped(fd_close) int fd = -EBADF;
	RestoreStatsEntry restore = RESTORE_STATS_ENTRY__INIT;
	StatsEntry entry = STATS_ENTRY__INIT, *seen;
	uint8_t bytes[256];
	uint32_t words[3];
	ssize_t n;

	restore.restore_time = 4711;
	entry.restore = &restore;
	/* Twice: an older file is replaced. */
	assert_int_equal(stats_write(at, IMAGE_STATS_RESTORE, &entry, NULL), 0);
	assert_int_equal(stats_write(at, IMAGE_STATS_RESTORE, &entry, NULL), 0);

	fd = openat(at, "stats-restore", O_RDONLY | O_CLOEXEC);
	n = fd_read_some(fd, bytes, sizeof(bytes));
	assert_true(n > (ssize_t)sizeof(words));
	memcpy(words, bytes, sizeof(words));
	assert_int_equal(words[0], 0x55105940);
	assert_int_equal(words[1], 0x57093306);
	assert_int_equal(words[2], n - (ssize_t)sizeof(words));
	seen = stats_entry__unpack(NULL, words[2], bytes + sizeof(words));
	assert_int_equal(seen->restore->restore_time, 4711);
	stats_entry__free_unpacked(seen, NULL);
	assert_int_equal(unlinkat(at, "stats-restore", 0), 0);
	assert_int_equal(rmdir(dir), 0); /* and there was nothing else */
}

static void a_directory_that_is_gone(void **state)
{
	StatsEntry entry = STATS_ENTRY__INIT;
	struct image_error err = { 0 };

	assert_int_equal(stats_write(-1, IMAGE_STATS, &entry, &err), -EBADF);
	assert_true(err.what[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_two_words_and_a_record),
		cmocka_unit_test(a_directory_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
