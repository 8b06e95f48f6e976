/* What this host lacks or what is in the way: everything is reported together, before anything is
 * created. */
#include <sys/resource.h>

#include "kernel/features.h"
#include "kernel/proc/stat.h"
#include "kernel/sys.h"
#include "restore/restore.h"
#include "restore/restore_int.h"

#define REAP_TIMEOUT (5 * USEC_PER_SEC)
#define REAP_POLL    (5 * USEC_PER_MSEC)

/* The dead whom nobody has reaped yet: after a dump on the same host that is init's business, and a
 * matter of time. */
static bool pid_is_dead(pid_t pid)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_stat st;

	return proc_pid_open(pid, &p) < 0 || proc_stat_read(&p, &st) < 0 ||
	       (proc_stat_is_dead(&st) && st.ppid == 1);
}

/* A pid is free when nothing has it; our clone3 will say so again, but then it is late. */
static int check_pid(struct restore *r, pid_t pid)
{
	usec_t end = usec_now() + REAP_TIMEOUT;

	while (sys_kill(pid, 0) != -ESRCH && pid_is_dead(pid) && usec_now() < end)
		usec_sleep(REAP_POLL);
	if (sys_kill(pid, 0) == -ESRCH)
		return 0;
	return report_refuse(r->report, -EEXIST, CODE_PID_TAKEN,
			     "pid %d is in use by another process", pid);
}

static int check_pids(struct restore *r)
{
	struct task *t;
	int trouble = 0;

	task_for_each(t, &r->model) {
		struct thread *th;

		thread_for_each(th, t) {
			int rc = check_pid(r, th->tid);

			trouble = rc < 0 ? rc : trouble;
		}
	}
	return trouble;
}

static int check_files(struct restore *r, struct check *k)
{
	int trouble = 0;

	vec_for_each(f, &r->model.files) {
		int rc;

		if (!(*f)->kind->check || (*f)->is_name_only)
			continue;
		REPORT_FRAME(r->report, "file %u (%s)", (*f)->id, (*f)->kind->name);
		rc = (*f)->kind->check(k, *f);
		trouble = rc < 0 ? rc : trouble;
	}
	return trouble;
}

static int check_parts(struct restore *r, struct check *k)
{
	struct task *t;
	int trouble = 0;

	task_for_each(t, &r->model) {
		struct thread *th;

		if (t->state == TASK_DEAD)
			continue;
		thread_for_each(th, t) {
			REPORT_FRAME(r->report, "task %d: thread %d", t->pid, th->tid);
			for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
				const struct task_kind *kind = task_kinds[i];
				int rc;

				if (!kind->check || !part_is_visited_by(kind, th))
					continue;
				rc = kind->check(k, th, part_of(th, (enum task_kind_index)i));
				trouble = rc < 0 ? rc : trouble;
			}
		}
	}
	return trouble;
}

int restore_check(struct restore *r)
{
	struct check k = { .model = &r->model,
			   .report = r->report,
			   .policy = &r->policy,
			   .features = &r->features,
			   .root_fd = r->env.root_fd };
	int pids = check_pids(r), files = check_files(r, &k), parts = check_parts(r, &k);

	return pids < 0 ? pids : files < 0 ? files : parts;
}
