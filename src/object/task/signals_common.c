/* Queues of pending signals. See signals_common.h. */
#include "object/task/signals_common.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "schema/siginfo.pb-c.h"

#define SIGNALS   64
#define PEEK_ROOM 32
#define QUEUE_MAX 1000000 /* far above what RLIMIT_SIGPENDING allows anywhere */
#define BIT(sig)  (UINT64_C(1) << ((sig)-1))

static_assert(sizeof(siginfo_t) == 128, "the kernel's siginfo_t");

static int queue_peek(const struct thread *th, enum ptrace_queue which, struct signal_queue *q)
{
	siginfo_t buf[PEEK_ROOM];
	ssize_t n;

	while ((n = ptrace_peek_signals(th->host_tid, which, q->n, buf, PEEK_ROOM)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (vec_push(q, buf[i]) < 0)
				return -ENOMEM;
	}
	return (int)n;
}

/* What the kernel delivers for a pending signal without an entry. */
static int queue_add_bare(struct signal_queue *q, uint64_t missing)
{
	for (int sig = 1; sig <= SIGNALS; sig++) {
		siginfo_t info = { .si_signo = sig, .si_code = SI_USER };

		if ((missing & BIT(sig)) && vec_push(q, info) < 0)
			return -ENOMEM;
	}
	return 0;
}

int signal_queue_collect(struct collect *c, const struct thread *th, enum ptrace_queue which,
			 uint64_t pending, struct signal_queue *q, uint64_t *ret_pending)
{
	uint64_t queued = 0;
	int r;

	q->n = 0;
	r = queue_peek(th, which, q);
	vec_for_each(info, q)
		queued |= BIT(info->si_signo);
	pending &= ~(BIT(SIGKILL) | BIT(SIGSTOP));
	if (r == 0)
		r = queue_add_bare(q, pending & ~queued);
	*ret_pending = pending | queued;
	return r < 0 ? report_fail(c->report, r, "cannot read its pending signals") : 0;
}

SignalQueueEntry *signal_queue_encode(const struct signal_queue *q, struct arena *arena)
{
	SignalQueueEntry *e = ARENA_NEW(arena, SignalQueueEntry);
	SiginfoEntry *entries = ARENA_ARRAY(arena, SiginfoEntry, q->n);

	if (!e || !entries)
		return NULL;
	signal_queue_entry__init(e);
	e->signals = ARENA_ARRAY(arena, SiginfoEntry *, q->n);
	if (!e->signals)
		return NULL;
	for (size_t i = 0; i < q->n; i++) {
		siginfo_entry__init(&entries[i]);
		entries[i].siginfo.len = sizeof(q->at[i]);
		entries[i].siginfo.data = (uint8_t *)&q->at[i];
		e->signals[e->n_signals++] = &entries[i];
	}
	return e;
}

int signal_queue_decode(const SignalQueueEntry *e, struct signal_queue *q)
{
	if (!e)
		return 0;
	if (e->n_signals > QUEUE_MAX)
		return -EUCLEAN;
	for (size_t i = 0; i < e->n_signals; i++) {
		const ProtobufCBinaryData *b = &e->signals[i]->siginfo;
		siginfo_t info;

		if (b->len != sizeof(info))
			return -EUCLEAN;
		memcpy(&info, b->data, sizeof(info));
		if (info.si_signo < 1 || info.si_signo > SIGNALS || info.si_signo == SIGKILL ||
		    info.si_signo == SIGSTOP)
			return -EUCLEAN;
		if (vec_push(q, info) < 0)
			return -ENOMEM;
	}
	return 0;
}

void signal_queue_late(const struct signal_queue *q, enum ptrace_queue which, struct program *p)
{
	int pid, tid;

	if (!q->n)
		return;
	/* Its numbers in its own pid namespace. */
	pid = program_must(p, SYS_getpid, ARGS(0));
	tid = program_must(p, SYS_gettid, ARGS(0));
	vec_for_each(info, q) {
		struct arg at = arg_at(program_put(p, info, sizeof(*info)));

		if (which == PTRACE_QUEUE_SHARED)
			program_must(p, SYS_rt_sigqueueinfo,
				     ARGS(arg_result(pid), info->si_signo, at));
		else
			program_must(p, SYS_rt_tgsigqueueinfo,
				     ARGS(arg_result(pid), arg_result(tid), info->si_signo, at));
		program_note(p, "queueing the pending signal %d (code %d)", info->si_signo,
			     info->si_code);
	}
}
