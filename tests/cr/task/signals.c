/* Signals: actions, stacks, what is pending. */
#include "../harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

struct action {
	uint64_t handler, flags, restorer, mask;
};

static void handler(int sig)
{
	(void)sig;
}

CR_TEST(sigaction, all_survive)
{
	struct action before[65] = { 0 }, after[65] = { 0 };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER };

	sigaddset(&sa.sa_mask, SIGTERM);
	for (int sig = 1; sig <= 64; sig++)
		if (sig % 3 == 0)
			sigaction(sig, &sa, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGRTMAX, SIG_IGN);
	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, NULL, &before[sig], 8);
	cr_point();
	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, NULL, &after[sig], 8);
	ASSERT_EQ(memcmp(before, after, sizeof(before)), 0);
}

static char stack[65536];
static volatile int in_handler, after_handler;

static void on_altstack(int sig)
{
	char here;

	(void)sig;
	in_handler = &here >= stack && &here < stack + sizeof(stack);
	cr_point();
	after_handler = &here >= stack && &here < stack + sizeof(stack);
}

CR_TEST(sigaltstack, handler_returns_from_it)
{
	struct sigaction sa = { .sa_handler = on_altstack, .sa_flags = SA_ONSTACK };
	stack_t st = { .ss_sp = stack, .ss_size = sizeof(stack) }, now;

	ASSERT_EQ(sigaltstack(&st, NULL), 0);
	ASSERT_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
	raise(SIGUSR2);
	ASSERT(in_handler && after_handler);
	ASSERT_EQ(sigaltstack(NULL, &now), 0);
	ASSERT(now.ss_sp == stack);
	ASSERT_EQ(now.ss_size, sizeof(stack));
	ASSERT_EQ(now.ss_flags, 0);
}

CR_TEST(sigaltstack, autodisarm_stays)
{
	stack_t st = { .ss_sp = stack, .ss_size = sizeof(stack), .ss_flags = (int)(1U << 31) }, now;

	ASSERT_EQ(sigaltstack(&st, NULL), 0);
	cr_point();
	ASSERT_EQ(sigaltstack(NULL, &now), 0);
	ASSERT_EQ(now.ss_flags, st.ss_flags);
}

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int take(int sig, siginfo_t *info)
{
	const struct timespec none = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	/* Not libc's, which turns SI_TKILL into SI_USER. */
	return (int)syscall(SYS_rt_sigtimedwait, &set, info, &none, 8);
}

CR_TEST(signals_shared, queue_survives_in_order)
{
	siginfo_t info;

	block(40);
	block(SIGUSR2);
	for (int i = 1; i <= 40; i++)
		ASSERT_EQ(sigqueue(getpid(), 40, (union sigval){ .sival_int = i }), 0);
	ASSERT_EQ(kill(getpid(), SIGUSR2), 0);
	cr_point();
	for (int i = 1; i <= 40; i++) {
		ASSERT_EQ(take(40, &info), 40);
		ASSERT_EQ(info.si_code, SI_QUEUE);
		ASSERT_EQ(info.si_value.sival_int, i);
		ASSERT_EQ(info.si_pid, getpid());
	}
	ASSERT_EQ(take(40, &info), -1);
	ASSERT_EQ(take(SIGUSR2, &info), SIGUSR2);
	ASSERT_EQ(info.si_code, SI_USER);
	ASSERT_EQ(info.si_pid, getpid());
	ASSERT_EQ(take(SIGUSR2, &info), -1);
}

CR_TEST(signals_shared, one_without_entry_survives)
{
	struct rlimit none = { 0, 1000 };
	siginfo_t info;

	block(SIGUSR2);
	ASSERT_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
	ASSERT_EQ(sigqueue(getpid(), SIGUSR2, (union sigval){ 0 }),
		  0); /* pending, not in the queue */
	none.rlim_cur = 1000;
	ASSERT_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
	cr_point();
	ASSERT_EQ(take(SIGUSR2, &info), SIGUSR2);
	ASSERT_EQ(info.si_code, SI_USER);
	ASSERT_EQ(info.si_pid, 0);
}

CR_TEST(signals_shared, full_queue_survives)
{
	struct rlimit full = { 0, 1000 };
	siginfo_t info;

	block(40);
	ASSERT_EQ(kill(getpid(), 40), 0);
	ASSERT_EQ(setrlimit(RLIMIT_SIGPENDING, &full), 0);
	cr_point();
	ASSERT_EQ(take(40, &info), 40);
	ASSERT_EQ(info.si_code, SI_USER);
	ASSERT_EQ(info.si_pid, getpid());
}

CR_TEST(signals_shared, child_and_timer_origins_survive)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = 41,
			       .sigev_value.sival_int = 77 };
	struct itimerspec soon = { .it_value = { .tv_nsec = 1000000 } };
	siginfo_t info;
	timer_t id;
	pid_t pid;

	block(SIGCHLD);
	block(41);
	pid = fork();
	if (pid == 0)
		_exit(9);
	ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &ev, &id), 0);
	ASSERT_EQ(timer_settime(id, 0, &soon, NULL), 0);
	usleep(100000);
	cr_point();
	ASSERT_EQ(take(SIGCHLD, &info), SIGCHLD);
	ASSERT_EQ(info.si_code, CLD_EXITED);
	ASSERT_EQ(info.si_status, 9);
	ASSERT_EQ(info.si_pid, pid);
	ASSERT_EQ(take(41, &info), 41);
	ASSERT_EQ(info.si_code, SI_TIMER);
	ASSERT_EQ(info.si_value.sival_int, 77);
}

static int thread_pipe[2];

static void *with_pending(void *arg)
{
	siginfo_t info;
	char c;

	block(42);
	pthread_sigqueue(pthread_self(), 42, (union sigval){ .sival_int = 1 });
	pthread_sigqueue(pthread_self(), 42, (union sigval){ .sival_int = 2 });
	(void)!read(thread_pipe[0], &c, 1);
	for (int i = 1; i <= 2; i++) {
		ASSERT_EQ(take(42, &info), 42);
		ASSERT_EQ(info.si_value.sival_int, i);
		ASSERT_EQ(info.si_code, SI_QUEUE);
	}
	return arg;
}

CR_TEST(signals, belong_to_their_thread)
{
	siginfo_t info;
	pthread_t t;

	block(42);
	raise(42);
	ASSERT_EQ(pipe(thread_pipe), 0);
	ASSERT_EQ(pthread_create(&t, NULL, with_pending, NULL), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(take(42, &info), 42);
	ASSERT_EQ(info.si_code, SI_TKILL);
	ASSERT_EQ(take(42, &info), -1);
	ASSERT_EQ(write(thread_pipe[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
}
