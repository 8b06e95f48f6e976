/* Timers read as a file. */
#include "../harness.h"

#include <sys/timerfd.h>
#include <time.h>

static double left(int fd)
{
	struct itimerspec now;

	ASSERT_EQ(timerfd_gettime(fd, &now), 0);
	return (double)now.it_value.tv_sec + (double)now.it_value.tv_nsec / 1e9;
}

CR_TEST(timerfd, time_left_survives)
{
	const struct itimerspec when = { .it_value = { 1000, 0 }, .it_interval = { 100, 5 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec now;
	double before;

	ASSERT_EQ(timerfd_settime(fd, 0, &when, NULL), 0);
	before = left(fd);
	cr_point();
	ASSERT(left(fd) <= before && left(fd) > before - 20);
	ASSERT_EQ(timerfd_gettime(fd, &now), 0);
	ASSERT_EQ(now.it_interval.tv_sec, 100);
	ASSERT_EQ(now.it_interval.tv_nsec, 5);
}

CR_TEST(timerfd, absolute_one_fires)
{
	struct itimerspec when = { 0 };
	int fd = timerfd_create(CLOCK_REALTIME, 0);
	uint64_t ticks;

	ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &when.it_value), 0);
	when.it_value.tv_sec += 3;
	ASSERT_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL), 0);
	cr_point();
	ASSERT_EQ(read(fd, &ticks, sizeof(ticks)), sizeof(ticks));
	ASSERT_EQ(ticks, 1);
	ASSERT_EQ((int)left(fd), 0);
}

CR_TEST(timerfd, expirations_survive)
{
	const struct itimerspec once = { .it_value = { 0, 1 } };
	const struct itimerspec often = { .it_value = { 0, 1 }, .it_interval = { 0, 20000000 } };
	int a = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	int b = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t ticks;

	ASSERT_EQ(timerfd_settime(a, 0, &once, NULL), 0);
	ASSERT_EQ(timerfd_settime(b, 0, &often, NULL), 0);
	usleep(100000);
	cr_point();
	ASSERT_EQ(read(a, &ticks, sizeof(ticks)), sizeof(ticks));
	ASSERT_EQ(ticks, 1);
	ASSERT_EQ(read(a, &ticks, sizeof(ticks)), -1);
	ASSERT_EQ(read(b, &ticks, sizeof(ticks)), sizeof(ticks));
	ASSERT(ticks >= 5);
	ASSERT_EQ(read(b, &ticks, sizeof(ticks)), sizeof(ticks)); /* goes on */
}
