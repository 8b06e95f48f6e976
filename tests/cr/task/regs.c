/* What threads compute with: registers, vector state, thread-local storage, name, where the kernel
 * writes when they end. */
#include "../harness.h"

#include <asm/prctl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

struct spin {
	volatile uint32_t begun, go;
	uint64_t want[16] __attribute__((aligned(64))); /* two registers of 64 bytes */
	uint64_t seen[16] __attribute__((aligned(64)));
	uint64_t r12, r15, rsi;
};

/* Keeps a pattern in registers, and in registers only, until it is told to go on. */
static void *spin_sse(void *arg)
{
	struct spin *s = arg;
	uint64_t r12 = 0x1212121212121212, r15 = 0x1515151515151515, rsi = 0x3434343434343434;

	__asm__ volatile("movups (%[want]), %%xmm0\n\t"
			 "movups 16(%[want]), %%xmm15\n\t"
			 "mov %[r12], %%r12\n\t"
			 "mov %[r15], %%r15\n\t"
			 "mov %[rsi], %%rsi\n\t"
			 "movl $1, %[begun]\n\t"
			 "1: pause\n\t"
			 "cmpl $0, %[go]\n\t"
			 "je 1b\n\t"
			 "movups %%xmm0, (%[seen])\n\t"
			 "movups %%xmm15, 16(%[seen])\n\t"
			 "mov %%r12, %[r12]\n\t"
			 "mov %%r15, %[r15]\n\t"
			 "mov %%rsi, %[rsi]\n\t"
			 : [begun] "=m"(s->begun), [r12] "+m"(r12), [r15] "+m"(r15), [rsi] "+m"(rsi)
			 : [go] "m"(s->go), [want] "r"(s->want), [seen] "r"(s->seen)
			 : "xmm0", "xmm15", "r12", "r15", "rsi", "memory");
	s->r12 = r12;
	s->r15 = r15;
	s->rsi = rsi;
	return NULL;
}

static void run_spin(struct spin *s, void *(*body)(void *))
{
	pthread_t t;

	for (size_t i = 0; i < 16; i++)
		s->want[i] = 0x0101010101010101 * (i + 1);
	ASSERT_EQ(pthread_create(&t, NULL, body, s), 0);
	while (!s->begun)
		sched_yield();
	cr_point();
	s->go = 1;
	ASSERT_EQ(pthread_join(t, NULL), 0);
}

CR_TEST(regs, general_and_sse_survive)
{
	struct spin s = { 0 };

	run_spin(&s, spin_sse);
	ASSERT_EQ(memcmp(s.seen, s.want, 32), 0);
	ASSERT_EQ(s.r12, 0x1212121212121212);
	ASSERT_EQ(s.r15, 0x1515151515151515);
	ASSERT_EQ(s.rsi, 0x3434343434343434);
}

__attribute__((target("avx"))) static void *spin_avx(void *arg)
{
	struct spin *s = arg;

	__asm__ volatile("vmovups (%[want]), %%ymm1\n\t"
			 "vmovups 32(%[want]), %%ymm14\n\t"
			 "movl $1, %[begun]\n\t"
			 "1: pause\n\t"
			 "cmpl $0, %[go]\n\t"
			 "je 1b\n\t"
			 "vmovups %%ymm1, (%[seen])\n\t"
			 "vmovups %%ymm14, 32(%[seen])\n\t"
			 "vzeroupper\n\t"
			 : [begun] "=m"(s->begun)
			 : [go] "m"(s->go), [want] "r"(s->want), [seen] "r"(s->seen)
			 : "xmm1", "xmm14", "memory");
	return NULL;
}

static const char *skip_without_avx(void)
{
	return __builtin_cpu_supports("avx") ? NULL : "this CPU has no AVX";
}

CR_TEST(regs, avx_survives, .skip = skip_without_avx)
{
	struct spin s = { 0 };

	run_spin(&s, spin_avx);
	ASSERT_EQ(memcmp(s.seen, s.want, 64), 0);
}

__attribute__((target("avx512f"))) static void *spin_avx512(void *arg)
{
	struct spin *s = arg;

	__asm__ volatile("vmovups (%[want]), %%zmm2\n\t"
			 "vmovups 64(%[want]), %%zmm31\n\t"
			 "mov $0x5a5a, %%eax\n\t"
			 "kmovw %%eax, %%k3\n\t"
			 "movl $1, %[begun]\n\t"
			 "1: pause\n\t"
			 "cmpl $0, %[go]\n\t"
			 "je 1b\n\t"
			 "vmovups %%zmm2, (%[seen])\n\t"
			 "vmovups %%zmm31, 64(%[seen])\n\t"
			 "kmovw %%k3, %%eax\n\t"
			 "mov %%rax, %[r12]\n\t"
			 "vzeroupper\n\t"
			 : [begun] "=m"(s->begun), [r12] "=m"(s->r12)
			 : [go] "m"(s->go), [want] "r"(s->want), [seen] "r"(s->seen)
			 : "xmm2", "rax", "memory");
	return NULL;
}

static const char *skip_without_avx512(void)
{
	return __builtin_cpu_supports("avx512f") ? NULL : "this CPU has no AVX-512";
}

CR_TEST(regs, avx512_survives, .skip = skip_without_avx512)
{
	struct spin s = { 0 };

	run_spin(&s, spin_avx512);
	ASSERT_EQ(memcmp(s.seen, s.want, 128), 0);
	ASSERT_EQ(s.r12, 0x5a5a);
}

CR_TEST(regs, rounding_and_gs_base_survive)
{
	static uint64_t somewhere;
	const uint32_t mxcsr = 0x5f80; /* rounds up */
	const uint16_t cwd = 0xb7f;    /* likewise */
	uint32_t mxcsr_now;
	uint16_t cwd_now;
	unsigned long gs = 0;

	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(cwd));
	ASSERT_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, &somewhere), 0);
	cr_point();
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr_now), "=m"(cwd_now));
	ASSERT_EQ(mxcsr_now & ~0x3fu, mxcsr); /* without the flags of what was computed since */
	ASSERT_EQ(cwd_now, cwd);
	ASSERT_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs), 0);
	ASSERT_EQ(gs, (unsigned long)&somewhere);
}

/* ---- threads ---- */

static __thread int own = 5;

struct worker {
	int pipe[2];
	sigset_t mask;
	char name[16];
	int own, persona;
	ssize_t got;
	char byte;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	sigset_t set;

	own = 6;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1); /* the harness's */
	sigaddset(&set, 40);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	prctl(PR_SET_NAME, "worker ) x");
	personality(ADDR_NO_RANDOMIZE);
	w->got = read(w->pipe[0], &w->byte, 1); /* interrupted by dump and restore: goes on */
	pthread_sigmask(SIG_SETMASK, NULL, &w->mask);
	prctl(PR_GET_NAME, w->name);
	w->own = own;
	w->persona = personality(0xffffffff);
	return NULL;
}

static void run_worker(struct worker *w)
{
	pthread_t t;

	ASSERT_EQ(pipe(w->pipe), 0);
	ASSERT_EQ(pthread_create(&t, NULL, work, w), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(write(w->pipe[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
	ASSERT_EQ(w->got, 1);
}

CR_TEST(sigmask, differs_in_threads)
{
	struct worker w;
	sigset_t ours;

	run_worker(&w);
	ASSERT(sigismember(&w.mask, 40) && !sigismember(&w.mask, SIGUSR2));
	sigprocmask(SIG_SETMASK, NULL, &ours);
	ASSERT(sigismember(&ours, SIGUSR1) && !sigismember(&ours, 40));
}

CR_TEST(comm, differs_in_threads)
{
	char name[16] = "";
	struct worker w;

	prctl(PR_SET_NAME, "main (");
	run_worker(&w);
	ASSERT_STR(w.name, "worker ) x");
	prctl(PR_GET_NAME, name);
	ASSERT_STR(name, "main (");
}

CR_TEST(personality, differs_in_threads)
{
	struct worker w;

	run_worker(&w);
	ASSERT_EQ(w.persona, ADDR_NO_RANDOMIZE);
	ASSERT_EQ(personality(0xffffffff), 0);
}

CR_TEST(clear_tid, joins_and_tls_stays)
{
	struct worker w;

	run_worker(&w); /* joins */
	ASSERT_EQ(w.own, 6);
	ASSERT_EQ(own, 5);
}

static void *sleeper(void *arg)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	*(unsigned *)arg = sleep(2); /* what is left of it */
	clock_gettime(CLOCK_MONOTONIC, &end);
	ASSERT(end.tv_sec - begin.tv_sec >= 1);
	return NULL;
}

CR_TEST(regs, sleep_lasts)
{
	unsigned left = 77;
	pthread_t t;

	ASSERT_EQ(pthread_create(&t, NULL, sleeper, &left), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(pthread_join(t, NULL), 0);
	ASSERT_EQ(left, 0);
}

/* ---- robust futexes ---- */

static pthread_mutex_t robust;
static int robust_pipe[2];

static void *die_with_lock(void *arg)
{
	char c;

	(void)arg;
	pthread_mutex_lock(&robust);
	(void)!read(robust_pipe[0], &c, 1);
	return NULL;
}

CR_TEST(robust_list, tells_of_a_dead_owner)
{
	pthread_mutexattr_t attr;
	pthread_t t;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	ASSERT_EQ(pipe(robust_pipe), 0);
	ASSERT_EQ(pthread_create(&t, NULL, die_with_lock, NULL), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(write(robust_pipe[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
	ASSERT_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
}

/* ---- restartable sequences ---- */

CR_TEST(rseq, cpu_number_follows)
{
	cpu_set_t all, one;

	ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	cr_point();
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
		ASSERT_EQ(sched_getcpu(), cpu); /* reads it from its rseq area */
	}
	/* Registered as before: the same again is refused, another as well. */
	ASSERT_EQ(syscall(SYS_rseq, &one, 32, 0, 0), -1);
	ASSERT_EQ(errno, EINVAL);
}
