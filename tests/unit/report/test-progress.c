/* The bar is drawn on terminals only, and only for long work. */
#include "unit/check.h"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include "base/fd.h"
#include "report/progress.h"

static void nothing_without_a_terminal(void **state)
{
	scoped(fd_close) int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_null(progress_new(fd, "dumping"));
	progress_expect(NULL, 1);
	progress_add(NULL, 1);
	progress_free(NULL);
}

static ssize_t read_pty(int fd, char *buf, size_t size)
{
	ssize_t n;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	n = read(fd, buf, size - 1);
	buf[MAX(n, 0)] = '\0';
	return n;
}

static void short_work_draws_nothing(void **state)
{
	char buf[512];
	int us, them;
	struct progress *p;

	assert_int_equal(openpty(&us, &them, NULL, NULL, NULL), 0);
	p = progress_new(them, "dumping");
	assert_non_null(p);
	progress_expect(p, 100);
	progress_add(p, 50);
	progress_free(p);
	assert_true(read_pty(us, buf, sizeof(buf)) < 0);
	fd_close(us);
	fd_close(them);
}

static void long_work_draws_and_clears(void **state)
{
	struct winsize size = { .ws_row = 25, .ws_col = 100 };
	char buf[512];
	int us, them;
	struct progress *p;

	assert_int_equal(openpty(&us, &them, NULL, NULL, &size), 0);
	p = progress_new(them, "dumping");
	progress_expect(p, 4096 * 4);
	usleep(520000);
	progress_add(p, 4096);
	progress_add(p, 4096); /* too soon to draw again */
	assert_true(read_pty(us, buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "dumping ["));
	assert_non_null(strstr(buf, " 25%  4.0 KiB of 16 KiB"));
	assert_null(strstr(buf, " 50%"));
	progress_free(p);
	assert_true(read_pty(us, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "\r\033[K");
	fd_close(us);
	fd_close(them);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_without_a_terminal),
		cmocka_unit_test(short_work_draws_nothing),
		cmocka_unit_test(long_work_draws_and_clears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
