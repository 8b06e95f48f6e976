/* Shared and separate kernel objects. */
#include "unit/check.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "child.h"
#include "kernel/kcmp.h"
#include "base/fd.h"

static void equal_and_ordered(void **state)
{
	scoped(fd_close) int a = eventfd(0, 0);
	scoped(fd_close) int b = eventfd(0, 0);
	scoped(fd_close) int a2 = fd_dup_above(a, 0);
	pid_t pid = getpid();
	int order, back;
	bool same;

	assert_int_equal(kcmp_order(KCMP_FILE, (struct kcmp_ref){ pid, a },
				    (struct kcmp_ref){ pid, a2 }, &order),
			 0);
	assert_int_equal(order, 0);
	assert_int_equal(kcmp_order(KCMP_FILE, (struct kcmp_ref){ pid, a },
				    (struct kcmp_ref){ pid, b }, &order),
			 0);
	assert_int_equal(kcmp_order(KCMP_FILE, (struct kcmp_ref){ pid, b },
				    (struct kcmp_ref){ pid, a }, &back),
			 0);
	assert_int_not_equal(order, 0);
	assert_int_equal(order, -back);
	assert_int_equal(kcmp_same(KCMP_FILE, (struct kcmp_ref){ pid, a },
				   (struct kcmp_ref){ pid, b }, &same),
			 0);
	assert_false(same);
	assert_int_equal(kcmp_same(KCMP_FILE, (struct kcmp_ref){ pid, a },
				   (struct kcmp_ref){ pid, 9999 }, &same),
			 -EBADF);
}

static void tasks(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	bool same;

	assert_int_equal(kcmp_same(KCMP_VM, (struct kcmp_ref){ getpid(), 0 },
				   (struct kcmp_ref){ pid, 0 }, &same),
			 0);
	assert_false(same);
	assert_int_equal(kcmp_same(KCMP_FILES, (struct kcmp_ref){ pid, 0 },
				   (struct kcmp_ref){ pid, 0 }, &same),
			 0);
	assert_true(same);
	assert_int_equal(kcmp_same(KCMP_VM, (struct kcmp_ref){ getpid(), 0 },
				   (struct kcmp_ref){ 4194303, 0 }, &same),
			 -ESRCH);
}

static void epoll_targets(void **state)
{
	scoped(fd_close) int ep = epoll_create1(EPOLL_CLOEXEC);
	scoped(fd_close) int a = eventfd(0, 0);
	scoped(fd_close) int b = eventfd(0, 0);
	struct epoll_event ev = { .events = EPOLLIN };
	struct kcmp_epoll_slot slot = { .efd = (uint32_t)ep, .tfd = (uint32_t)a };
	pid_t pid = getpid();
	int order;

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, a, &ev), 0);
	assert_int_equal(kcmp_epoll_order((struct kcmp_ref){ pid, a }, pid, slot, &order), 0);
	assert_int_equal(order, 0);
	assert_int_equal(kcmp_epoll_order((struct kcmp_ref){ pid, b }, pid, slot, &order), 0);
	assert_int_not_equal(order, 0);
	slot.tfd = (uint32_t)b;
	assert_int_equal(kcmp_epoll_order((struct kcmp_ref){ pid, b }, pid, slot, &order), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_and_ordered),
		cmocka_unit_test(tasks),
		cmocka_unit_test(epoll_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
