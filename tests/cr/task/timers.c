/* Interval timers and POSIX timers. */
#include "../harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

CR_TEST(itimers, run_on)
{
	struct itimerval real = { { 3, 4 }, { 1000, 0 } }, prof = { { 0, 0 }, { 500, 0 } }, now;

	ASSERT_EQ(setitimer(ITIMER_REAL, &real, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_PROF, &prof, NULL), 0);
	cr_point();
	ASSERT_EQ(getitimer(ITIMER_REAL, &now), 0);
	ASSERT_EQ(now.it_interval.tv_sec, 3);
	ASSERT_EQ(now.it_interval.tv_usec, 4);
	ASSERT(now.it_value.tv_sec > 960 && now.it_value.tv_sec <= 1000);
	ASSERT_EQ(getitimer(ITIMER_PROF, &now), 0);
	ASSERT(now.it_value.tv_sec >= 498 && now.it_value.tv_sec <= 500);
	ASSERT_EQ(getitimer(ITIMER_VIRTUAL, &now), 0);
	ASSERT_EQ(now.it_value.tv_sec + now.it_value.tv_usec, 0);
}

CR_TEST(itimers, fire)
{
	struct itimerval soon = { { 0, 0 }, { 0, 300000 } };
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
	cr_point();
	ASSERT_EQ(sigwait(&set, &sig), 0);
}

struct event {
	uint64_t value;
	int signal, notify, tid, unused[11];
};

static int timer_make(clockid_t clock, int notify, int signal, uint64_t value, pid_t tid)
{
	struct event ev = { .value = value, .signal = signal, .notify = notify, .tid = tid };
	int id;

	ASSERT_EQ(syscall(SYS_timer_create, clock, &ev, &id), 0);
	return id;
}

static volatile pid_t other;
static int hold[2];

static void *other_thread(void *arg)
{
	char c;

	other = (pid_t)syscall(SYS_gettid);
	(void)!read(hold[0], &c, 1);
	return arg;
}

CR_TEST(posix_timers, ids_and_times_survive)
{
	struct itimerspec far = { { 7, 8 }, { 1000, 0 } }, now;
	int signalled, silent, idle, cpu;
	pthread_t t;

	ASSERT_EQ(pipe(hold), 0);
	ASSERT_EQ(pthread_create(&t, NULL, other_thread, NULL), 0);
	while (!other)
		usleep(1000);
	for (int i = 0; i < 5; i++) /* holes between the ids */
		ASSERT_EQ(syscall(SYS_timer_delete,
				  timer_make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0)),
			  0);
	signalled = timer_make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 40, 0x1234567890, other);
	ASSERT_EQ(syscall(SYS_timer_delete, timer_make(CLOCK_REALTIME, SIGEV_NONE, 0, 0, 0)), 0);
	silent = timer_make(CLOCK_BOOTTIME, SIGEV_NONE, 0, 0, 0);
	idle = timer_make(CLOCK_REALTIME, SIGEV_SIGNAL, 41, 0, 0);
	cpu = timer_make(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 42, 0, 0);
	ASSERT_EQ(syscall(SYS_timer_settime, signalled, 0, &far, NULL), 0);
	ASSERT_EQ(syscall(SYS_timer_settime, silent, 0, &far, NULL), 0);
	ASSERT_EQ(syscall(SYS_timer_settime, cpu, 0, &far, NULL), 0);
	cr_point();
	ASSERT_EQ(syscall(SYS_timer_gettime, signalled, &now), 0);
	ASSERT(now.it_value.tv_sec > 960 && now.it_value.tv_sec <= 1000);
	ASSERT_EQ(now.it_interval.tv_sec, 7);
	ASSERT_EQ(now.it_interval.tv_nsec, 8);
	ASSERT_EQ(syscall(SYS_timer_gettime, silent, &now), 0);
	ASSERT(now.it_value.tv_sec > 960);
	ASSERT_EQ(syscall(SYS_timer_gettime, cpu, &now), 0);
	ASSERT(now.it_value.tv_sec > 990);
	ASSERT_EQ(syscall(SYS_timer_gettime, idle, &now), 0);
	ASSERT_EQ(now.it_value.tv_sec + now.it_value.tv_nsec, 0);
	/* Choosing ids is over: the next one is new. */
	ASSERT(timer_make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0) > cpu ||
	       syscall(SYS_timer_getoverrun, cpu) == 0);
	ASSERT_EQ(write(hold[1], "x", 1), 1);
	pthread_join(t, NULL);
}

CR_TEST(posix_timers, periodic_ones_go_on)
{
	struct itimerspec often = { { 0, 20000000 }, { 0, 20000000 } };
	int id = timer_make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 40, 99, 0);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, 40);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_EQ(syscall(SYS_timer_settime, id, 0, &often, NULL), 0);
	cr_point();
	for (int i = 0; i < 5; i++) {
		siginfo_t info;

		ASSERT_EQ(sigwaitinfo(&set, &info), 40);
		ASSERT_EQ(info.si_code, SI_TIMER);
		ASSERT_EQ(info.si_value.sival_int, 99);
	}
}
