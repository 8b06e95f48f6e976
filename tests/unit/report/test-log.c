/* Lines have the form that engines grep for, at the levels asked for. */
#include "unit/check.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "report/log.h"

static char text[65536];

/* Opens the log on a memfd; gives another descriptor of it. */
static int open_log(enum log_level level)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	int seen = fd_dup_above(fd, 3);

	assert_int_equal(log_open_take(fd, level), 0);
	return seen;
}

static const char *read_log(int fd)
{
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void lines_have_criu_form(void **state)
{
	scoped(fd_close) int fd = open_log(LOG_DEBUG);
	int fd_seen = 0;

	log_write(LOG_ERROR, "../src/object/file/pipe.c:12", "fd=%d", 7);
	assert_int_equal(sscanf(read_log(fd), "(%*2d.%6d) Error (object/file/pipe.c:12): fd=%d\n",
				&(int){ 0 }, &fd_seen),
			 2);
	assert_int_equal(fd_seen, 7);
}

static void levels_decide(void **state)
{
	scoped(fd_close) int fd = open_log(LOG_WARN);

	log_info("not this");
	log_debug("nor this");
	log_warn("but this");
	read_log(fd);
	assert_non_null(strstr(text, "Warn ("));
	assert_null(strstr(text, "not"));
	assert_null(strstr(text, "nor"));
	/* No stamp below LOG_INFO, as CRIU has it. */
	assert_int_equal(text[0], 'W');
}

static void early_lines_are_kept_and_filtered(void **state)
{
	scoped(fd_close) int fd = -EBADF;

	log_info("early info");
	log_warn("early warning");
	log_debug("early debug");
	fd = open_log(LOG_INFO);
	log_info("late");
	read_log(fd);
	assert_non_null(strstr(text, "early info\n"));
	assert_non_null(strstr(text, "early warning\n"));
	assert_null(strstr(text, "early debug"));
	assert_true(strstr(text, "early info") < strstr(text, "late"));
}

static void early_lines_lose_their_stamp_at_low_levels(void **state)
{
	scoped(fd_close) int fd = -EBADF;

	log_warn("x");
	fd = open_log(LOG_WARN);
	assert_int_equal(read_log(fd)[0], 'W');
}

static void early_lines_are_bounded(void **state)
{
	scoped(fd_close) int fd = -EBADF;

	for (int i = 0; i < 10000; i++)
		log_warn("line %d of many", i);
	fd = open_log(LOG_WARN);
	read_log(fd);
	assert_non_null(strstr(text, "line 0 of many"));
	assert_null(strstr(text, "line 9999 of many"));
	assert_non_null(strstr(text, "early log lines did not fit"));
}

static void long_lines_are_cut(void **state)
{
	scoped(fd_close) int fd = open_log(LOG_INFO);
	char longer[10000];

	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_info("%s", longer);
	log_info("next");
	read_log(fd);
	assert_non_null(strstr(text, "aaa...\n("));
	assert_non_null(strstr(text, "next\n"));
}

static void debug_filter_selects_rooms(void **state)
{
	scoped(fd_close) int fd = -EBADF;

	assert_int_equal(setenv("DEBUG", "file,kcmp", 1), 0);
	fd = open_log(LOG_WARN);
	log_write(LOG_DEBUG, "../src/object/file/pipe.c:1", "one");
	log_write(LOG_DEBUG, "../src/object/ns/net.c:1", "two");
	log_write(LOG_DEBUG, "../src/kernel/kcmp.c:1", "three");
	log_write(LOG_INFO, "../src/kernel/kcmp.c:1", "four");
	log_write(LOG_DEBUG, "../src/object/files/pipe.c:1", "five");
	unsetenv("DEBUG");
	read_log(fd);
	assert_non_null(strstr(text, "one"));
	assert_null(strstr(text, "two"));
	assert_non_null(strstr(text, "three"));
	assert_null(strstr(text, "four"));
	assert_null(strstr(text, "five"));
}

static void children_write_whole_lines_with_their_prefix(void **state)
{
	scoped(fd_close) int fd = open_log(LOG_INFO);
	pid_t pids[4];

	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char prefix[16];

			(void)snprintf(prefix, sizeof(prefix), "%6d: ", i);
			log_set_prefix(prefix);
			for (int k = 0; k < 100; k++)
				log_info("line-of-%d", i);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	read_log(fd);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		int a, b;

		assert_int_equal(sscanf(line, "(%*d.%*d) %d: line-of-%d\n", &a, &b), 2);
		assert_int_equal(a, b);
	}
}

static void descriptor_stays_off_the_standard_ones(void **state)
{
	scoped(fd_close) int saved = fd_dup_above(0, 10);
	int fd;

	close(0);
	fd = memfd_create("low", MFD_CLOEXEC);
	assert_int_equal(fd, 0);
	assert_int_equal(log_open_take(fd, LOG_INFO), 0);
	assert_true(log_fd() >= 3);
	assert_int_equal(log_move_above(500), 0);
	assert_true(log_fd() >= 500);
	assert_int_equal(fd_place(saved, 0, false), 0);
}

static void a_bad_descriptor_is_an_error(void **state)
{
	assert_int_equal(log_open_take(-EBADF, LOG_INFO), -EBADF);
}

static int fresh(void **state)
{
	log_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_have_criu_form, fresh),
		cmocka_unit_test_setup(levels_decide, fresh),
		cmocka_unit_test_setup(early_lines_are_kept_and_filtered, fresh),
		cmocka_unit_test_setup(early_lines_lose_their_stamp_at_low_levels, fresh),
		cmocka_unit_test_setup(early_lines_are_bounded, fresh),
		cmocka_unit_test_setup(long_lines_are_cut, fresh),
		cmocka_unit_test_setup(debug_filter_selects_rooms, fresh),
		cmocka_unit_test_setup(children_write_whole_lines_with_their_prefix, fresh),
		cmocka_unit_test_setup(descriptor_stays_off_the_standard_ones, fresh),
		cmocka_unit_test_setup(a_bad_descriptor_is_an_error, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
