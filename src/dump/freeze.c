/*
 * Stopping a tree, race-free: every thread is seized (PTRACE_SEIZE does not disturb), then
 * interrupted. A stopped thread cannot fork or clone, so for each task its threads are listed again
 * until no new one appears, and then its children; and when all tasks stand still, all children are
 * listed once more, because children of a task that died on the way have new parents. What was
 * found in which state (running, stopped by a signal, dead) is noted for the image.
 *
 * Undo: every thread is let go as it was found; a stopped one stays stopped.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "dump/dump_int.h"
#include "kernel/pidfd.h"
#include "kernel/proc/task.h"
#include "kernel/ptrace.h"
#include "kernel/sys.h"
#include "report/log.h"

#define FREEZE_OPTIONS (PTRACE_O_TRACESYSGOOD)
#define FREEZE_ROUNDS                                                                              \
	1000 /* a tree that grows this often while it is being stopped is a fork bomb */

static void thread_release(void *arg)
{
	struct thread *th = arg;

	/* -ESRCH: it was killed while we held it. */
	(void)!ptrace_detach(th->host_tid, 0);
}

static int thread_open(struct dump *d, struct thread *th)
{
	struct live_thread *live = NEW(struct live_thread);

	if (!live)
		return report_fail(d->report, -ENOMEM, "cannot note a thread");
	live->proc = PROC_PID_NONE;
	th->live = live;
	return 0;
}

/* Why seizing was refused, in the user's terms. */
static int freeze_explain(struct dump *d, struct task *t, pid_t tid, int err)
{
	scoped(proc_status_done) struct proc_status st = { 0 };

	if (proc_status_read(&live_of(t)->proc, &st) < 0)
		return report_refuse(d->report, -ESRCH, CODE_NO_SUCH_TASK,
				     "it ended while the tree was being stopped");
	if (st.state == 'Z' || st.state == 'X')
		return 0; /* as good as gone: it ends */
	if (st.tracer && st.tracer != getpid())
		return report_refuse(d->report, -EBUSY, CODE_TRACED, "traced by process %d",
				     st.tracer);
	if (st.kthread)
		return report_refuse(d->report, -ENOTSUP, CODE_KERNEL_THREAD,
				     "it is a thread of the kernel");
	if (err == -EPERM)
		return report_refuse(d->report, err, CODE_NO_PRIVILEGE,
				     "no permission to stop thread %d", tid);
	return report_fail(d->report, err, "cannot stop thread %d", tid);
}

/* Seizes one thread and asks it to stop. 1: done, 0: it is gone meanwhile. */
static int thread_seize(struct dump *d, struct task *t, pid_t tid)
{
	struct thread *th;
	int r = ptrace_seize(tid, FREEZE_OPTIONS);

	if (r == -ESRCH)
		return 0;
	if (r < 0)
		return freeze_explain(d, t, tid, r);
	th = model_add_thread(&d->model, t, tid);
	if (!th) {
		(void)!ptrace_detach(tid, 0); /* seized but not stopped: ends with us otherwise */
		return report_fail(d->report, -ENOMEM, "cannot note thread %d", tid);
	}
	th->host_tid = tid;
	r = thread_open(d, th);
	if (r < 0)
		return r;
	r = undo_push(&d->undo, "let thread go", thread_release, th);
	if (r < 0)
		return report_fail(d->report, r, "cannot note thread %d", tid);
	r = ptrace_interrupt(tid);
	return r == -ESRCH ? 0
	       : r < 0     ? report_fail(d->report, r, "cannot interrupt thread %d", tid)
			   : 1;
}

static void thread_forget(struct thread *th)
{
	struct live_thread *live = live_thread_of(th);

	if (!live)
		return;
	proc_pid_done(&live->proc);
	proc_status_done(&live->status);
	mem_free(ptr_take(&th->live));
}

static void task_forget(struct task *t)
{
	struct live_task *live = live_of(t);

	if (!live)
		return;
	proc_pid_done(&live->proc);
	fd_close(live->pidfd);
	mem_free(ptr_take(&t->live));
}

/* A thread that ended while it was being stopped: our wait has taken note of it. */
static void thread_drop(struct dump *d, struct thread *th)
{
	(void)undo_forget(&d->undo, thread_release, th);
	thread_forget(th);
	model_drop_thread(&d->model, th);
}

/* A task that ended and is reaped already: as if it had ended before we came. 1: dropped. */
static int task_drop(struct dump *d, struct task *t)
{
	int r;

	if (t == d->model.root || !list_is_empty(&t->children))
		return report_refuse(d->report, -ESRCH, CODE_DYING,
				     "it ended while the tree was being stopped");
	task_forget(t);
	r = model_drop_task(&d->model, t);
	return r < 0 ? report_fail(d->report, r, "cannot forget a task") : 1;
}

/* Waits for a thread to stand still and notes how it was found. 1: caught, 0: it has ended. */
static int thread_catch(struct dump *d, struct thread *th)
{
	struct live_thread *live = live_thread_of(th);
	struct ptrace_stop stop;
	int r = ptrace_catch(th->host_tid, d->timeout, &stop);

	if (r == -ETIMEDOUT)
		return report_refuse(
			d->report, r, CODE_UNINTERRUPTIBLE,
			"thread %d did not stop within %.1f s: it sleeps uninterruptibly in "
			"the kernel",
			th->host_tid, (double)d->timeout / USEC_PER_SEC);
	if (r < 0)
		return report_fail(d->report, r, "cannot wait for thread %d", th->host_tid);
	if (!ptrace_stop_is_alive(&stop))
		return 0;
	if (stop.kind == PTRACE_STOP_GROUP) {
		live->group_stop = stop.signal;
		th->task->state = TASK_STOPPED;
		th->task->stop_signo = stop.signal;
	}
	r = proc_tid_open(&live_of(th->task)->proc, th->host_tid, &live->proc);
	if (r == 0)
		r = ptrace_get_sigmask(th->host_tid, &live->sigmask);
	if (r < 0)
		return report_fail(d->report, r, "cannot look at thread %d", th->host_tid);
	return 1;
}

/* Catches the threads behind *caught, which then is the last one. */
static int threads_catch(struct dump *d, struct task *t, struct list **caught)
{
	while ((*caught)->next != &t->threads) {
		struct thread *th = list_entry((*caught)->next, struct thread, link);
		int r = thread_catch(d, th);

		if (r < 0)
			return r;
		if (r == 0)
			thread_drop(d, th);
		else
			*caught = &th->link;
	}
	return 0;
}

static bool task_has_thread(const struct task *t, pid_t tid)
{
	struct thread *th;

	thread_for_each(th, t)
		if (th->host_tid == tid)
			return true;
	return false;
}

/* Seizes all threads of a task, again and again until none is new; then waits for them together. */
static int task_freeze_threads(struct dump *d, struct task *t)
{
	scoped(proc_numbers_done) struct proc_numbers tids = { 0 };
	struct list *caught = &t->threads;
	int r;

	for (unsigned round = 0; round < FREEZE_ROUNDS; round++) {
		unsigned fresh = 0;

		r = proc_tasks_read(&live_of(t)->proc, &tids);
		if (r == -ESRCH) /* reaped, and what we had of it dropped */
			return 0;
		if (r < 0)
			return report_fail(d->report, r, "cannot list threads");
		vec_for_each(tid, &tids) {
			/* Ascending lists, the newest last: the common case asks the tail only. */
			if (task_has_thread(t, *tid))
				continue;
			r = thread_seize(d, t, *tid);
			if (r < 0)
				return r;
			fresh += (unsigned)r;
		}
		if (!fresh)
			return 0;
		if (d->cgroup) /* frozen: none can be caught, none can come either */
			return 0;
		r = threads_catch(d, t, &caught);
		if (r < 0)
			return r;
	}
	return report_refuse(d->report, -EBUSY, CODE_TIMEOUT,
			     "it makes threads faster than they can be stopped");
}

/* A dead task needs no stopping; it is there for its parent to see. 1: it is not there any more. */
static int task_note_dead(struct dump *d, struct task *t)
{
	struct proc_stat st;
	struct thread *th;
	int r = proc_stat_read(&live_of(t)->proc, &st);

	if (r == -ESRCH)
		return task_drop(d, t);
	if (r < 0)
		return report_fail(d->report, r, "cannot read its status");
	if (st.threads > 1)
		return report_refuse(d->report, -ENOTSUP, CODE_DYING,
				     "its main thread has ended while %d others run",
				     st.threads - 1);
	t->state = TASK_DEAD;
	t->exit_code = st.exit_code;
	th = model_add_thread(&d->model, t, t->host_pid);
	if (!th)
		return report_fail(d->report, -ENOMEM, "cannot note a task");
	th->host_tid = t->host_pid;
	r = thread_open(d, th);
	if (r < 0)
		return r;
	live_thread_of(th)->stat = st;
	return proc_tid_open(&live_of(t)->proc, t->host_pid, &live_thread_of(th)->proc);
}

static int task_open(struct dump *d, struct task *t)
{
	struct live_task *live = NEW(struct live_task);
	int r;

	if (!live)
		return report_fail(d->report, -ENOMEM, "cannot note a task");
	live->proc = PROC_PID_NONE;
	live->pidfd = -EBADF;
	t->live = live;
	t->host_pid = t->pid;
	r = proc_pid_open(t->host_pid, &live->proc);
	if (r == 0)
		r = live->pidfd = sys_pidfd_open(t->host_pid, 0);
	return r < 0 ? r : 0;
}

/* 1: it is gone, and so is t. */
static int task_freeze(struct dump *d, struct task *t)
{
	struct proc_stat st;
	int r = task_open(d, t);

	REPORT_FRAME(d->report, "task %d", t->host_pid);
	if (r == 0)
		r = proc_stat_read(&live_of(t)->proc, &st);
	if (r == -ESRCH)
		return task_drop(d, t);
	if (r < 0)
		return report_fail(d->report, r, "cannot look at it");
	if (proc_stat_is_dead(&st))
		return task_note_dead(d, t);
	r = task_freeze_threads(d, t);
	if (r < 0)
		return r;
	if (list_is_empty(&t->threads))
		return task_note_dead(d, t);
	return 0;
}

/* Adds the children of a frozen task that are not in the model yet; gives how many. */
static int task_add_children(struct dump *d, struct task *t)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	scoped(proc_numbers_done) struct proc_numbers pids = { 0 };
	struct thread *th;
	int n = 0;

	thread_for_each(th, t) {
		int r = proc_children_read(&live_of(t)->proc, th->host_tid, &text, &pids);

		if (r < 0 && r != -ESRCH)
			return report_fail(d->report, r, "cannot list children of thread %d",
					   th->host_tid);
	}
	vec_for_each(pid, &pids) {
		if (model_task(&d->model, *pid))
			continue;
		if (!model_add_task(&d->model, t, *pid))
			return report_fail(d->report, -ENOMEM, "cannot note task %d", *pid);
		n++;
	}
	return n;
}

/* The control group is thawed: what was seized in it can be caught now. */
static int freeze_catch_all(struct dump *d)
{
	struct task *t;

	task_for_each(t, &d->model) {
		struct list *caught = &t->threads;
		int r;

		REPORT_FRAME(d->report, "task %d", t->host_pid);
		if (t->state == TASK_DEAD)
			continue;
		r = threads_catch(d, t, &caught);
		if (r == 0 && list_is_empty(&t->threads))
			r = task_note_dead(d, t);
		if (r < 0)
			return r;
	}
	return 0;
}

static int freeze_round(struct dump *d, unsigned *fresh)
{
	struct task *t;

	/* The list grows at its end while we walk it. */
	for (struct list *at = d->model.tasks.next; at != &d->model.tasks; at = at->next) {
		struct list *before = at->prev;
		bool gone = false;
		int r = 0;

		t = list_entry(at, struct task, link);
		if (!t->live) {
			r = task_freeze(d, t);
			gone = r == 1;
		}
		if (gone)
			at = before;
		else if (r == 0 && t->state != TASK_DEAD)
			r = task_add_children(d, t);
		if (r < 0)
			return r;
		*fresh += (unsigned)r;
	}
	return 0;
}

static int freeze_check_root(struct dump *d)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_status_done) struct proc_status st = { 0 };
	int r = proc_pid_open(d->pid, &p);

	if (r == 0)
		r = proc_status_read(&p, &st);
	if (r < 0)
		return report_refuse(d->report, -ESRCH, CODE_NO_SUCH_TASK, "there is no process %d",
				     d->pid);
	if (st.tgid != st.pid)
		return report_refuse(d->report, -EINVAL, CODE_IS_THREAD,
				     "%d is a thread of process %d", d->pid, st.tgid);
	if (st.kthread)
		return report_refuse(d->report, -ENOTSUP, CODE_KERNEL_THREAD,
				     "%d (%s) is a thread of the kernel", d->pid, st.name);
	if (st.state == 'Z' || st.state == 'X')
		return report_refuse(d->report, -ESRCH, CODE_ROOT_ZOMBIE, "process %d has ended",
				     d->pid);
	for (pid_t up = getpid(); up > 1;) {
		scoped(proc_pid_done) struct proc_pid q = PROC_PID_NONE;
		struct proc_stat us;

		if (up == d->pid)
			return report_refuse(
				d->report, -EINVAL, CODE_IS_SELF,
				"process %d is an ancestor of stasis itself, which would be "
				"stopped with it",
				d->pid);
		if (proc_pid_open(up, &q) < 0 || proc_stat_read(&q, &us) < 0)
			break;
		up = us.ppid;
	}
	return 0;
}

int dump_freeze(struct dump *d)
{
	int r = freeze_check_root(d);

	if (r < 0)
		return r;
	stats_start(d->stats, STATS_CLOCK_freezing_time);
	stats_start(d->stats, STATS_CLOCK_frozen_time);
	if (!model_add_task(&d->model, NULL, d->pid))
		return report_fail(d->report, -ENOMEM, "cannot note task %d", d->pid);
	r = dump_cgroup_freeze(d);
	if (r < 0)
		return r;
	for (unsigned round = 0; round < FREEZE_ROUNDS; round++) {
		unsigned fresh = 0;

		r = freeze_round(d, &fresh);
		if (r == 0 && d->cgroup) {
			fresh = 1; /* look again with the group thawed */
			r = dump_cgroup_thaw(d);
			if (r == 0)
				r = freeze_catch_all(d);
		}
		if (r < 0)
			return r;
		if (!fresh) {
			stats_stop(d->stats, STATS_CLOCK_freezing_time);
			d->stats->tasks = d->model.n_tasks;
			d->stats->threads = d->model.n_threads;
			log_info("frozen tasks=%u threads=%u", d->model.n_tasks,
				 d->model.n_threads);
			return 0;
		}
	}
	return report_refuse(d->report, -EBUSY, CODE_TIMEOUT,
			     "the tree grows faster than it can be stopped");
}

void dump_forget_live(struct dump *d)
{
	struct task *t;

	task_for_each(t, &d->model) {
		struct thread *th;

		thread_for_each(th, t)
			thread_forget(th);
		task_forget(t);
	}
}
