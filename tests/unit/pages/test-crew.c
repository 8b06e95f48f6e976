/* Crews: everybody works, the first failure comes out, nothing is left behind. */
#include "pages-test.h"

#include <stdatomic.h>

#include "base/usec.h"
#include "pages/crew.h"

struct job {
	atomic_int workers;
	int fail_at;
};

/* Goes on until all have come, or a while has passed (threads may be refused). */
static int work(void *arg)
{
	struct job *j = arg;
	int me = atomic_fetch_add(&j->workers, 1);

	for (int i = 0; i < 1000 && atomic_load(&j->workers) < 4; i++)
		usec_sleep(1000);
	return me == j->fail_at ? -EIO : 1;
}

static void everybody_works(void **state)
{
	struct job j = { .fail_at = -1 };

	assert_int_equal(crew_run(4, work, &j), 0);
	assert_int_equal(j.workers, 4);
}

static void a_failure_comes_out(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct job j = { .fail_at = i };

		assert_int_equal(crew_run(4, work, &j), -EIO);
	}
}

static size_t maps_count(void)
{
	scoped(fd_close) int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	scoped(mem_free) char *text = NULL;
	size_t len, lines = 0;

	assert_int_equal(fd_read_to_end(fd, MIB, &text, &len), 0);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

static void nothing_is_left(void **state)
{
	struct job j = { .fail_at = -1 };
	size_t before = maps_count();
	struct proc_pid self = PROC_PID_NONE;
	struct proc_numbers threads = { 0 };

	assert_int_equal(crew_run(4, work, &j), 0);
	assert_int_equal(proc_pid_open(0, &self), 0);
	assert_int_equal(proc_numbers_read(&self, "task", &threads), 0);
	proc_pid_done(&self);
	assert_int_equal(threads.n, 1);
	proc_numbers_done(&threads); /* before skip(), which does not come back */
#ifdef __SANITIZE_ADDRESS__
	skip(); /* it keeps mappings of its own for every thread there ever was */
#endif
	assert_int_equal(maps_count(), before);
}

static void size_follows_the_job(void **state)
{
	assert_int_equal(crew_size(0, 0), 1);
	assert_int_equal(crew_size(MIB, 0), 1);
	assert_int_equal(crew_size(UINT64_MAX, 1), 1);
	assert_true(crew_size(UINT64_MAX, 0) >= 1);
	assert_true(crew_size(UINT64_MAX, 0) <= CREW_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_works),
		cmocka_unit_test(a_failure_comes_out),
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(size_follows_the_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
