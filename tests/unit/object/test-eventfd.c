/* Counters of eventfds. */
#include "trip.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void counter_of_64_bits(void **state)
{
	uint64_t count = UINT32_MAX + UINT64_C(7);
	int fd = eventfd(0, EFD_NONBLOCK);
	struct trip t;

	assert_int_equal(write(fd, &count, 8), 8);
	TRIP(&t, fd);
	count = 0;
	assert_int_equal(read(fd, &count, 8), 8);
	assert_int_equal(count, UINT32_MAX + UINT64_C(7));
	assert_int_equal(read(fd, &count, 8), -1);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	trip_end(&t);
}

static void semaphore_gives_one_by_one(void **state)
{
	int fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	uint64_t count;
	struct trip t;

	TRIP(&t, fd);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(read(fd, &count, 8), 8);
		assert_int_equal(count, 1);
	}
	assert_int_equal(read(fd, &count, 8), -1);
	trip_end(&t);
}

static void empty_and_blocking(void **state)
{
	int fd = eventfd(0, 0);
	uint64_t count = UINT64_MAX - 1;
	struct trip t;

	TRIP(&t, fd);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(write(fd, &count, 8), 8); /* goes only while it is empty */
	trip_end(&t);
}

static void duplicates_stay_one(void **state)
{
	int fd = eventfd(3, 0), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	uint64_t count;
	struct trip t;

	TRIP(&t, fd, copy);
	assert_int_equal(t.to.files.n, 1);
	assert_int_equal(read(copy, &count, 8), 8);
	assert_int_equal(count, 3);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(copy, &count, 8), -1);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	trip_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counter_of_64_bits),
		cmocka_unit_test(semaphore_gives_one_by_one),
		cmocka_unit_test(empty_and_blocking),
		cmocka_unit_test(duplicates_stay_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
