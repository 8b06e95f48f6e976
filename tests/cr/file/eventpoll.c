/* What epoll instances watch. */
#include "../harness.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

static void watch(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
}

CR_TEST(eventpoll, events_and_data_survive)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), b = eventfd(0, 0);
	struct epoll_event ev[4];

	watch(ep, a, EPOLLIN, 0x1122334455667788);
	watch(ep, b, EPOLLIN | EPOLLET, 2);
	cr_point();
	ASSERT_EQ(epoll_wait(ep, ev, 4, 0), 1);
	ASSERT_EQ(ev[0].data.u64, 0x1122334455667788);
	ASSERT_EQ(eventfd_write(b, 1), 0);
	ASSERT_EQ(epoll_wait(ep, ev, 4, 0), 2);
	ASSERT_EQ(epoll_wait(ep, ev, 4, 0), 1); /* the edge is over */
}

CR_TEST(eventpoll, number_that_is_closed)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), copy = dup(a);
	struct epoll_event ev = { 0 };

	watch(ep, copy, EPOLLIN, 7);
	close(copy);
	cr_point();
	ASSERT_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	ASSERT_EQ(ev.data.u64, 7);
	ASSERT_EQ(fcntl(copy, F_GETFD), -1);
	ASSERT_EQ(dup2(a, copy), copy);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_DEL, copy, &ev), 0);
}

CR_TEST(eventpoll, number_that_is_another_file_now)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), b = eventfd(5, 0), copy = dup(a);
	struct epoll_event ev[4];
	eventfd_t n;

	watch(ep, copy, EPOLLIN, 1);
	ASSERT_EQ(dup3(b, copy, O_CLOEXEC), copy);
	watch(ep, copy, EPOLLIN, 2);
	close(b);
	cr_point();
	ASSERT_EQ(epoll_wait(ep, ev, 4, 0), 2);
	ASSERT_EQ(eventfd_read(copy, &n), 0);
	ASSERT_EQ(n, 5);
	ASSERT_EQ(fcntl(copy, F_GETFD), FD_CLOEXEC);
	ASSERT_EQ(epoll_wait(ep, ev, 4, 0), 1);
	ASSERT_EQ(ev[0].data.u64, 1);
}

CR_TEST(eventpoll, file_that_only_a_child_has)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), done[2];
	struct epoll_event ev;
	char c;
	pid_t pid;

	ASSERT_EQ(pipe(done), 0);
	watch(ep, a, EPOLLIN, 9);
	pid = fork();
	ASSERT(pid >= 0);
	if (pid == 0) {
		close(done[1]);
		_exit(read(done[0], &c, 1) == 0 ? 0 : 1);
	}
	close(a);
	cr_point();
	ASSERT_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	ASSERT_EQ(ev.data.u64, 9);
	close(done[1]);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	ASSERT_EQ(epoll_wait(ep, &ev, 1, 0), 0); /* gone with its last owner */
}

CR_TEST(eventpoll, nested_ones_survive)
{
	int outer = epoll_create1(0), inner = epoll_create1(0), a = eventfd(0, 0);
	struct epoll_event ev;

	watch(outer, inner, EPOLLIN, 1);
	watch(inner, a, EPOLLIN, 2);
	cr_point();
	ASSERT_EQ(epoll_wait(outer, &ev, 1, 0), 0);
	ASSERT_EQ(eventfd_write(a, 1), 0);
	ASSERT_EQ(epoll_wait(outer, &ev, 1, 0), 1);
}

CR_TEST(eventpoll, oneshot_that_has_fired_stays_so)
{
	int ep = epoll_create1(0), a = eventfd(1, 0), b = eventfd(0, 0);
	struct epoll_event ev;

	watch(ep, a, EPOLLIN | EPOLLONESHOT, 1);
	ASSERT_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	watch(ep, b, EPOLLIN | EPOLLEXCLUSIVE, 2);
	cr_point();
	ASSERT_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	ASSERT_EQ(eventfd_write(b, 1), 0);
	ASSERT_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	ASSERT_EQ(ev.data.u64, 2);
	ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 3 };
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_MOD, a, &ev), 0);
}

CR_TEST(eventpoll, file_that_nobody_has, .refused = "E-EPOLL-TARGET")
{
	/* A process outside of the tree keeps the watched file, until we end. */
	int ep = epoll_create1(0), a = eventfd(1, 0), end[2];
	char c;
	pid_t pid;

	ASSERT_EQ(pipe(end), 0);
	pid = fork();
	if (pid == 0) {
		close(ep);
		close(end[1]);
		if (fork() == 0) {
			setsid();
			_exit(read(end[0], &c, 1) == 0 ? 0 : 1);
		}
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	watch(ep, a, EPOLLIN, 1);
	close(a);
	cr_point();
}
