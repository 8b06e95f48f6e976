/*
 * Questions that only the tasks themselves can answer: one batch for each task, one program for
 * each of its threads, composed by the kinds. The interpreter is in a task for the length of its
 * batch only; contexts are saved before and put back exactly (inject/infect.h).
 */
#include "dump/dump_int.h"
#include "inject/infect.h"
#include "kernel/mem.h"
#include "kernel/ptrace.h"
#include "report/log.h"

/* Filters of the task must not judge what the interpreter does. */
static int thread_suspend_seccomp(struct dump *d, struct thread *th)
{
	int r;

	if (!live_thread_of(th)->status.seccomp)
		return 0;
	r = ptrace_set_options(th->host_tid, PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP);
	return r < 0 ? report_refuse(d->report, r, CODE_SECCOMP,
				     "cannot suspend the seccomp filters of thread %d",
				     th->host_tid)
		     : 0;
}

static int task_save_contexts(struct dump *d, struct task *t, struct mem_remote *mem)
{
	struct thread *th;

	thread_for_each(th, t) {
		int r = thread_suspend_seccomp(d, th);

		if (r < 0)
			return r;
		r = context_save(th->host_tid, mem, &th->context);
		if (r == -ENOTSUP)
			return report_refuse(d->report, r, CODE_COMPAT_TASK,
					     "thread %d runs 32-bit code or has a shadow stack",
					     th->host_tid);
		if (r < 0)
			return report_fail(d->report, r, "cannot read the registers of thread %d",
					   th->host_tid);
	}
	return 0;
}

typedef int (*part_visit)(struct dump *d, const struct task_kind *k, struct thread *th, void *part,
			  struct program *p);

static int part_ask(struct dump *d, const struct task_kind *k, struct thread *th, void *part,
		    struct program *p)
{
	return k->ask ? k->ask(&d->collect, th, part, p) : 0;
}

static int part_answer(struct dump *d, const struct task_kind *k, struct thread *th, void *part,
		       struct program *p)
{
	return k->answer ? k->answer(&d->collect, th, part, p) : 0;
}

static int thread_visit_parts(struct dump *d, struct thread *th, struct program *p,
			      part_visit visit)
{
	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];
		int r;

		if (!part_is_visited_by(k, th))
			continue;
		REPORT_FRAME(d->report, "thread %d: %s", th->host_tid, k->name);
		r = visit(d, k, th, part_of(th, (enum task_kind_index)i), p);
		if (r < 0)
			return r;
	}
	return 0;
}

static int task_ask(struct dump *d, struct task *t, struct batch *b, struct infect_thread *threads)
{
	struct thread *th;
	unsigned i = 0;

	thread_for_each(th, t) {
		struct program *p = batch_program(b, PIE_FAIL_TAIL);
		int r;

		if (!p)
			return report_fail(d->report, -ENOMEM, "cannot ask it");
		threads[i++] = (struct infect_thread){ .tid = th->host_tid,
						       .status = &live_thread_of(th)->status,
						       .context = th->context,
						       .program = p };
		r = thread_visit_parts(d, th, p, part_ask);
		if (r < 0)
			return r;
	}
	return 0;
}

static int infect_failed(struct dump *d, int r)
{
	if (r == -ESRCH)
		return report_refuse(d->report, r, CODE_DYING, "it was killed in the middle");
	return report_refuse(d->report, r, CODE_INFECT, "cannot ask it what only it knows");
}

static int task_inspect(struct dump *d, struct task *t, struct foothold_cache *cache)
{
	scoped(batch_free) struct batch *b = batch_new();
	scoped(mem_remote_done) struct mem_remote mem = mem_remote_of(&live_of(t)->proc);
	scoped(mem_free) struct infect_thread *threads =
		NEW_ARRAY(struct infect_thread, t->n_threads);
	struct infect in = { .proc = &live_of(t)->proc,
			     .cache = cache,
			     .threads = threads,
			     .n = t->n_threads,
			     .timeout = d->timeout };
	struct thread *th;
	unsigned i = 0;
	int r;

	REPORT_FRAME(d->report, "task %d", t->host_pid);
	if (!b || !threads)
		return report_fail(d->report, -ENOMEM, "cannot ask it");
	r = task_save_contexts(d, t, &mem);
	if (r == 0)
		r = task_ask(d, t, b, threads);
	if (r < 0)
		return r;
	r = infect_run(&in, b);
	if (r < 0)
		return infect_failed(d, r);
	if (r == INFECT_PLAIN)
		log_info("no self-healing foothold in task pid=%d", t->host_pid);
	thread_for_each(th, t) {
		r = thread_visit_parts(d, th, threads[i++].program, part_answer);
		if (r < 0)
			return r;
	}
	return 0;
}

int dump_inspect(struct dump *d)
{
	scoped(foothold_cache_done) struct foothold_cache cache = { 0 };
	struct task *t;

	task_for_each(t, &d->model) {
		int r = t->state == TASK_DEAD ? 0 : task_inspect(d, t, &cache);

		if (r < 0)
			return r;
	}
	return 0;
}
