/* See infect.h. */
#include "inject/infect.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "inject/arch.h"
#include "inject/remote.h"
#include "inject/tracee.h"
#include "pie/blob.h"

#define OPTIONS PTRACE_O_TRACESYSGOOD

enum agent_state {
	AGENT_IDLE,    /* registers and signal mask are its own */
	AGENT_RUNNING, /* its program runs, as far as we know */
	AGENT_STOPPED, /* stands, normally at the end of its program */
};

/* A thread that runs a program. */
struct agent {
	const struct infect_thread *th;
	enum agent_state state;
	int sig;         /* which it sends itself at the end; 0: none to spare */
	bool by_syscall; /* is stopped at system calls, not by its signal */
	struct arg frame;
};

struct visit {
	const struct infect *in;
	struct batch *batch;
	struct mem_remote mem;
	struct foothold foothold;
	struct agent *agents; /* n of them */
	unsigned n;
	uint64_t base; /* of the area; 0: not mapped */
	bool is_suspended;
};

static uint64_t sigbit(int sig)
{
	return UINT64_C(1) << (sig - 1);
}

/*
 * A signal that does nothing to the task: not caught, and not waiting to be taken by sigwait(). One
 * that the thread does not block is better: if somebody else sends it meanwhile it is to be dropped
 * anyway. Not SIGCONT: sending it takes away pending stop signals.
 */
static int choose_signal(const struct proc_status *st)
{
	static const int harmless[] = { SIGWINCH, SIGURG, SIGCHLD };
	int found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		uint64_t bit = sigbit(harmless[i]);

		if ((st->sig_caught | st->sig_pending | st->sig_shared_pending) & bit)
			continue;
		if (!(st->sig_blocked & bit))
			return harmless[i];
		if (!found)
			found = harmless[i];
	}
	return found;
}

/* The thread's number in its own pid namespace. */
static pid_t own_number(const struct proc_ns_ids *ids, pid_t fallback)
{
	return ids->n > 0 ? ids->id[ids->n - 1] : fallback;
}

static void agent_end_program(struct agent *a)
{
	const struct proc_status *st = a->th->status;
	struct program *p = a->th->program;

	a->sig = choose_signal(st);
	a->by_syscall = !a->sig;
	program_tail(p);
	if (a->sig) {
		program_set_sigmask(p, ~sigbit(a->sig));
		program_call(p, SYS_tgkill,
			     ARGS(own_number(&st->ns_tgid, st->tgid),
				  own_number(&st->ns_pid, st->pid), a->sig));
	}
	a->frame = context_frame(a->th->context, p);
	program_return(p, a->frame);
}

static int visit_prepare(struct visit *v)
{
	v->agents = NEW_ARRAY(struct agent, v->in->n);
	if (!v->agents)
		return -ENOMEM;
	for (unsigned i = 0; i < v->in->n; i++) {
		if (!v->in->threads[i].program)
			continue;
		v->agents[v->n].th = &v->in->threads[i];
		agent_end_program(&v->agents[v->n]);
		v->n++;
	}
	return batch_layout(v->batch);
}

static int visit_find_foothold(struct visit *v)
{
	scoped(mem_free) const struct context **ctx = NEW_ARRAY(const struct context *, v->in->n);

	if (!ctx)
		return -ENOMEM;
	for (unsigned i = 0; i < v->in->n; i++)
		ctx[i] = v->in->threads[i].context;
	return foothold_find(v->in->cache, v->in->proc, &v->mem, v->in->maps, ctx, v->in->n,
			     &v->foothold);
}

/* Filters must not see calls that are not the task's own. */
static int visit_suspend_seccomp(struct visit *v)
{
	for (unsigned i = 0; i < v->in->n; i++) {
		const struct infect_thread *th = &v->in->threads[i];
		int r = 0;

		if (!th->status->seccomp)
			continue;
		v->is_suspended = true;
		r = ptrace_set_options(th->tid, OPTIONS | PTRACE_O_SUSPEND_SECCOMP);
		if (r < 0)
			return r;
	}
	return 0;
}

static int visit_resume_seccomp(struct visit *v)
{
	int first = 0;

	for (unsigned i = 0; i < v->in->n && v->is_suspended; i++) {
		int r = 0;

		if (v->in->threads[i].status->seccomp)
			r = ptrace_set_options(v->in->threads[i].tid, OPTIONS);
		first = first < 0 ? first : r;
	}
	return first;
}

static struct remote visit_remote(struct visit *v)
{
	const struct infect_thread *th = &v->in->threads[v->foothold.thread];

	return (struct remote){
		.tid = th->tid,
		.mem = &v->mem,
		.context = th->context,
		.foothold = &v->foothold,
		.timeout = v->in->timeout,
	};
}

static int call_ok(struct remote *r, long nr, const uint64_t args[6], int64_t *ret)
{
	int64_t result;
	int rc = remote_syscall(r, nr, args, &result);

	if (rc < 0)
		return rc;
	if (result < 0 && result >= -4095)
		return (int)result;
	*ret = result;
	return 0;
}

/*
 * Maps the area: in one piece, or, in a task that refuses memory that can be written and executed
 * (PR_SET_MDWE, SELinux), with code and data apart. Code is then written through /proc/PID/mem,
 * which does not mind.
 */
static int map_area(struct visit *v, struct remote *r)
{
	const uint64_t size = batch_size(v->batch);
	uint64_t args[6] = {
		0,          size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		UINT64_MAX, 0
	};
	int64_t base, done;
	int rc = call_ok(r, SYS_mmap, args, &base);

	if (rc != -EACCES && rc != -EPERM) {
		v->base = rc < 0 ? 0 : (uint64_t)base;
		return rc;
	}
	args[2] = PROT_READ | PROT_EXEC;
	rc = call_ok(r, SYS_mmap, args, &base);
	if (rc < 0)
		return rc;
	v->base = (uint64_t)base;
	return call_ok(r, SYS_mprotect,
		       (const uint64_t[6]){ v->base + PIE_CODE, size - PIE_CODE,
					    PROT_READ | PROT_WRITE },
		       &done);
}

static int visit_map(struct visit *v)
{
	struct remote r = visit_remote(v);
	int rc = remote_begin(&r), end;

	if (rc < 0)
		return rc;
	rc = map_area(v, &r);
	end = remote_end(&r);
	return rc < 0 ? rc : end;
}

static int visit_unmap(struct visit *v)
{
	struct remote r = visit_remote(v);
	int64_t done;
	int rc, end;

	if (!v->base)
		return 0;
	rc = remote_begin(&r);
	if (rc < 0)
		return rc;
	rc = call_ok(&r, SYS_munmap, (const uint64_t[6]){ v->base, batch_size(v->batch) }, &done);
	end = remote_end(&r);
	return rc < 0 ? rc : end;
}

static int visit_write(struct visit *v)
{
	size_t len = batch_written(v->batch);
	scoped(mem_free) unsigned char *area = NEW_ARRAY(unsigned char, len);

	if (!area)
		return -ENOMEM;
	batch_write(v->batch, REMOTE(v->base), area);
	return mem_write(&v->mem, REMOTE(v->base), area, len);
}

static int visit_read(struct visit *v)
{
	size_t len = batch_read_end(v->batch);
	scoped(mem_free) unsigned char *area = NEW_ARRAY(unsigned char, len);
	int r;

	if (!area)
		return -ENOMEM;
	r = mem_read(&v->mem, REMOTE(v->base + PIE_CODE), area + PIE_CODE, len - PIE_CODE);
	if (r == 0)
		batch_read(v->batch, area);
	return r;
}

static enum tracee_run agent_mode(const struct agent *a)
{
	return a->by_syscall ? TRACEE_TO_SYSCALL : TRACEE_RUN;
}

/*
 * Sets a thread on its program. Signals are blocked from here, so that none that waits is delivered
 * when it is let run, and again by the program before it leaves the thread's own stack: our death
 * in between would let a handler run on a stack too small for it. Blocking them first would leave
 * them blocked if we died then.
 */
static int agent_start(struct visit *v, struct agent *a)
{
	struct user_regs_struct regs = a->th->context->regs;
	int r;

	arch_set_entry(&regs, v->base + pie_blob_entry, arch_sp(&regs) - arch_red_zone, v->base,
		       program_index(a->th->program));
	r = ptrace_set_regs(a->th->tid, &regs);
	if (r < 0)
		return r;
	a->state = AGENT_RUNNING;
	r = ptrace_set_sigmask(a->th->tid, a->sig ? ~sigbit(a->sig) : UINT64_MAX);
	return r < 0 ? r : tracee_resume(a->th->tid, agent_mode(a), 0);
}

/* Whether the stop is that of the program's own signal. If so, all signals are blocked from now. */
static int is_own_signal(const struct agent *a, const struct ptrace_stop *s)
{
	siginfo_t info;
	int r;

	if (s->kind != PTRACE_STOP_SIGNAL || a->by_syscall || s->signal != a->sig)
		return 0;
	r = ptrace_get_siginfo(a->th->tid, &info);
	if (r < 0)
		return r;
	if (info.si_code != SI_TKILL ||
	    info.si_pid != own_number(&a->th->status->ns_tgid, a->th->status->tgid))
		return 0;
	/* The next one like it is not ours: it stays where it is. */
	r = ptrace_set_sigmask(a->th->tid, UINT64_MAX);
	return r < 0 ? r : 1;
}

/*
 * Somebody else sent the signal that we had chosen; or it is the program's own, but without a mark
 * of its sender, because the task's owner has as many signals pending as he may. The thread is
 * stopped in the other way from now on. A signal that the thread does not block is to be ignored.
 * One that it blocks has to stay pending: delivered while it is blocked, it goes back to its queue
 * (and comes again if it was the program's beginning that we saw, which unblocks it).
 */
static int agent_get_foreign(struct agent *a)
{
	bool keep = a->th->context->sigmask & sigbit(a->sig);
	int r;

	a->by_syscall = true;
	r = ptrace_set_sigmask(a->th->tid, UINT64_MAX);
	return r < 0 ? r : tracee_resume(a->th->tid, agent_mode(a), keep ? a->sig : 0);
}

/* Without a signal: whether it is about to return. The call is then skipped; the code makes it
 * again if we do not come to stop it. */
static int is_at_return(const struct agent *a, const struct ptrace_stop *s)
{
	struct user_regs_struct regs;
	struct ptrace_syscall_state sc;
	int r;

	if (s->kind != PTRACE_STOP_SYSCALL)
		return 0;
	r = ptrace_get_syscall(a->th->tid, &sc);
	if (r < 0)
		return r;
	if (sc.op != PTRACE_SYSCALL_OP_ENTRY || sc.nr != SYS_rt_sigreturn)
		return 0;
	r = ptrace_get_regs(a->th->tid, &regs);
	if (r < 0)
		return r;
	arch_skip_syscall(&regs);
	r = ptrace_set_regs(a->th->tid, &regs);
	return r < 0 ? r : 1;
}

/* Looks at a stop: 1 when it is the end of the program, 0 when the thread runs on. */
static int agent_look(struct agent *a, const struct ptrace_stop *s)
{
	int r = is_own_signal(a, s);

	if (r == 0)
		r = is_at_return(a, s);
	if (r != 0)
		return r;
	if (s->kind == PTRACE_STOP_SYSCALL)
		r = tracee_resume(a->th->tid, agent_mode(a), 0);
	else if (a->sig && s->signal == a->sig)
		r = agent_get_foreign(a);
	else
		return -EFAULT; /* all others are blocked, so the code made it itself */
	if (r == 0)
		a->state = AGENT_RUNNING;
	return r;
}

/* Waits until the thread stands at the end of its program. */
static int agent_wait(struct agent *a, usec_t deadline)
{
	int r = 0;

	while (r == 0) {
		usec_t now = usec_now();
		struct ptrace_stop s;

		r = tracee_wait(a->th->tid, agent_mode(a), now < deadline ? deadline - now : 0, &s);
		if (r < 0)
			return r;
		a->state = AGENT_STOPPED;
		r = agent_look(a, &s);
	}
	return MIN(r, 0);
}

/* Starts all, waits for all; the first trouble is told, but nobody is left out for it. */
static int visit_run(struct visit *v)
{
	usec_t deadline;
	int r, first = 0;

	for (unsigned i = 0; i < v->n; i++) {
		r = agent_start(v, &v->agents[i]);
		first = first < 0 ? first : r;
	}
	deadline = usec_now() + v->in->timeout;
	for (unsigned i = 0; i < v->n; i++) {
		if (v->agents[i].state != AGENT_RUNNING)
			continue;
		r = agent_wait(&v->agents[i], deadline);
		first = first < 0 ? first : r;
	}
	return first;
}

/*
 * Gives a thread its context back. In between it stands before the return into its frame, on its
 * own stack, because signals have to be unblocked before the registers are final (else our death
 * would leave them blocked), and a handler would find too little room in the area.
 */
static int agent_cure(struct visit *v, struct agent *a)
{
	struct user_regs_struct regs = a->th->context->regs;
	uint64_t frame = v->base + batch_offset(v->batch, a->frame);
	int r;

	if (a->state == AGENT_IDLE)
		return 0;
	if (a->state == AGENT_STOPPED)
		r = tracee_park(a->th->tid, v->in->timeout);
	else
		r = tracee_halt(a->th->tid, v->in->timeout);
	if (r < 0)
		return r;
	arch_set_entry(&regs, v->base + pie_blob_return, arch_sp(&regs) - arch_red_zone, frame, 0);
	r = ptrace_set_regs(a->th->tid, &regs);
	if (r == 0)
		r = context_restore(a->th->tid, a->th->context);
	if (r == 0)
		a->state = AGENT_IDLE;
	return r;
}

static int visit_cure(struct visit *v)
{
	int first = 0;

	for (unsigned i = 0; i < v->n; i++) {
		int r = agent_cure(v, &v->agents[i]);

		first = first < 0 ? first : r;
	}
	return first;
}

static int visit_go(struct visit *v)
{
	int r, cure, unmap;

	r = visit_map(v);
	if (r == 0)
		r = visit_write(v);
	if (r == 0)
		r = visit_run(v);
	if (r == 0)
		r = visit_read(v);
	cure = visit_cure(v);
	/* A thread that is still in there needs it. */
	unmap = cure == 0 ? visit_unmap(v) : 0;
	return r < 0 ? r : cure < 0 ? cure : unmap;
}

int infect_run(const struct infect *in, struct batch *b)
{
	struct visit v = { .in = in, .batch = b, .mem = mem_remote_of(in->proc) };
	int r, resume;

	assert(in->n > 0);
	r = visit_prepare(&v);
	if (r == 0)
		r = visit_find_foothold(&v);
	if (r == 0)
		r = visit_suspend_seccomp(&v);
	if (r == 0)
		r = visit_go(&v);
	resume = visit_resume_seccomp(&v);
	mem_remote_done(&v.mem);
	mem_free(v.agents);
	if (r < 0 || resume < 0)
		return r < 0 ? r : resume;
	return foothold_heals(&v.foothold) ? INFECT_HEALED : INFECT_PLAIN;
}
