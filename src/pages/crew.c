/* Threads for one job. See crew.h. */
#include "pages/crew.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/scope.h"
#include "kernel/sys.h"

/* Below this a thread costs more than it brings. */
#define BYTES_PER_THREAD (16UL << 20)
#define STACK_SIZE       (1UL << 20) /* mostly never touched */

struct hand {
	pthread_t thread;
	void *stack; /* ours, so that nothing stays mapped: the process may become somebody else's
		      */
	int (*work)(void *arg);
	void *arg;
	pid_t tid;
	int result;
};

unsigned crew_size(uint64_t bytes, unsigned limit)
{
	cpu_set_t cpus;
	unsigned n = CREW_MAX;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = MIN(n, (unsigned)CPU_COUNT(&cpus));
	if (limit)
		n = MIN(n, limit);
	return (unsigned)MAX(MIN((uint64_t)n, bytes / BYTES_PER_THREAD), (uint64_t)1);
}

static void *hand_run(void *arg)
{
	struct hand *h = arg;

	h->tid = sys_gettid();
	h->result = h->work(h->arg);
	return NULL;
}

static void stack_free(void *stack)
{
	int r = stack ? sys_munmap(stack, STACK_SIZE) : 0;

	assert(r == 0);
}
SCOPED(void *, stack_free);

/* The lowest page is a guard. */
static int stack_new(void **ret)
{
	scoped(stack_free) void *stack = NULL;
	int r = sys_mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0, &stack);

	if (r == 0)
		r = sys_mprotect(stack, PAGE_SIZE, PROT_NONE);
	if (r == 0)
		*ret = ptr_take(&stack);
	return r;
}

/* Starts a thread with all signals blocked: they are the main thread's business. */
static int hand_start(struct hand *h)
{
	scoped(stack_free) void *stack = NULL;
	pthread_attr_t attr;
	sigset_t all, old;
	int r = stack_new(&stack);

	if (r == 0)
		r = -pthread_attr_init(&attr);
	if (r < 0)
		return r;
	r = pthread_attr_setstack(&attr, (char *)stack + PAGE_SIZE, STACK_SIZE - PAGE_SIZE);
	(void)sigfillset(&all); /* cannot fail */
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	if (r == 0)
		r = pthread_create(&h->thread, &attr, hand_run, h);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr); /* cannot fail */
	if (r == 0)
		h->stack = ptr_take(&stack);
	return -r;
}

/* The kernel wakes a joiner a little before it gives the number back. */
static void hand_join(struct hand *h)
{
	int r = pthread_join(h->thread, NULL);

	assert(r == 0);
	while (sys_tgkill(sys_getpid(), h->tid, 0) == 0)
		(void)sched_yield();
	stack_free(h->stack);
}

int crew_run(unsigned n, int (*work)(void *arg), void *arg)
{
	struct hand hands[CREW_MAX];
	unsigned started = 0;
	int r;

	assert(n >= 1 && n <= CREW_MAX);
	while (started < n - 1) {
		hands[started] = (struct hand){ .work = work, .arg = arg };
		if (hand_start(&hands[started]) < 0)
			break;
		started++;
	}
	r = work(arg);
	for (unsigned i = 0; i < started; i++) {
		hand_join(&hands[i]);
		if (r >= 0)
			r = MIN(hands[i].result, 0);
	}
	return MIN(r, 0);
}
