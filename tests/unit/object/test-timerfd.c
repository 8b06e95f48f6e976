/* Timers: what arrives in the model, and the steps that arm them. */
#include "trip.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "base/usec.h"
#include "inject/batch.h"

/* The steps of the timer behind fd, as text. */
static void last_steps(struct trip *t, int fd, struct str *s)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_WAIT);
	struct file *f = fdtable_find(t->new_task->fdtable, fd);

	assert_int_equal(f->kind->last(&t->env, f, fd, p), 0);
	program_exit(p, 0);
	assert_int_equal(batch_layout(b), 0);
	assert_int_equal(batch_print(b, s), 0);
}

static void armed_late(void **state)
{
	const struct itimerspec when = { .it_value = { 1000, 0 }, .it_interval = { 100, 5 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	scoped(str_done) struct str text = { 0 };
	struct itimerspec now;
	struct trip t;

	assert_int_equal(timerfd_settime(fd, 0, &when, NULL), 0);
	TRIP(&t, fd);
	assert_int_equal(timerfd_gettime(fd, &now), 0);
	assert_int_equal(now.it_value.tv_sec, 0);
	last_steps(&t, fd, &text);
	assert_non_null(strstr(str_get(&text), "timerfd_settime"));
	assert_null(strstr(str_get(&text), "ioctl"));
	trip_end(&t);
}

static void expired_is_counted(void **state)
{
	const struct itimerspec when = { .it_value = { 0, 1 }, .it_interval = { 0, 50000000 } };
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK);
	scoped(str_done) struct str text = { 0 };
	uint64_t ticks;
	struct trip t;

	assert_int_equal(timerfd_settime(fd, 0, &when, NULL), 0);
	usec_sleep(
		170000); /* expires once and three times more, of which the kernel knows nothing */
	TRIP(&t, fd);
	assert_int_equal(read(fd, &ticks, 8), 8);
	assert_true(ticks >= 4 && ticks < 100);
	last_steps(&t, fd, &text);
	assert_non_null(strstr(str_get(&text), "timerfd_settime"));
	assert_non_null(strstr(str_get(&text), "ioctl"));
	trip_end(&t);
}

static void disarmed_stays_so(void **state)
{
	int fd = timerfd_create(CLOCK_REALTIME, 0);
	scoped(str_done) struct str text = { 0 };
	struct trip t;

	TRIP(&t, fd);
	last_steps(&t, fd, &text);
	assert_null(strstr(str_get(&text), "timerfd_settime"));
	trip_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(armed_late),
		cmocka_unit_test(expired_is_counted),
		cmocka_unit_test(disarmed_stays_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
