/* Counters. */
#include "../harness.h"

#include <fcntl.h>
#include <sys/eventfd.h>

CR_TEST(eventfd, counter_survives)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	eventfd_t n = UINT32_MAX + 7ULL;

	ASSERT_EQ(eventfd_write(fd, n), 0);
	cr_point();
	ASSERT_EQ(eventfd_read(fd, &n), 0);
	ASSERT_EQ(n, UINT32_MAX + 7ULL);
	ASSERT_EQ(eventfd_read(fd, &n), -1);
	ASSERT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

CR_TEST(eventfd, semaphore_stays_one)
{
	int fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	eventfd_t n;

	cr_point();
	ASSERT_EQ(eventfd_read(fd, &n), 0);
	ASSERT_EQ(n, 1);
	ASSERT_EQ(eventfd_read(fd, &n), 0);
	ASSERT_EQ(eventfd_read(fd, &n), -1);
}

CR_TEST(eventfd, duplicates_stay_one)
{
	int fd = eventfd(3, 0), copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	eventfd_t n;

	cr_point();
	ASSERT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ASSERT_EQ(eventfd_read(copy, &n), 0);
	ASSERT_EQ(n, 3);
	ASSERT_EQ(eventfd_read(copy, &n), -1);
}
