/*
 * The end of building: every thread waits inside the interpreter. The coordinator seizes them all
 * (with seccomp suspended, so that filters do not hit what the interpreter still has to do), lets
 * them take their last steps, catches them, puts their registers in place, takes the area out of
 * the task, and lets go.
 *
 * If the coordinator dies before it let go, tasks die with it (PR_SET_PDEATHSIG until the last
 * steps); afterwards they return into their registers by themselves.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/guard.h"
#include "inject/remote.h"
#include "inject/tracee.h"
#include "kernel/ptrace.h"
#include "kernel/sys.h"
#include "pie/wire.h"
#include "report/log.h"
#include "restore/restore.h"
#include "restore/restore_int.h"

/* Until it is let go, the tree dies with us. */
#define SEIZE_OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)

static const struct build *build_of(const struct task *t)
{
	return t->build;
}

int finish_seize(struct restore *r)
{
	struct task *t;

	task_for_each(t, &r->model) {
		struct thread *th;

		if (!t->build)
			continue;
		thread_for_each(th, t) {
			int rc = ptrace_seize(th->host_tid,
					      SEIZE_OPTIONS | PTRACE_O_SUSPEND_SECCOMP);

			if (rc == -EINVAL ||
			    rc == -EPERM) /* no CAP_SYS_ADMIN: fine without filters */
				rc = ptrace_seize(th->host_tid, SEIZE_OPTIONS);
			if (rc < 0)
				return report_fail(r->report, rc, "cannot seize thread %d",
						   th->tid);
		}
	}
	return 0;
}

/* Every thread stands still at its last barrier, and does not pass it before it is let. */
int finish_park(struct restore *r)
{
	struct task *t;

	task_for_each(t, &r->model) {
		struct thread *th;

		if (!t->build)
			continue;
		thread_for_each(th, t) {
			int rc = tracee_halt(th->host_tid, r->timeout);

			if (rc < 0)
				return report_fail(r->report, rc, "task %d: cannot stop thread %d",
						   t->pid, th->tid);
		}
	}
	return 0;
}

/* Every thread returns into its registers and is caught there, before it does anything. */
static int finish_catch(struct restore *r, const struct task *t)
{
	struct thread *th;

	thread_for_each(th, t) {
		int rc = tracee_park_at_return(th->host_tid, r->timeout);

		if (rc < 0)
			return report_fail(r->report, rc, "task %d: cannot catch thread %d", t->pid,
					   th->tid);
	}
	return 0;
}

/* Takes the area out, by a system call that the leader makes for us. */
static int finish_unmap(struct restore *r, const struct task *t, struct foothold_cache *cache)
{
	const struct shared_task *where = &r->shared->tasks[build_of(t)->slot];
	const uint64_t args[6] = { where->area_at, where->area_size };
	scoped(proc_pid_done) struct proc_pid proc = PROC_PID_NONE;
	const struct thread *leader = task_leader(t);
	scoped(context_free) struct context *ctx = NULL;
	const struct context *const all[] = { leader->context };
	struct foothold foothold;
	struct mem_remote mem;
	struct remote remote;
	int64_t result = 0;
	int rc = proc_pid_open(t->pid, &proc), end;

	if (rc < 0)
		return report_fail(r->report, rc, "cannot look at task %d", t->pid);
	mem = mem_remote_of(&proc);
	rc = context_save(leader->host_tid, &mem, &ctx);
	if (rc == 0)
		rc = foothold_find(cache, &proc, &mem, NULL, all, 1, &foothold);
	remote = (struct remote){ .tid = leader->host_tid,
				  .mem = &mem,
				  .context = ctx,
				  .foothold = &foothold,
				  .timeout = r->timeout };
	if (rc == 0) {
		rc = remote_begin(&remote);
		if (rc == 0)
			rc = remote_syscall(&remote, SYS_munmap, args, &result);
		end = remote_end(&remote);
		rc = rc < 0 ? rc : end < 0 ? end : (int)result;
	}
	mem_remote_done(&mem);
	return rc < 0 ? report_fail(r->report, rc, "task %d: cannot take the interpreter out",
				    t->pid)
		      : 0;
}

int finish_tasks(struct restore *r)
{
	scoped(foothold_cache_done) struct foothold_cache cache = { 0 };
	struct task *t;

	task_for_each(t, &r->model) {
		int rc = t->build ? finish_catch(r, t) : 0;

		if (rc == 0 && t->build)
			rc = finish_unmap(r, t, &cache);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void tree_rescue(void *arg)
{
	const struct restore *r = arg;
	struct task *t;

	task_for_each(t, &r->model)
		if (t->build)
			(void)!sys_kill(t->pid, SIGKILL); /* nobody is left to tell */
}

/*
 * The point of no return. Letting go takes a call for each thread, and our death between two of
 * them must not leave half a tree: so a guard takes over from PTRACE_O_EXITKILL, which is taken off
 * thread by thread, and is released in one moment. Before it our death is the whole tree's; after
 * it the kernel lets go of what we did not.
 */
int finish_commit(struct restore *r)
{
	struct guard guard = { 0 };
	struct task *t;
	int rc = guard_start(&guard, tree_rescue, r);

	if (rc < 0)
		return report_fail(r->report, rc, "cannot guard the tree while it is let go");
	task_for_each(t, &r->model) {
		struct thread *th;

		if (!t->build)
			continue;
		thread_for_each(th, t)
			/* -ESRCH: killed meanwhile by somebody else */
			(void)!ptrace_set_options(th->host_tid, PTRACE_O_TRACESYSGOOD);
	}
	guard_release(&guard);
	return 0;
}

void finish_release(struct restore *r, bool stopped)
{
	struct task *t;

	task_for_each(t, &r->model) {
		struct thread *th;

		if (!t->build)
			continue;
		if (stopped || t->state == TASK_STOPPED)
			(void)!sys_kill(t->pid,
					t->stop_signo ? t->stop_signo : SIGSTOP); /* in our hands */
		thread_for_each(th, t)
			(void)!ptrace_detach(th->host_tid, 0); /* -ESRCH: killed meanwhile */
	}
}
