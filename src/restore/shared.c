/* The stage machine. See shared.h. */
#include "restore/shared.h"

#include <sys/mman.h>
#include <unistd.h>

#include "kernel/futex.h"
#include "kernel/pidfd.h"
#include "kernel/sys.h"

#define STAGE_CANCELLED UINT32_MAX
#define STAGE_CHECK     (200 * USEC_PER_MSEC)

const char *stage_name(enum stage s)
{
	static const char *const names[STAGE_MAX] = {
#define STAGE(name, who, what) [STAGE_##name] = #name,
#include "restore/stages.def"
#undef STAGE
	};
	return s < STAGE_MAX ? names[s] : "?";
}

static size_t shared_size(unsigned n)
{
	return sizeof(struct shared) + n * sizeof(struct shared_task);
}

int shared_new(unsigned n, int coordinator, struct shared **ret)
{
	void *p;
	int r = sys_mmap(NULL, shared_size(n), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0, &p);

	if (r < 0)
		return r;
	*ret = p;
	(*ret)->n_tasks = n;
	(*ret)->coordinator = coordinator;
	return 0;
}

void shared_free(struct shared *s)
{
	if (s)
		(void)!sys_munmap(s, shared_size(s->n_tasks)); /* our own: nothing can go wrong */
}

/*
 * Tasks die with their parents (PR_SET_PDEATHSIG), but not those whose parent was gone before they
 * could ask for that, nor orphans before they are adopted: each looks for itself now and then.
 */
static void stage_end_with_coordinator(const struct shared *s, usec_t timeout)
{
	if (pidfd_wait(s->coordinator, timeout) == 0)
		_exit(1);
}

int stage_finish(struct shared *s, enum stage done)
{
	uint32_t now;

	__atomic_add_fetch(&s->arrived, 1, __ATOMIC_SEQ_CST);
	futex_wake_all(&s->arrived);
	while ((now = __atomic_load_n(&s->stage, __ATOMIC_SEQ_CST)) <= (uint32_t)done) {
		futex_wait(&s->stage, now, STAGE_CHECK);
		if (__atomic_load_n(&s->stage, __ATOMIC_SEQ_CST) == now)
			stage_end_with_coordinator(s, 0);
	}
	return now == STAGE_CANCELLED ? -ECANCELED : 0;
}

_Noreturn void stage_fail(struct shared *s)
{
	__atomic_add_fetch(&s->failed, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&s->arrived, 1, __ATOMIC_SEQ_CST);
	futex_wake_all(&s->arrived);
	for (;;)
		stage_end_with_coordinator(s, USEC_PER_SEC);
}

void stage_open(struct shared *s, enum stage next)
{
	__atomic_store_n(&s->arrived, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->stage, (uint32_t)next, __ATOMIC_SEQ_CST);
	futex_wake_all(&s->stage);
}

int stage_wait(struct shared *s, unsigned n, int (*alive)(void *arg), void *arg)
{
	for (;;) {
		uint32_t arrived = __atomic_load_n(&s->arrived, __ATOMIC_SEQ_CST);
		int r;

		if (__atomic_load_n(&s->failed, __ATOMIC_SEQ_CST))
			return -ECANCELED;
		if (arrived >= n)
			return 0;
		futex_wait(&s->arrived, arrived, STAGE_CHECK);
		if (__atomic_load_n(&s->arrived, __ATOMIC_SEQ_CST) != arrived)
			continue;
		r = alive(arg);
		if (r < 0)
			return r;
	}
}
