/* Twins of base/fd.c and base/guard.c: all or an error, and who closes what. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/guard.h"
#include "base/mem.h"
#include "unit/check.h"

static void all_or_nothing(void **state)
{
	scoped(fd_close) int reading = -EBADF;
	char buf[8];
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	reading = ends[0];
	assert_int_equal(fd_write_all(ends[1], "12345678", 8), 0);
	fd_close(ends[1]);
	assert_int_equal(fd_read_all(reading, buf, 5), 0);
	assert_memory_equal(buf, "12345", 5);
	assert_int_equal(fd_read_all(reading, buf, 5), -ENODATA); /* three are left */
	assert_int_equal(fd_read_some(reading, buf, 5), 0);
	assert_int_equal(fd_read_all(-EBADF, buf, 1), -EBADF);
}

static void to_the_end(void **state)
{
	scoped(fd_close) int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	scoped(mem_free) char *text = NULL;
	size_t len;

	assert_true(fd >= 0);
	assert_int_equal(fd_read_to_end(fd, 1 << 20, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(fd_read_to_end(fd, 10, &text, &len), -EFBIG);
}

static void places(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), high = fd_dup_above(fd, 500), taken;

	assert_true(high >= 500);
	assert_true(fcntl(high, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fd_place(fd, 600, false), 0);
	assert_int_equal(fcntl(600, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_equal(fd_place(600, 600, true), 0);
	assert_true(fcntl(600, F_GETFD) & FD_CLOEXEC);
	taken = fd_take(&fd);
	assert_int_equal(fd, -EBADF);
	fd_close(taken);
	fd_close(high);
	fd_close(600);
	fd_close(-EBADF);
	assert_int_equal(fcntl(600, F_GETFD), -1);
}

static void say(void *arg)
{
	(void)!fd_write_all(*(int *)arg, "x", 1);
}

/* The guard of a process that is killed acts; the one of a process that releases it does not. */
static void guard_acts_on_death_only(void **state)
{
	for (int dies = 0; dies < 2; dies++) {
		char c;
		int ends[2];
		pid_t child;

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		child = fork();
		if (child == 0) {
			struct guard g = { 0 };

			if (guard_start(&g, say, &ends[1]) < 0)
				_exit(1);
			if (dies)
				(void)kill(getpid(), SIGKILL);
			guard_release(&g);
			guard_release(&g); /* once is enough */
			_exit(0);
		}
		fd_close(ends[1]);
		assert_int_equal(waitpid(child, NULL, 0), child);
		/* End of file when the guard, which has the other end, has gone without a word. */
		assert_int_equal(fd_read_some(ends[0], &c, 1), dies);
		fd_close(ends[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(to_the_end),
		cmocka_unit_test(places),
		cmocka_unit_test(guard_acts_on_death_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
