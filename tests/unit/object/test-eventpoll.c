/* What epoll instances watch. */
#include "trip.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void watch(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
}

static void events_and_data_survive(void **state)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), b = eventfd(0, 0);
	struct epoll_event ev[4];
	struct trip t;

	watch(ep, a, EPOLLIN, UINT64_C(0x1122334455667788));
	watch(ep, b, EPOLLIN | EPOLLET, 2);
	TRIP(&t, ep, a, b);
	assert_int_equal(epoll_wait(ep, ev, 4, 0), 1);
	assert_int_equal(ev[0].data.u64, UINT64_C(0x1122334455667788));
	assert_int_equal(eventfd_write(b, 1), 0);
	assert_int_equal(epoll_wait(ep, ev, 4, 0), 2);
	assert_int_equal(epoll_wait(ep, ev, 4, 0), 1); /* the edge is over */
	trip_end(&t);
}

static void number_that_is_closed(void **state)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), copy = fcntl(a, F_DUPFD, 200);
	struct epoll_event ev = { .events = EPOLLIN };
	struct trip t;

	watch(ep, copy, EPOLLIN, 7);
	(void)close(copy);
	TRIP(&t, ep, a);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 1);
	assert_int_equal(ev.data.u64, 7);
	/* The key is still the file and that number. */
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_DEL, a, &ev), -1);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	assert_int_equal(dup2(a, copy), copy);
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_DEL, copy, &ev), 0);
	(void)close(copy);
	trip_end(&t);
}

static void number_that_is_another_file_now(void **state)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), b = eventfd(5, 0);
	int copy = fcntl(a, F_DUPFD, 0);
	struct epoll_event ev[4];
	eventfd_t n;
	struct trip t;

	watch(ep, copy, EPOLLIN, 1);
	assert_int_equal(dup3(b, copy, O_CLOEXEC), copy);
	watch(ep, copy, EPOLLIN, 2);
	TRIP(&t, ep, a, b, copy);
	assert_int_equal(epoll_wait(ep, ev, 4, 0), 2);
	assert_int_equal(eventfd_read(copy, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(epoll_wait(ep, ev, 4, 0), 1);
	assert_int_equal(ev[0].data.u64, 1);
	trip_end(&t);
}

static void nested(void **state)
{
	int outer = epoll_create1(0), inner = epoll_create1(0), a = eventfd(0, 0);
	struct epoll_event ev;
	struct trip t;

	watch(outer, inner, EPOLLIN, 1);
	watch(inner, a, EPOLLIN, 2);
	TRIP(&t, outer, inner, a);
	assert_int_equal(epoll_wait(outer, &ev, 1, 0), 0);
	assert_int_equal(eventfd_write(a, 1), 0);
	assert_int_equal(epoll_wait(outer, &ev, 1, 0), 1);
	assert_int_equal(ev.data.u64, 1);
	trip_end(&t);
}

static void oneshot_that_has_fired(void **state)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), p[2];
	struct epoll_event ev;
	struct trip t;

	assert_int_equal(pipe(p), 0);
	watch(ep, a, EPOLLIN | EPOLLONESHOT, 1);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 1);
	watch(ep, p[0], EPOLLIN, 2);
	TRIP(&t, ep, a, p[0], p[1]);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 1);
	assert_int_equal(ev.data.u64, 2);
	ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 3 };
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_MOD, a, &ev), 0);
	assert_int_equal(read(p[0], &ev, 1), 1);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 1);
	assert_int_equal(ev.data.u64, 3);
	trip_end(&t);
}

static void file_that_nobody_has(void **state)
{
	int ep = epoll_create1(0), a = eventfd(1, 0);
	struct trip t;

	watch(ep, a, EPOLLIN, 1);
	trip_begin(&t);
	trip_add(&t, ep);
	assert_int_equal(trip_collect(&t), -ENOTSUP);
	assert_int_equal(report_first(&t.report)->code, CODE_EPOLL_TARGET);
	(void)close(a);
	trip_give_up(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_and_data_survive),
		cmocka_unit_test(number_that_is_closed),
		cmocka_unit_test(number_that_is_another_file_now),
		cmocka_unit_test(nested),
		cmocka_unit_test(oneshot_that_has_fired),
		cmocka_unit_test(file_that_nobody_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
