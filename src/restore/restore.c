/*
 * The restore: its phases in order. Nothing is created before the images are loaded and this host
 * was found fit; a failure afterwards kills what was built, runs the undo stack and leaves the
 * images as they were.
 */
#include "restore/restore.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "image/dir.h"
#include "kernel/pidfd.h"
#include "kernel/sys.h"
#include "model/plan.h"
#include "pie/wire.h"
#include "report/interrupt.h"
#include "report/log.h"
#include "restore/restore_int.h"
#include "restore/stats.h"

static int restore_open_images(struct restore *r)
{
	struct image_error err = { 0 };
	scoped(str_done) struct str text = { 0 };
	int fd = fd_dup_above(r->request->places.images_fd, 3);
	int rc = fd < 0 ? fd : image_dir_take_fd(fd, IMAGE_DIR_READ, &err, &r->in.dir);

	if (rc == 0)
		return 0;
	(void)image_error_text(&err, &text); /* at worst the report is shorter */
	return report_refuse(r->report, rc, CODE_IMAGES_DIR, "%s: %s", r->request->places.images,
			     str_get(&text));
}

/* What we have open ourselves moves above the floor, because the slots of tasks are below it. */
static int restore_lift(struct restore *r)
{
	int rc = image_dir_move_above(r->in.dir, r->env.floor);

	if (rc == 0)
		rc = env_lift_fd(&r->env, &r->env.root_fd);
	if (rc == 0)
		rc = log_move_above(r->env.floor);
	return rc < 0 ? report_fail(r->report, rc, "cannot move descriptors above %d", r->env.floor)
		      : 0;
}

static int restore_prepare_tree(struct restore *r)
{
	struct task *t;
	int rc = r->self = pidfd_new(getpid(), PIDFD_OF_TASK);

	if (rc >= 0)
		rc = env_lift_fd(&r->env, &r->self);
	if (rc >= 0)
		rc = shared_new(r->n_live, r->self, &r->shared);

	task_for_each(t, &r->model)
		r->n_built++;
	if (rc == 0)
		rc = r->areas_fd = sys_memfd_create("stasis-areas", MFD_CLOEXEC);
	if (rc >= 0)
		rc = env_lift_fd(&r->env, &r->areas_fd);
	if (rc >= 0)
		rc = sys_ftruncate(r->areas_fd, (uint64_t)r->n_live * AREA_SPAN);
	return rc < 0 ? report_fail(r->report, rc, "cannot prepare the tree") : 0;
}

static int restore_hooks_before(struct restore *r)
{
	return hooks_run(&r->request->hooks, HOOK_PRE_RESTORE, 0, r->report);
}

struct phase {
	const char *name;
	enum stats_clock clock;
	int (*run)(struct restore *r);
};

/* What only looks. */
static const struct phase look_phases[] = {
	{ "open images", STATS_CLOCK_load, restore_open_images },
	{ "load", STATS_CLOCK_load, restore_load },
	{ "contents", STATS_CLOCK_load, restore_load_contents },
	{ "check", STATS_CLOCK_check, restore_check },
	{ "plan", STATS_CLOCK_plan, restore_plan },
};

/* What creates. */
static const struct phase build_phases[] = {
	{ "pre-restore hooks", STATS_CLOCK_stages, restore_hooks_before },
	{ "lift descriptors", STATS_CLOCK_stages, restore_lift },
	{ "prepare", STATS_CLOCK_stages, restore_prepare_tree },
	{ "shared memory", STATS_CLOCK_stages, restore_create_shmems },
	{ "files", STATS_CLOCK_stages, restore_create_files },
	{ "tree", STATS_CLOCK_forking_time, restore_tree },
	{ "finish", STATS_CLOCK_finish, restore_finish },
};

static int restore_run_phases(struct restore *r, const struct phase *phases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc;

		log_debug("phase %s", phases[i].name);
		stats_start(r->stats, phases[i].clock);
		rc = phases[i].run(r);
		stats_stop(r->stats, phases[i].clock);
		if (rc == 0 && !r->detached)
			rc = interrupt_check(r->report);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int restore_init(struct restore *r, const struct restore_request *rq, struct report *rep,
			struct stats *st)
{
	int rc;

	*r = (struct restore){ .request = rq,
			       .report = rep,
			       .stats = st,
			       .areas_fd = -EBADF,
			       .self = -EBADF,
			       .report_pipe = { -EBADF, -EBADF },
			       .timeout = rq->timeout ? rq->timeout : 60 * USEC_PER_SEC };
	model_init(&r->model);
	r->env = (struct env){ .model = &r->model,
			       .report = rep,
			       .policy = &r->policy,
			       .in = &r->in,
			       .broker = -EBADF,
			       .root_fd = -EBADF,
			       .undo = &r->undo };
	r->in.report = rep;
	r->in.policy = &r->policy;
	r->model.extras = NEW_ARRAY(void *, FILE_KIND_MAX);
	rc = policy_fill(&rq->allow, &r->in.arena, &r->policy);
	if (rc < 0 || !r->model.extras)
		return report_fail(rep, -ENOMEM, "cannot begin");
	/* Tasks are built in processes that come from us: what malloc takes must not lie about in
	 * the address space. */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_ARENA_MAX, 1);
	rc = r->env.root_fd = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return rc < 0 ? report_fail(rep, rc, "cannot open /") : 0;
}

/* The ends of threads that we have seized are ours to take note of, and their leader's is not told
 * before. */
static void restore_reap_threads(const struct task *t)
{
	struct thread *th;
	siginfo_t info;

	thread_for_each(th, t)
		if (th != task_leader(t))
			(void)!sys_waitid(P_PID, (id_t)th->tid, &info,
					  WEXITED | __WALL); /* -ECHILD: not seized yet */
}

/*
 * Kills what was built and waits for its end, so that every pid is free again when we are done. A
 * task whose parent died before it is given to us while we are a subreaper; tasks come parents
 * first.
 */
static void restore_kill(struct restore *r)
{
	struct task *t;
	siginfo_t info;
	int was = 0;

	if (r->root_pid <= 0)
		return;
	(void)!sys_prctl(PR_GET_CHILD_SUBREAPER, (unsigned long)&was, 0, 0, 0);
	(void)!sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* since Linux 3.4 */
	/* Only pids that are known to be ours; whoever is not born completely dies with its parent.
	 */
	task_for_each(t, &r->model)
		if (r->all_born && t->build)
			(void)!sys_kill(t->pid, SIGKILL); /* -ESRCH: gone */
	(void)!sys_kill(r->root_pid, SIGKILL);
	task_for_each(t, &r->model)
		if (r->all_born && t->build)
			restore_reap_threads(t);
	(void)!sys_waitid(P_PID, (id_t)r->root_pid, &info,
			  WEXITED | __WALL); /* a sibling is not ours */
	task_for_each(t, &r->model)
		if (r->all_born && t->build)
			(void)!sys_waitid(P_PID, (id_t)t->pid, &info,
					  WEXITED | __WALL); /* -ECHILD: reaped by its parent */
	(void)!sys_prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)was, 0, 0, 0);
}

static void restore_done(struct restore *r)
{
	struct task *t;

	if (r->shared) {
		r->stats->pages_restored = r->shared->counts.restored;
		r->stats->pages_compared = r->shared->counts.compared;
		r->stats->pages_skipped_cow = r->shared->counts.skipped_cow;
	}
	if (!r->detached) {
		restore_kill(r);
		undo_run(&r->undo);
	}
	task_for_each(t, &r->model) {
		struct build *b = t->build;

		if (b && b->area)
			(void)!sys_munmap((char *)b->area - PIE_CODE, b->area_size); /* our own */
	}
	restore_drop_files(r);
	fd_close(r->areas_fd);
	fd_close(r->self);
	fd_close(r->report_pipe[0]);
	fd_close(r->report_pipe[1]);
	fd_close(r->env.root_fd);
	restore_forget_contents(r);
	shared_free(r->shared);
	image_dir_free(r->in.dir);
	kinds_release(&r->model);
	model_done(&r->model);
	arena_done(&r->in.arena);
}

/* What each task will do inside the interpreter. Addresses are those of a task born of us just now.
 */
static int restore_print_programs(struct restore *r, struct str *text)
{
	struct task *t;
	int rc = 0, number = r->env.floor;

	vec_for_each(f, &r->model.files) /* nothing was made: any number will do for showing */
		(*f)->made_fd = number++;
	task_for_each(t, &r->model) {
		if (!t->build || t->mm->owner != t || rc < 0)
			continue;
		str_addf(text, "programs of task %d\n", t->pid);
		r->env.task = t;
		rc = program_print(r, t, text);
	}
	r->env.task = NULL;
	vec_for_each(f, &r->model.files)
		(*f)->made_fd = -EBADF;
	return rc;
}

static int restore_print(struct restore *r, FILE *out)
{
	scoped(str_done) struct str text = { 0 };
	int rc = plan_tree_print(&r->model, &text);

	if (rc < 0)
		return report_fail(r->report, rc, "cannot print the plan");
	if (r->request->verbose && r->request->dry_run)
		rc = restore_print_programs(r, &text);
	if (rc < 0)
		return rc;
	(void)fputs(str_get(&text), out);
	return 0;
}

int restore_run(const struct restore_request *rq, struct report *rep, struct stats *st, FILE *out,
		pid_t *ret_root)
{
	struct interrupt interrupt;
	struct restore r;
	int rc;

	REPORT_FRAME(rep, "restore");
	stats_start(st, STATS_CLOCK_total);
	interrupt_begin(&interrupt);
	rc = restore_init(&r, rq, rep, st);
	if (rc == 0)
		rc = restore_run_phases(&r, look_phases, ARRAY_SIZE(look_phases));
	st->tasks = r.model.n_tasks;
	st->threads = r.model.n_threads;
	st->files = r.model.files.n;
	if (rc == 0 && (rq->dry_run || rq->print_plan))
		rc = restore_print(&r, out);
	stats_start(st, STATS_CLOCK_restore_time);
	if (rc == 0 && !rq->dry_run)
		rc = restore_run_phases(&r, build_phases, ARRAY_SIZE(build_phases));
	stats_stop(st, STATS_CLOCK_restore_time);
	*ret_root = r.root_pid;
	restore_done(&r);
	interrupt_end(&interrupt);
	stats_stop(st, STATS_CLOCK_total);
	if (rc == 0 && !rq->dry_run)
		restore_write_stats(rq->places.work_fd, st, rep);
	return rc;
}
