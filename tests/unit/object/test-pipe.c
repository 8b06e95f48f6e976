/* Pipes and what is in them. */
#include "trip.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static int open_again(int fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

static void contents_survive_and_are_not_taken(void **state)
{
	char buf[16] = "";
	struct trip t;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "hello", 5), 5);
	trip_begin(&t);
	trip_add(&t, p[0]);
	trip_add(&t, p[1]);
	assert_int_equal(trip_collect(&t), 0);
	trip_run(&t);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(write(p[1], "more", 4), 4);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 4);
	trip_end(&t);
}

static void full_pipe_of_odd_size(void **state)
{
	static char buf[1 << 18], back[1 << 18];
	struct trip t;
	int p[2];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 4096);
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	assert_int_equal(fcntl(p[1], F_SETPIPE_SZ, sizeof(buf)), sizeof(buf));
	assert_int_equal(write(p[1], buf, sizeof(buf)), sizeof(buf));
	TRIP(&t, p[0], p[1]);
	assert_int_equal(fcntl(p[0], F_GETPIPE_SZ), sizeof(buf));
	assert_int_equal(write(p[1], "x", 1), -1);
	assert_int_equal(fd_read_all(p[0], back, sizeof(back)), 0);
	assert_memory_equal(buf, back, sizeof(buf));
	assert_int_equal(fcntl(p[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	trip_end(&t);
}

static void packets_stay_apart(void **state)
{
	char buf[64];
	struct trip t;
	int p[2], q[2];

	assert_int_equal(pipe2(p, O_DIRECT | O_NONBLOCK), 0);
	assert_int_equal(pipe(q), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	/* Bytes that a packet does not join, although they are none. */
	assert_int_equal(write(q[1], "1234", 4), 4);
	assert_int_equal(tee(q[0], p[1], 4, 0), 4);
	assert_int_equal(write(p[1], "d", 1), 1);
	assert_int_equal(write(p[1], "efgh", 4), 4);
	TRIP(&t, p[0], p[1]);
	assert_int_equal(fcntl(p[1], F_GETFL), O_WRONLY | O_NONBLOCK | O_DIRECT);
	assert_int_equal(read(p[0], buf, 1), 1); /* the rest of a packet is lost */
	assert_int_equal(read(p[0], buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "1234d", 5);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "efgh", 4);
	assert_int_equal(read(p[0], buf, sizeof(buf)), -1);
	(void)close(q[0]);
	(void)close(q[1]);
	trip_end(&t);
}

static void packets_are_found_without_the_flag(void **state)
{
	char buf[64];
	struct trip t;
	int p[2];

	assert_int_equal(pipe2(p, O_DIRECT | O_NONBLOCK), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	assert_int_equal(write(p[1], "de", 2), 2);
	(void)close(p[1]);
	TRIP(&t, p[0]);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 3);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 2);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 0);
	trip_end(&t);
}

static void many_descriptions_of_one_pipe(void **state)
{
	struct trip t;
	char c;
	int p[2], both, reader;

	assert_int_equal(pipe(p), 0);
	both = open_again(p[0], O_RDWR | O_NONBLOCK);
	reader = open_again(p[0], O_RDONLY);
	TRIP(&t, p[0], p[1], both, reader);
	assert_int_equal(fcntl(p[0], F_GETFL), O_RDONLY);
	assert_int_equal(fcntl(p[1], F_GETFL), O_WRONLY);
	assert_int_equal(fcntl(both, F_GETFL) & ~O_LARGEFILE & ~0100000, O_RDWR | O_NONBLOCK);
	assert_int_equal(write(both, "x", 1), 1);
	assert_int_equal(read(reader, &c, 1), 1);
	assert_int_equal(write(p[1], "y", 1), 1);
	assert_int_equal(read(both, &c, 1), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(read(both, &c, 1), -1);
	trip_end(&t);
}

static void lost_ends_stay_lost(void **state)
{
	struct pollfd pfd;
	struct trip t;
	char buf[8];
	int p[2], q[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	assert_int_equal(write(p[1], "end", 3), 3);
	(void)close(p[1]);
	(void)close(q[0]);
	TRIP(&t, p[0], q[1]);
	assert_int_equal(t.report.n_warnings, 0);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 3);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 0);
	pfd = (struct pollfd){ .fd = q[1] };
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_true(pfd.revents & POLLERR);
	trip_end(&t);
}

static void an_end_outside_is_told(void **state)
{
	struct trip t;
	int p[2];

	assert_int_equal(pipe(p), 0);
	trip_begin(&t);
	trip_add(&t, p[1]);
	assert_int_equal(trip_collect(&t), 0);
	assert_int_equal(t.report.n_warnings, 1);
	(void)close(p[0]);
	trip_run(&t);
	trip_end(&t);
}

static void owner_and_mode_survive(void **state)
{
	struct stat st;
	struct trip t;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(fchown(p[0], 1000, 1001), 0);
	assert_int_equal(fchmod(p[0], 0640), 0);
	TRIP(&t, p[0], p[1]);
	assert_int_equal(fstat(p[1], &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 1001);
	assert_int_equal(st.st_mode & 07777, 0640);
	trip_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents_survive_and_are_not_taken),
		cmocka_unit_test(full_pipe_of_odd_size),
		cmocka_unit_test(packets_stay_apart),
		cmocka_unit_test(packets_are_found_without_the_flag),
		cmocka_unit_test(many_descriptions_of_one_pipe),
		cmocka_unit_test(lost_ends_stay_lost),
		cmocka_unit_test(an_end_outside_is_told),
		cmocka_unit_test(owner_and_mode_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
