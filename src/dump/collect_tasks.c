/* Reading what /proc shows of every task and thread, and turning host numbers into those of the
 * tree's pid namespace. */
#include "dump/dump_int.h"
#include "report/log.h"

/* A number as the tree's own pid namespace sees it; 0 when it is outside. */
static pid_t ns_number(const struct dump *d, const struct proc_ns_ids *ids)
{
	return d->pid_level < ids->n ? ids->id[d->pid_level] : 0;
}

static int thread_read(struct dump *d, struct thread *th)
{
	struct live_thread *live = live_thread_of(th);
	int r = proc_stat_read(&live->proc, &live->stat);

	if (r == 0)
		r = proc_status_read(&live->proc, &live->status);
	if (r == -ESRCH)
		return report_refuse(d->report, r, CODE_DYING, "thread %d ended in the middle",
				     th->host_tid);
	if (r < 0)
		return report_fail(d->report, r, "cannot read the status of thread %d",
				   th->host_tid);
	return 0;
}

static int task_read(struct dump *d, struct task *t)
{
	struct live_thread *leader;
	struct thread *th;

	REPORT_FRAME(d->report, "task %d", t->host_pid);
	thread_for_each(th, t) {
		int r = thread_read(d, th);

		if (r < 0)
			return r;
		th->tid = ns_number(d, &live_thread_of(th)->status.ns_pid);
	}
	leader = live_thread_of(task_leader(t));
	if (leader->stat.threads > 1 && proc_stat_is_dead(&leader->stat))
		return report_refuse(d->report, -ENOTSUP, CODE_DYING,
				     "its main thread has ended while others run");
	t->pid = ns_number(d, &leader->status.ns_tgid);
	t->pgid = ns_number(d, &leader->status.ns_pgid);
	t->sid = ns_number(d, &leader->status.ns_sid);
	return 0;
}

/* Numbers have changed: the maps and the parents' must follow. */
static int tasks_renumber(struct dump *d)
{
	struct task *t;

	map_done(&d->model.task_by_pid);
	task_for_each(t, &d->model) {
		int r = map_set(&d->model.task_by_pid, 0, (uint64_t)t->pid, t);

		if (r < 0)
			return report_fail(d->report, r, "cannot note task %d", t->pid);
		t->ppid = t->parent ? t->parent->pid : 0;
	}
	return 0;
}

/* A session or group whose leader is outside of the tree can only be one that the root shares. */
static int tasks_check_sessions(struct dump *d)
{
	const struct task *root = d->model.root;

	if (root->sid == root->pid || d->policy.shell_job)
		return 0;
	return report_refuse(d->report, -EINVAL, CODE_SHELL_JOB,
			     "task %d: its session leader %d is outside of the tree",
			     root->host_pid, root->sid);
}

int dump_collect_tasks(struct dump *d)
{
	scoped(proc_status_done) struct proc_status st = { 0 };
	struct task *t;
	int r = proc_status_read(&live_of(d->model.root)->proc, &st);

	if (r < 0)
		return report_fail(d->report, r, "cannot read the status of task %d", d->pid);
	d->pid_level = st.ns_tgid.n ? st.ns_tgid.n - 1 : 0;
	task_for_each(t, &d->model) {
		r = task_read(d, t);
		if (r < 0)
			return r;
	}
	r = tasks_renumber(d);
	if (r == 0 && !d->ids_only)
		r = tasks_check_sessions(d);
	return r;
}
