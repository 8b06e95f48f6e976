/* Named pipes. */
#include "trip.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/fifo-XXXXXX", path[64];

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/fifo", dir);
	return 0;
}

static int remove_dir(void **state)
{
	return rmdir(dir);
}

static int make_fifo(void **state)
{
	return mkfifo(path, 0640);
}

static int remove_fifo(void **state)
{
	(void)unlink(path); /* some tests have done that */
	return 0;
}

static int hung_up(int fd)
{
	struct pollfd pfd = { .fd = fd };

	(void)poll(&pfd, 1, 0);
	return (pfd.revents & POLLHUP) != 0;
}

static void both_ends_and_contents(void **state)
{
	int r = open(path, O_RDONLY | O_NONBLOCK), w = open(path, O_WRONLY);
	char buf[16];
	struct trip t;

	assert_int_equal(write(w, "hello", 5), 5);
	TRIP(&t, r, w);
	assert_int_equal(read(r, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(fcntl(r, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
	assert_int_equal(fcntl(w, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
	assert_int_equal(write(w, "x", 1), 1);
	assert_int_equal(read(r, buf, sizeof(buf)), 1);
	trip_end(&t);
}

static void writer_alone(void **state)
{
	int r = open(path, O_RDONLY | O_NONBLOCK), w = open(path, O_WRONLY);
	struct pollfd pfd = { .fd = w };
	struct trip t;

	(void)close(r);
	TRIP(&t, w);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_true(pfd.revents & POLLERR);
	trip_end(&t);
}

static void reader_that_waits_for_its_first_writer(void **state)
{
	int r = open(path, O_RDONLY | O_NONBLOCK);
	struct trip t;

	assert_false(hung_up(r));
	TRIP(&t, r);
	assert_false(hung_up(r));
	trip_end(&t);
}

static void readers_before_and_after_a_writer(void **state)
{
	int before = open(path, O_RDONLY | O_NONBLOCK), w = open(path, O_WRONLY), after;
	struct trip t;
	char buf[8];

	assert_int_equal(write(w, "data", 4), 4);
	(void)close(w);
	after = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(hung_up(before));
	assert_false(hung_up(after));
	TRIP(&t, after, before);
	assert_true(hung_up(before));
	assert_false(hung_up(after));
	assert_int_equal(read(after, buf, sizeof(buf)), 4);
	assert_int_equal(read(before, buf, sizeof(buf)), 0);
	trip_end(&t);
}

static void deleted_and_full(void **state)
{
	int fd = open(path, O_RDWR | O_NONBLOCK);
	char buf[4096] = "";
	struct stat st;
	struct trip t;
	int n = 0;

	while (write(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		n++;
	assert_int_equal(unlink(path), 0);
	TRIP(&t, fd);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0640);
	while (read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		n--;
	assert_int_equal(n, 0);
	trip_end(&t);
}

static void kept_by_somebody_else(void **state)
{
	int fd = open(path, O_RDWR | O_NONBLOCK), other = open(path, O_RDWR | O_NONBLOCK);
	char buf[8];
	struct trip t;

	assert_int_equal(write(fd, "once", 4), 4);
	TRIP(&t, fd);
	assert_int_equal(read(fd, buf, sizeof(buf)), 4);
	assert_int_equal(read(fd, buf, sizeof(buf)), -1);
	(void)close(other);
	trip_end(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_fifo, remove_fifo)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_ends_and_contents),
		TEST(writer_alone),
		TEST(reader_that_waits_for_its_first_writer),
		TEST(readers_before_and_after_a_writer),
		TEST(deleted_and_full),
		TEST(kept_by_somebody_else),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
