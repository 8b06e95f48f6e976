/*
 * A program that notices when it is disturbed: threads that keep values in every register, in the
 * red zone and in signal masks, or block in system calls and know what these must give. What it
 * sees goes to a shared page (target.h); it lives until it is killed.
 */
#include "target.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct bank {
	uint64_t gpr[15], level, red[14];
	unsigned char st0[16];
	unsigned char vec[32][64];
};
_Static_assert(offsetof(struct bank, level) == 120 && offsetof(struct bank, red) == 128 &&
		       offsetof(struct bank, st0) == 240 && offsetof(struct bank, vec) == 256,
	       "spin.S");

void spin(const struct bank *want, struct bank *got);
int rseq_try(void *rseq);

struct self {
	unsigned index;
	pid_t tid;
	int pipe[2];
	uint32_t word;
	volatile uint32_t handled; /* handlers that ran in this thread */
	uint64_t mask;
	char altstack[32768];
	pthread_t thread;
};

static struct target_board *board;
static struct self selves[TARGET_THREADS];
static _Thread_local struct self *self;

static void fail(const char *what, long a, long b)
{
	if (atomic_fetch_add((_Atomic uint32_t *)&board->failures, 1) == 0)
		snprintf(board->what, sizeof(board->what), "thread %u (%c): %s (%ld, %ld)",
			 self->index, board->job[self->index], what, a, b);
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	char here, *stack = self->altstack;
	int saved = errno;

	(void)info;
	(void)uc;
	if (sig == SIGUSR1 && (&here < stack || &here >= stack + sizeof(self->altstack)))
		fail("handler is not on the alternate stack", sig, 0);
	self->handled++;
	errno = saved;
}

static void check_mask(void)
{
	uint64_t now = 0;
	stack_t st;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, 8);
	if (now != self->mask)
		fail("signal mask", (long)now, (long)self->mask);
	sigaltstack(NULL, &st);
	if (st.ss_sp != self->altstack || st.ss_flags != 0)
		fail("alternate stack", (long)st.ss_sp, st.ss_flags);
	if (prctl(PR_GET_PDEATHSIG, &(int){ 0 }) < 0)
		fail("prctl", errno, 0);
}

static void fill(struct bank *b, unsigned seed)
{
	unsigned char *p = (unsigned char *)b;

	for (size_t i = 0; i < sizeof(*b); i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (unsigned char)(seed >> 16);
	}
	b->level = __builtin_cpu_supports("avx512f") ? 2 : __builtin_cpu_supports("avx2");
	memcpy(b->st0, &(long double){ (long double)seed / 3 }, sizeof(b->st0));
	memset(b->st0 + 10, 0, 6);
}

static void check_banks(const struct bank *want, const struct bank *got)
{
	static const size_t width[] = { 16, 32, 64 };

	for (size_t i = 0; i < 15; i++)
		if (want->gpr[i] != got->gpr[i])
			fail("general register", (long)i, (long)got->gpr[i]);
	for (size_t i = 0; i < 14; i++)
		if (want->red[i] != got->red[i])
			fail("red zone", (long)i, (long)got->red[i]);
	if (memcmp(want->st0, got->st0, 10) != 0)
		fail("x87 register", 0, 0);
	for (size_t i = 0; i < (want->level == 2 ? 32 : 16); i++)
		if (memcmp(want->vec[i], got->vec[i], width[want->level]) != 0)
			fail("vector register", (long)i, 0);
}

static void job_compute(uint64_t round)
{
	unsigned mxcsr = 0x1f80 | (unsigned)(self->index % 4) << 13, now;
	unsigned short fcw = (unsigned short)(0x37f & ~(0x300 * (self->index % 2))), fnow;
	struct bank want, got = { 0 };

	fill(&want, (unsigned)round * 7919 + self->index);
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(fcw));
	spin(&want, &got);
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(now), "=m"(fnow));
	/* st0 is stored exactly only with full precision, which fcw may lack: loads are exact. */
	check_banks(&want, &got);
	if ((now & 0xffc0) != (mxcsr & 0xffc0) || fnow != fcw)
		fail("FPU control", now, fnow);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* EINTR without a handler is wrong, but for sleeps only when the test says so. */
static void check_eintr(const char *what, uint32_t handled, int sleeping)
{
	if (errno != EINTR)
		fail(what, errno, 0);
	else if (handled == self->handled && (!sleeping || board->strict))
		fail(what, -EINTR, sleeping);
}

static void job_sleep(uint64_t round)
{
	struct timespec ts = { .tv_nsec = 3000000 + (long)(round % 7) * 1000000 }, left = ts;
	uint64_t begin = now_ns(), want = (uint64_t)ts.tv_nsec;

	while (left.tv_nsec > 0) {
		uint32_t handled = self->handled;

		ts = left;
		left = (struct timespec){ 0 };
		if (syscall(SYS_nanosleep, &ts, &left) < 0)
			check_eintr("nanosleep", handled, 1);
	}
	if (now_ns() - begin < want)
		fail("nanosleep came early", (long)(now_ns() - begin), (long)want);
}

static void job_poll(uint64_t round)
{
	uint32_t handled = self->handled;
	uint64_t begin = now_ns();
	int r = (int)syscall(SYS_poll, NULL, 0L, 4 + (int)(round % 3));

	if (r < 0)
		check_eintr("poll", handled, 1);
	else if (r > 0 || now_ns() - begin < 3000000)
		fail("poll", r, (long)(now_ns() - begin));
}

static void job_ppoll(uint64_t round)
{
	uint32_t handled = self->handled;
	struct timespec ts = { .tv_nsec = 2000000 + (long)(round % 5) * 1000000 };
	uint64_t all = round % 2 ? ~0UL : 0;
	int r = (int)syscall(SYS_ppoll, NULL, 0L, &ts, &all, 8L);

	if (r < 0)
		check_eintr("ppoll", handled, 1);
	else if (r > 0)
		fail("ppoll", r, 0);
}

static void job_futex(uint64_t round)
{
	uint32_t handled = self->handled;

	(void)round;
	if (syscall(SYS_futex, &self->word, FUTEX_WAIT, self->word, NULL) < 0 && errno != EAGAIN)
		check_eintr("futex", handled, 0);
}

static void job_read(uint64_t round)
{
	uint32_t handled = self->handled;
	uint64_t got = 0;
	static _Thread_local uint64_t next;
	ssize_t n = read(self->pipe[0], &got, sizeof(got));

	(void)round;
	if (n < 0)
		check_eintr("read", handled, 0);
	else if (n != sizeof(got) || got != next++)
		fail("read", (long)n, (long)got);
}

static void job_suspend(uint64_t round)
{
	uint32_t handled = self->handled;
	uint64_t mask = 1UL << (SIGUSR2 - 1);

	(void)round;
	if (syscall(SYS_rt_sigsuspend, &mask, 8L) != -1 || errno != EINTR)
		fail("sigsuspend", errno, 0);
	else if (handled == self->handled)
		fail("sigsuspend without a signal", 0, 0);
}

/* Signals waited for are not lost and not invented. */
static void job_sigwait(uint64_t round)
{
	uint64_t set = 1UL << (SIGRTMIN + 3 - 1) | 1UL << (SIGWINCH - 1) | 1UL << (SIGURG - 1) |
		       1UL << (SIGCHLD - 1);
	siginfo_t info;
	static _Thread_local int next;
	int r = (int)syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8L);

	(void)round;
	/* Any stop ends it with EINTR: signal(7). */
	if (r < 0 && errno == EINTR)
		return;
	if (r < 0)
		fail("sigtimedwait", errno, 0);
	else if (r != SIGRTMIN + 3 || info.si_value.sival_int != next++)
		fail("sigtimedwait", r, info.si_code);
}

static void job_rseq(uint64_t round)
{
	(void)round;
	if (__rseq_size == 0)
		usleep(1000);
	else if (rseq_try((char *)__builtin_thread_pointer() + __rseq_offset))
		atomic_fetch_add((_Atomic uint32_t *)&board->rseq_aborts, 1);
	else
		atomic_fetch_add((_Atomic uint32_t *)&board->rseq_commits, 1);
}

static const struct job {
	char name;
	void (*fn)(uint64_t round);
	uint64_t mask; /* signals blocked */
} jobs[] = {
	{ 'c', job_compute, 0 },
	{ 's', job_sleep, 1UL << (SIGUSR2 - 1) },
	{ 'f', job_futex, 0 },
	{ 'r', job_read, 1UL << (SIGTERM - 1) },
	{ 'p', job_poll, 1UL << (SIGWINCH - 1) },
	{ 'P', job_ppoll, 1UL << (SIGUSR1 - 1) },
	{ 'u', job_suspend, 1UL << (SIGUSR1 - 1) | 1UL << (SIGHUP - 1) },
	{ 'w', job_sigwait,
	  1UL << (34 + 3 - 1) | 1UL << (SIGWINCH - 1) | 1UL << (SIGURG - 1) |
		  1UL << (SIGCHLD - 1) },
	{ 'C', job_compute, ~0UL & ~(1UL << (SIGKILL - 1)) & ~(1UL << (SIGSTOP - 1)) },
	{ 'q', job_rseq, 0 },
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void *run(void *arg)
{
	const struct job *job = &jobs[0];
	stack_t st;

	self = arg;
	self->tid = (pid_t)syscall(SYS_gettid);
	for (size_t i = 0; i < N_JOBS; i++)
		if (jobs[i].name == board->job[self->index])
			job = &jobs[i];
	st = (stack_t){ .ss_sp = self->altstack, .ss_size = sizeof(self->altstack) };
	sigaltstack(&st, NULL);
	self->mask = job->mask;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &self->mask, NULL, 8);
	atomic_fetch_add((_Atomic uint32_t *)&board->ready, 1);
	for (uint64_t round = 1;; round++) {
		job->fn(round);
		check_mask();
		board->rounds[self->index] = round;
	}
	return NULL;
}

/* Wakes those that wait, and sends signals about. */
static void stir(uint64_t turn)
{
	for (unsigned i = 0; i < board->n; i++) {
		static uint64_t sent[TARGET_THREADS];
		struct self *s = &selves[i];

		switch (board->job[i]) {
		case 'f':
			atomic_fetch_add((_Atomic uint32_t *)&s->word, 1);
			syscall(SYS_futex, &s->word, FUTEX_WAKE, 1);
			break;
		case 'r':
			if (write(s->pipe[1], &sent[i], 8) == 8)
				sent[i]++;
			break;
		case 'w': {
			siginfo_t info = { .si_code = SI_QUEUE,
					   .si_value = { .sival_int = (int)sent[i] } };

			if (syscall(SYS_rt_tgsigqueueinfo, getpid(), s->tid, SIGRTMIN + 3, &info) ==
			    0)
				sent[i]++;
			break;
		}
		default:
			break;
		}
		/* Threads that block both are not to collect them for ever: they do not queue. */
		if ((turn + i) % 5 == 0)
			syscall(SYS_tgkill, getpid(), s->tid, turn % 2 ? SIGUSR1 : SIGUSR2);
	}
}

/* target JOBS: a letter for each thread; the first is the main thread's helper's and so on. */
int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct timespec tick = { .tv_nsec = 1500000 };

	if (argc != 2 || strlen(argv[1]) > TARGET_THREADS)
		return 2;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, TARGET_BOARD, 0);
	if (board == MAP_FAILED)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR2, &sa, NULL);
	sa.sa_flags |= SA_RESTART | SA_ONSTACK;
	sigaction(SIGUSR1, &sa, NULL);

	board->n = (uint32_t)strlen(argv[1]);
	for (unsigned i = 0; i < board->n; i++) {
		board->job[i] = argv[1][i];
		selves[i].index = i;
		if (pipe(selves[i].pipe) < 0 ||
		    pthread_create(&selves[i].thread, NULL, run, &selves[i]) != 0)
			return 2;
	}
	while (board->ready < board->n)
		usleep(1000);
	board->ready++;
	/* The main thread has no self: its handlers must not run. */
	sigprocmask(SIG_BLOCK, &(sigset_t){ { ~0UL } }, NULL);
	for (uint64_t turn = 0;; turn++) {
		while (nanosleep(&tick, NULL) < 0)
			;
		stir(turn);
	}
}
