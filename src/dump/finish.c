/*
 * The end of a dump: the tree is killed, stopped or let go, as asked. Killing is waited for: when
 * stasis says that it is done, the pids are free or their parents' to reap.
 */
#include <signal.h>
#include <sys/wait.h>

#include "dump/dump.h"
#include "dump/dump_int.h"
#include "kernel/ptrace.h"
#include "kernel/sys.h"
#include "report/log.h"

/* For init to reap orphans; what a lazy one leaves, restore waits for. */
#define GONE_TIMEOUT (50 * USEC_PER_MSEC)
#define GONE_POLL    (2 * USEC_PER_MSEC)

static void task_kill(struct task *t)
{
	if (t->state != TASK_DEAD)
		(void)!sys_pidfd_send_signal(live_of(t)->pidfd, SIGKILL, NULL,
					     0); /* -ESRCH: gone */
}

/* We are the tracer: each thread's end is ours to see before its parent's. */
static void task_reap_threads(struct task *t)
{
	struct thread *th;

	if (t->state == TASK_DEAD)
		return;
	/* The leader last: its end is reported when the others' were seen. */
	for (struct list *at = t->threads.prev; at != &t->threads; at = at->prev) {
		int status;

		th = list_entry(at, struct thread, link);
		while (waitpid(th->host_tid, &status, __WALL) == th->host_tid)
			if (WIFEXITED(status) || WIFSIGNALED(status))
				break;
	}
}

/* Whether nobody can trip over the number any more but the one who is to reap it. */
static bool task_is_gone(const struct task *t, const struct task *root)
{
	struct proc_stat st;

	if (proc_stat_read(&live_of(t)->proc, &st) < 0)
		return true;
	/* A root that somebody waits for is that one's to reap; init reaps without being asked. */
	return t == root && proc_stat_is_dead(&st) && st.ppid != 1;
}

static void tree_wait_gone(struct dump *d)
{
	usec_t end = usec_now() + GONE_TIMEOUT;
	struct task *t;

	task_for_each(t, &d->model) {
		while (!task_is_gone(t, d->model.root)) {
			if (usec_now() > end) {
				log_info("not reaped yet: pid=%d", t->host_pid);
				return;
			}
			usec_sleep(GONE_POLL);
		}
	}
}

static int tree_kill(struct dump *d)
{
	struct task *t;

	task_for_each(t, &d->model)
		task_kill(t);
	task_for_each(t, &d->model)
		task_reap_threads(t);
	undo_forget_all(&d->undo);
	stats_stop(d->stats, STATS_CLOCK_frozen_time);
	tree_wait_gone(d);
	return 0;
}

static int tree_stop(struct dump *d)
{
	struct task *t;

	task_for_each(t, &d->model)
		if (t->state == TASK_ALIVE)
			(void)!sys_pidfd_send_signal(live_of(t)->pidfd, SIGSTOP, NULL,
						     0); /* gone: fine */
	undo_run(&d->undo);
	return 0;
}

int dump_finish(struct dump *d)
{
	switch (d->request->leave) {
	case FINAL_DEFAULT:
		return tree_kill(d);
	case FINAL_STOPPED:
		return tree_stop(d);
	case FINAL_RUNNING:
		undo_run(&d->undo);
		return 0;
	}
	return 0;
}
