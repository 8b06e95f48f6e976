/* POSIX timers. */
#include "unit/check.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "kernel/proc/timers.h"

static int first(const char *text, struct proc_timer *ret)
{
	struct scan s = scan_over(text, strlen(text));

	return proc_timers_next(&s, ret);
}

static void fields(void **state)
{
	static const char text[] = "ID: 1\nsignal: 60/00007fff86e452a8\nnotify: signal/pid.2634\n"
				   "ClockID: 0\n"
				   "ID: 5\nsignal: 10/0000000000000001\nnotify: none/tid.0\n"
				   "ClockID: -6\n";
	struct scan s = scan_over(text, strlen(text));
	struct proc_timer t;

	assert_int_equal(proc_timers_next(&s, &t), 1);
	assert_int_equal(t.id, 1);
	assert_int_equal(t.signal, 60);
	assert_int_equal(t.value, 0x7fff86e452a8);
	assert_int_equal(t.notify, SIGEV_SIGNAL);
	assert_int_equal(t.target, 2634);
	assert_int_equal(t.clock, 0);
	assert_int_equal(proc_timers_next(&s, &t), 1);
	assert_int_equal(t.notify, SIGEV_NONE | SIGEV_THREAD_ID);
	assert_int_equal(t.clock, -6);
	assert_int_equal(proc_timers_next(&s, &t), 0);
}

static void damage_is_refused(void **state)
{
	static const char *const bad[] = {
		"\n",
		"ID: x\n",
		"ID: 1\n",
		"ID: 1\nsignal: 60\nnotify: signal/pid.2634\nClockID: 0\n",
		"ID: 1\nsignal: 60/0\nnotify: smoke/pid.2634\nClockID: 0\n",
		"ID: 1\nsignal: 60/0\nnotify: signal/gid.2634\nClockID: 0\n",
		"ID: 1\nsignal: 60/0\nnotify: signal/pid.26x\nClockID: 0\n",
		"ID: 1\nsignal: 60/0\nnotify: signal/pid.26\n",
	};
	struct proc_timer t;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(first(bad[i], &t), -EINVAL);
	assert_int_equal(first("", &t), 0);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct sigevent ev = { .sigev_notify = SIGEV_NONE, .sigev_signo = SIGUSR1 };
	struct proc_timer t;
	timer_t id;
	struct scan s;

	ev.sigev_value.sival_ptr = &id;
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &ev, &id), 0);
	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_timers_read(&p, &text), 0);
	s = scan_over(text.at, text.n);
	assert_int_equal(proc_timers_next(&s, &t), 1);
	assert_int_equal(t.clock, CLOCK_MONOTONIC);
	assert_int_equal(t.notify, SIGEV_NONE);
	assert_int_equal(t.value, (uintptr_t)&id);
	assert_int_equal(t.target, getpid());
	assert_int_equal(proc_timers_next(&s, &t), 0);
	assert_int_equal(timer_delete(id), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
