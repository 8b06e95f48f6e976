/* Unix sockets: connections, names, queues and files in flight through images and back. */
#include "trip.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void expect(int fd, const char *text)
{
	char buf[64] = "";

	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT), strlen(text));
	assert_string_equal(buf, text);
}

static void pairs_and_queues(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	char byte;
	struct trip t;
	int fd[2];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i], 0, fd), 0);
		assert_int_equal(write(fd[0], "there", 5), 5);
		assert_int_equal(write(fd[1], "back", 4), 4);
		TRIP(&t, fd[0], fd[1]);
		expect(fd[1], "there");
		expect(fd[0], "back");
		assert_int_equal(recv(fd[0], &byte, 1, MSG_DONTWAIT), -1);
		assert_int_equal(write(fd[0], "on", 2), 2);
		expect(fd[1], "on");
		trip_end(&t);
	}
}

static void listener_and_client(void **state)
{
	const struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0stasis-unit-unix" };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 17;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s;
	struct sockaddr_un got = { 0 };
	socklen_t got_len = sizeof(got);
	struct trip t;

	assert_int_equal(bind(l, (const struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(l, 3), 0);
	assert_int_equal(connect(c, (const struct sockaddr *)&a, len), 0);
	s = accept(l, NULL, NULL);
	assert_int_equal(write(c, "hi", 2), 2);
	TRIP(&t, l, c, s);
	expect(s, "hi");
	assert_int_equal(getsockname(s, (struct sockaddr *)&got, &got_len), 0);
	assert_int_equal(got_len, len);
	assert_memory_equal(&got, &a, len);
	trip_end(&t);
}

static void closed_peer(void **state)
{
	struct trip t;
	char byte;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(write(fd[0], "last", 4), 4);
	close(fd[0]);
	TRIP(&t, fd[1]);
	expect(fd[1], "last");
	assert_int_equal(read(fd[1], &byte, 1), 0);
	trip_end(&t);
}

static void peer_outside_is_refused(void **state)
{
	struct trip t;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	trip_begin(&t);
	trip_add(&t, fd[0]);
	assert_int_equal(trip_collect(&t), -ENOTSUP);
	assert_int_equal(report_first(&t.report)->code, CODE_UNIX_OUTSIDE);
	trip_give_up(&t);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_and_queues),
		cmocka_unit_test(listener_and_client),
		cmocka_unit_test(closed_peer),
		cmocka_unit_test(peer_outside_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
