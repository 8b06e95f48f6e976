/* The stage machine and the report pipe. See shared.h. */
#include "restore/shared.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/fd.h"
#include "kernel/sys.h"

#define STAGE_CANCELLED UINT32_MAX
#define STAGE_CHECK_MS  200

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

int shared_new(unsigned n, struct shared **ret)
{
	void *p;
	int r = sys_mmap(NULL, shared_size(n), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0, &p);

	if (r < 0)
		return r;
	*ret = p;
	(*ret)->n_tasks = n;
	return 0;
}

void shared_free(struct shared *s)
{
	if (s)
		(void)sys_munmap(s, shared_size(s->n_tasks)); /* our own: nothing can go wrong */
}

static void futex_wake_all(uint32_t *word)
{
	(void)sys_futex(word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0); /* nobody waiting is fine */
}

static void futex_wait_ms(uint32_t *word, uint32_t seen, unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)sys_futex(word, FUTEX_WAIT, seen, &ts, NULL, 0); /* callers look at the word again */
}

int stage_finish(struct shared *s, enum stage done)
{
	uint32_t now;

	__atomic_add_fetch(&s->arrived, 1, __ATOMIC_SEQ_CST);
	futex_wake_all(&s->arrived);
	while ((now = __atomic_load_n(&s->stage, __ATOMIC_SEQ_CST)) <= (uint32_t)done)
		futex_wait_ms(&s->stage, now, 1000);
	return now == STAGE_CANCELLED ? -ECANCELED : 0;
}

void stage_fail(struct shared *s)
{
	__atomic_add_fetch(&s->failed, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&s->arrived, 1, __ATOMIC_SEQ_CST);
	futex_wake_all(&s->arrived);
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
		futex_wait_ms(&s->arrived, arrived, STAGE_CHECK_MS);
		if (__atomic_load_n(&s->arrived, __ATOMIC_SEQ_CST) != arrived)
			continue;
		r = alive(arg);
		if (r < 0)
			return r;
	}
}

/* A finding on the pipe: fixed numbers, then three strings. Bounded so that one write is atomic. */
struct finding_wire {
	uint32_t severity, code;
	int32_t err;
	char where[1024], cause[1024], remedy[1024];
};

void report_send(const struct report *r, int fd)
{
	struct finding *f;

	list_for_each(f, &r->findings, link) {
		struct finding_wire w = { .severity = f->severity, .code = f->code, .err = f->err };

		(void)snprintf(w.where, sizeof(w.where), "%s", f->where);
		(void)snprintf(w.cause, sizeof(w.cause), "%s", f->cause);
		(void)snprintf(w.remedy, sizeof(w.remedy), "%s", f->remedy);
		(void)fd_write_all(fd, &w, sizeof(w)); /* nobody is left to tell */
	}
}

void report_receive(struct report *r, int fd)
{
	struct finding_wire w;

	while (fd_read_all(fd, &w, sizeof(w)) == 0) {
		w.where[sizeof(w.where) - 1] = w.cause[sizeof(w.cause) - 1] = '\0';
		w.remedy[sizeof(w.remedy) - 1] = '\0';
		REPORT_FRAME(r, "%s", w.where);
		if (w.severity == SEVERITY_FAILURE && w.code == CODE_SYSTEM)
			(void)report_fail(r, w.err, "%s", w.cause);
		else if (w.severity == SEVERITY_FAILURE)
			(void)report_refuse_with(r, w.err, w.code < CODE_MAX ? w.code : CODE_SYSTEM,
						 w.remedy, "%s", w.cause);
		else
			report_warn(r, w.code < CODE_MAX ? w.code : CODE_SYSTEM, "%s", w.cause);
	}
}
