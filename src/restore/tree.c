/*
 * The tree: every task creates its session, its group and its children as planned (model/plan.h),
 * with the pids they had (clone3 with set_tid, Linux 5.5).
 *
 * Until a task enters the interpreter it dies with its parent (PR_SET_PDEATHSIG), so that a killed
 * restore leaves nothing behind; SIGCHLD stays deliverable and at its default, so that children
 * that exit on the way leave no trace in their parent's pending signals.
 */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/sys.h"
#include "model/plan.h"
#include "report/log.h"
#include "restore/restore_int.h"

static _Noreturn void task_main(struct restore *r, struct task *t);

static void task_begin(struct restore *r, struct task *t)
{
	char prefix[16];
	sigset_t all;

	(void)snprintf(prefix, sizeof(prefix), "%6d: ", t->pid);
	log_set_prefix(prefix);
	if (!t->tree->orphan_born) /* its first parent exits at once */
		(void)!sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0,
				 0); /* cannot fail for a valid signal */
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	report_clear(r->report);
	r->env.task = t;
}

/* Gives up: the coordinator hears why, and kills the tree. */
static _Noreturn void task_give_up(struct restore *r)
{
	(void)!report_send(r->report, r->report_pipe[1]); /* nobody else to tell */
	log_flush();
	stage_fail(r->shared);
}

pid_t task_fork(struct restore *r, struct task *t, uint64_t extra_flags)
{
	pid_t set_tid = t->pid;
	struct clone_args args = {
		.flags = extra_flags,
		.set_tid = (uint64_t)(uintptr_t)&set_tid,
		.set_tid_size = 1,
	};
	pid_t pid;

	/* With CLONE_PARENT the child gets the exit signal of its creator: SIGCHLD for all of ours.
	 */
	if (!(extra_flags & CLONE_PARENT))
		args.exit_signal = SIGCHLD;
	if (t->fdtable && t->parent && t->parent->fdtable == t->fdtable &&
	    !(extra_flags & CLONE_PARENT))
		args.flags |= CLONE_FILES;
	if (t->fs && t->parent && t->parent->fs == t->fs && !(extra_flags & CLONE_PARENT))
		args.flags |= CLONE_FS;

	pid = (pid_t)sys_clone3(&args, sizeof(args));
	if (pid == 0)
		task_main(r, t);
	if (pid == -EEXIST)
		return report_refuse(r->report, -EEXIST, CODE_PID_TAKEN,
				     "pid %d is in use by another process", t->pid);
	if (pid < 0)
		return report_fail(r->report, pid, "cannot create task %d", t->pid);
	return pid;
}

static bool pid_is_of_tree(const struct model *m, pid_t pid)
{
	return map_find(&m->task_by_pid, 0, (uint64_t)pid) ||
	       map_find(&m->task_by_pid, 1, (uint64_t)pid);
}

/* Exit status of a helper that got a number which somebody of the tree is still to be born with. */
#define WRONG_NUMBER 3

/* Has `t` born by a child of ours that exits, so that the nearest subreaper adopts it. */
static int task_fork_orphan(struct restore *r, struct task *t)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	siginfo_t info;
	int rc;

	do {
		pid_t between = (pid_t)sys_clone3(&args, sizeof(args));

		if (between == 0 && pid_is_of_tree(&r->model, getpid()))
			_exit(WRONG_NUMBER);
		if (between == 0)
			_exit(task_fork(r, t, 0) < 0 ? 1 : 0);
		if (between < 0)
			return report_fail(r->report, between, "cannot create a helper process");
		do {
			rc = sys_waitid(P_PID, (id_t)between, &info, WEXITED | __WALL);
		} while (rc == -EINTR);
		if (rc < 0)
			return report_fail(r->report, rc, "cannot wait for a helper process");
	} while (info.si_status == WRONG_NUMBER);
	return info.si_status == 0 ? 0 : -ECANCELED;
}

static int task_run_op(struct restore *r, struct task *t, const struct tree_op *op)
{
	int rc = 0;

	switch (op->type) {
	case TREE_SETSID:
		rc = sys_setsid();
		/* Now, so that children inherit it; taken from whoever has it, if it is real. */
		if (rc >= 0 && t->ctty)
			rc = sys_ioctl(t->ctty->made_fd, TIOCSCTTY, 1);
		break;
	case TREE_NEW_GROUP:
		rc = sys_setpgid(0, 0);
		break;
	case TREE_SUBREAPER:
		rc = sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		break;
	case TREE_FORK:
		return task_fork(r, op->task, 0);
	case TREE_FORK_SIBLING:
		return task_fork(r, op->task, CLONE_PARENT);
	case TREE_FORK_ORPHAN:
		return task_fork_orphan(r, op->task);
	case TREE_JOIN_GROUP:
		rc = sys_setpgid(0, op->pgid);
		break;
	}
	if (rc < 0)
		return report_fail(r->report, rc, "cannot set up session or process group");
	return 0;
}

static int task_run_ops(struct restore *r, struct task *t, bool joins)
{
	vec_for_each(op, &t->tree->ops) {
		int rc;

		if ((op->type == TREE_JOIN_GROUP) != joins)
			continue;
		rc = task_run_op(r, t, op);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Waits for the helpers among our children: they leave when the groups stand. */
static int task_reap_helpers(struct restore *r, struct task *t)
{
	struct task *c;

	list_for_each(c, &t->children, sibling) {
		siginfo_t info;
		int rc;

		if (!c->is_helper)
			continue;
		do {
			rc = sys_waitid(P_PID, (id_t)c->pid, &info, WEXITED | __WALL);
		} while (rc == -EINTR);
		if (rc < 0)
			return report_fail(r->report, rc, "cannot wait for helper %d", c->pid);
	}
	return 0;
}

/* A dead task: dies again in the way it did, and stays for its parent to reap. */
static _Noreturn void task_die(const struct task *t)
{
	int signo = WTERMSIG(t->exit_code);

	if (WIFSIGNALED(t->exit_code)) {
		struct rlimit none = { 0, 0 };
		sigset_t set;

		(void)setrlimit(RLIMIT_CORE, &none); /* no core file; at worst there is one */
		(void)signal(signo, SIG_DFL);        /* SIGKILL and SIGSTOP need none */
		(void)sigemptyset(&set);
		(void)sigaddset(&set, signo);
		(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
		(void)kill(getpid(), signo);
	}
	_exit(WEXITSTATUS(t->exit_code));
}

static int task_build(struct restore *r, struct task *t)
{
	bool lives = !t->is_helper && t->state != TASK_DEAD;
	int rc = lives ? memory_build(r, t) : 0;

	if (rc == 0)
		rc = task_run_ops(r, t, false);
	if (rc < 0)
		return rc;
	rc = stage_finish(r->shared, STAGE_fork);
	if (rc == 0 && t->tree->orphan_born)
		rc = sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (rc == 0)
		rc = task_run_ops(r, t, true);
	if (rc == 0)
		rc = stage_finish(r->shared, STAGE_groups);
	if (rc < 0)
		return rc;
	if (t->is_helper)
		_exit(0);
	if (t->state == TASK_DEAD)
		task_die(t);
	rc = task_reap_helpers(r, t);
	return rc < 0 ? rc : task_assemble(r, t);
}

static _Noreturn void task_main(struct restore *r, struct task *t)
{
	task_begin(r, t);
	REPORT_FRAME(r->report, "task %d", t->pid);
	if (task_build(r, t) < 0)
		task_give_up(r);
	program_enter(r, t);
}
