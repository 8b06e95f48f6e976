/*
 * Driving the tree from outside: the root is born, then stage after stage is opened when everybody
 * has arrived, first those in host code (shared.h), then those in the interpreter (the barriers of
 * each task's area).
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "inject/batch.h"
#include "kernel/futex.h"
#include "kernel/sys.h"
#include "pie/wire.h"
#include "report/interrupt.h"
#include "report/log.h"
#include "restore/restore.h"
#include "restore/restore_int.h"

#define BARRIER_CHECK (100 * USEC_PER_MSEC)

/* Asked while we wait: whether somebody has died, or the user wants us to stop. */
static int tree_alive(void *arg)
{
	struct restore *r = arg;
	siginfo_t info = { 0 };
	int rc = sys_waitid(P_PID, (id_t)r->root_pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);

	if (rc == 0 && info.si_pid)
		return report_refuse(r->report, -ESRCH, CODE_SYSTEM,
				     "the root task died while it was built");
	return interrupt_check(r->report);
}

/* A task failed: its report is in the pipe. */
static int tree_failed(struct restore *r, int rc)
{
	(void)!report_receive(r->report,
			      r->report_pipe[0]); /* what cannot be understood says nothing */
	if (!report_first(r->report))
		return report_fail(r->report, rc, "a task failed without saying why");
	return rc;
}

static int run_stage(struct restore *r, enum stage stage, unsigned n)
{
	int rc = stage_wait(r->shared, n, tree_alive, r);

	if (rc < 0)
		return tree_failed(r, rc);
	log_debug("stage %s done", stage_name(stage));
	stage_open(r->shared, stage + 1);
	return 0;
}

static int tree_start(struct restore *r)
{
	uint64_t flags = r->request->sibling ? CLONE_PARENT : 0;
	pid_t pid;

	if (pipe2(r->report_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return report_fail(r->report, -errno, "cannot make a pipe");
	if (env_lift_fd(&r->env, &r->report_pipe[0]) < 0 ||
	    env_lift_fd(&r->env, &r->report_pipe[1]) < 0)
		return report_fail(r->report, -EMFILE, "cannot keep a pipe");
	pid = task_fork(r, r->model.root, flags);
	if (pid < 0)
		return pid;
	r->root_pid = pid;
	return 0;
}

/* ---- inside the interpreter
 * ---------------------------------------------------------------------------------- */

static int area_map(struct restore *r, struct build *b)
{
	const struct shared_task *where = &r->shared->tasks[b->slot];
	void *p;
	int rc = sys_mmap(NULL, where->area_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->areas_fd,
			  b->slot * AREA_SPAN, &p);

	if (rc < 0)
		return report_fail(r->report, rc, "cannot map the programs of task %d",
				   b->task->pid);
	b->area = (struct pie_area *)((char *)p + PIE_CODE);
	b->area_size = where->area_size;
	return 0;
}

/* Names the step that failed: number, call and result come from the area. */
static int area_explain(struct restore *r, const struct build *b)
{
	const char *base = (const char *)b->area - PIE_CODE;
	const struct pie_thread *threads = (const struct pie_thread *)(base + b->area->threads);
	struct thread *th = task_leader(b->task);

	for (unsigned i = 0; i < b->task->n_threads; i++) {
		const struct pie_step *step;
		const char *call;

		if (threads[i].state != PIE_STATE_FAILED) {
			th = list_entry(th->link.next, struct thread, link);
			continue;
		}
		step = (const struct pie_step *)(base + threads[i].steps) + threads[i].failed;
		call = syscall_name(step->nr);
		return report_fail(
			r->report, (int)step->result,
			"task %d: thread %d: step %u, %s(%#llx, %#llx, %#llx, %#llx, %#llx, %#llx)",
			b->task->pid, th->tid, threads[i].failed, call ? call : "a step",
			(unsigned long long)step->arg[0], (unsigned long long)step->arg[1],
			(unsigned long long)step->arg[2], (unsigned long long)step->arg[3],
			(unsigned long long)step->arg[4], (unsigned long long)step->arg[5]);
	}
	return report_fail(r->report, -ECANCELED, "task %d: a step failed", b->task->pid);
}

static int area_wait(struct restore *r, struct build *b, uint32_t n)
{
	usec_t end = usec_now() + r->timeout;

	for (;;) {
		uint32_t arrived = __atomic_load_n(&b->area->arrived, __ATOMIC_SEQ_CST);

		if (__atomic_load_n(&b->area->failures, __ATOMIC_SEQ_CST))
			return area_explain(r, b);
		if (arrived >= n)
			return 0;
		if (usec_now() > end)
			return report_refuse(r->report, -ETIMEDOUT, CODE_TIMEOUT,
					     "task %d does not come out of its program",
					     b->task->pid);
		futex_wait(&b->area->arrived, arrived, BARRIER_CHECK);
		if (sys_kill(b->task->pid, 0) == -ESRCH || tree_alive(r) < 0)
			return report_first(r->report)
				       ? -ESRCH
				       : report_fail(r->report, -ESRCH,
						     "task %d died in its program", b->task->pid);
	}
}

/* Waits until all threads of all tasks have passed `times` barriers. */
static int areas_wait(struct restore *r, unsigned times)
{
	struct task *t;

	task_for_each(t, &r->model) {
		int rc = t->build ? area_wait(r, t->build, times * t->n_threads) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void areas_open(struct restore *r, enum area_stage stage)
{
	struct task *t;

	task_for_each(t, &r->model) {
		struct build *b = t->build;

		if (!b)
			continue;
		__atomic_store_n(&b->area->stage, (uint32_t)stage, __ATOMIC_SEQ_CST);
		futex_wake_all(&b->area->stage);
	}
}

static int areas_map(struct restore *r)
{
	struct task *t;

	task_for_each(t, &r->model) {
		struct thread *th;
		int rc = t->build ? area_map(r, t->build) : 0;

		if (rc < 0)
			return rc;
		thread_for_each(th, t)
			th->host_tid = th->tid; /* one pid namespace */
	}
	return 0;
}

int restore_tree(struct restore *r)
{
	int rc = tree_start(r);

	if (rc == 0)
		rc = run_stage(r, STAGE_fork, r->n_built);
	r->all_born = rc == 0;
	if (rc == 0)
		rc = run_stage(r, STAGE_groups, r->n_built);
	if (rc == 0)
		rc = run_stage(r, STAGE_create, r->n_live);
	if (rc == 0)
		rc = run_stage(r, STAGE_place, r->n_live);
	if (rc == 0)
		rc = run_stage(r, STAGE_settle, r->n_live);
	if (rc == 0)
		rc = run_stage(r, STAGE_root, r->n_live);
	if (rc == 0)
		rc = areas_map(r);
	return rc == 0 ? areas_wait(r, 1) : rc;
}

static void remove_pidfile(void *hooks)
{
	hooks_remove_pidfile(hooks);
}

/* Others act on the file as soon as it is there, so it goes again when the restore fails. */
static int write_pidfile(struct restore *r)
{
	const struct hooks *hooks = &r->request->hooks;
	int rc = hooks_write_pidfile(hooks, r->root_pid, r->report);

	if (rc == 0)
		rc = undo_push(&r->undo, "pid file", remove_pidfile, (void *)hooks);
	return rc;
}

int restore_finish(struct restore *r)
{
	const struct restore_request *rq = r->request;
	int rc = hooks_run(&rq->hooks, HOOK_POST_RESTORE, r->root_pid, r->report);

	if (rc == 0)
		rc = hooks_run(&rq->hooks, HOOK_NETWORK_UNLOCK, r->root_pid, r->report);
	if (rc == 0)
		rc = finish_seize(r);
	if (rc < 0)
		return rc;
	areas_open(r, AREA_STAGE_LAST);
	rc = areas_wait(r, 2);
	if (rc == 0)
		rc = finish_park(r);
	if (rc < 0)
		return rc;
	areas_open(r, AREA_STAGE_RETURN);
	rc = finish_tasks(r);
	if (rc == 0)
		rc = write_pidfile(r);
	if (rc == 0)
		rc = hooks_run(&rq->hooks, HOOK_PRE_RESUME, r->root_pid, r->report);
	if (rc == 0)
		rc = restore_finish_files(r); /* takes away what a second try would need */
	if (rc == 0)
		rc = finish_commit(r);
	if (rc < 0)
		return rc;
	undo_forget_all(&r->undo);
	restore_drop_files(r);
	finish_release(r, rq->leave == FINAL_STOPPED);
	r->detached = true;
	(void)!hooks_run(&rq->hooks, HOOK_POST_RESUME, r->root_pid,
			 r->report); /* reported; it runs */
	return 0;
}
