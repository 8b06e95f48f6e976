/*
 * The plan of everything but the programs, which each task composes from the same model when its
 * own mappings are known: the tree (model/plan.h), who makes which file, and numbers: descriptors
 * of ours lie above the floor, so that no slot of any task collides with them.
 */
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/sys.h"
#include "model/plan.h"
#include "restore/restore.h"
#include "restore/restore_int.h"

#define OWN_DESCRIPTORS                                                                            \
	1024 /* what we ourselves may need above the floor, besides one per file                   \
	      */

static int plan_tree_of(struct restore *r)
{
	const struct task *bad = NULL;
	int rc = plan_tree(&r->model, sys_getsid(0), getpgrp(), &bad);

	if (rc == -EINVAL)
		return report_refuse(
			r->report, -ENOTSUP, CODE_SESSION_OUTSIDE,
			"task %d: session %d or group %d cannot be built: its number is "
			"taken by something that does not lead it",
			bad->pid, bad->sid, bad->pgid);
	return rc < 0 ? report_fail(r->report, rc, "cannot plan the tree") : 0;
}

/* Where our own descriptors begin. */
static int plan_floor(struct restore *r)
{
	struct rlimit limit;
	int floor = 3;

	vec_for_each(t, &r->model.fdtables)
		if ((*t)->slots.n)
			floor = MAX(floor, (*t)->slots.at[(*t)->slots.n - 1].fd + 1);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return report_fail(r->report, -errno, "cannot read RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* what is not enough is found below */
	if ((rlim_t)floor + r->model.files.n + OWN_DESCRIPTORS > limit.rlim_cur)
		return report_refuse(
			r->report, -EMFILE, CODE_LIMIT,
			"%zu descriptors above number %d are needed, but RLIMIT_NOFILE is %llu",
			r->model.files.n + OWN_DESCRIPTORS, floor,
			(unsigned long long)limit.rlim_cur);
	r->env.floor = floor;
	return 0;
}

static int plan_files(struct restore *r)
{
	bool occurs[FILE_KIND_MAX] = { 0 };
	int number = r->env.floor + OWN_DESCRIPTORS / 2 + (int)r->model.files.n;

	vec_for_each(f, &r->model.files)
		occurs[file_kind_index((*f)->kind)] = true;
	for (unsigned i = 0; i < FILE_KIND_MAX; i++) {
		int rc = occurs[i] && file_kinds[i]->plan
				 ? file_kinds[i]->plan(&r->model, r->report)
				 : 0;

		if (rc < 0)
			return rc;
	}
	/* What a task makes has a number that everybody knows beforehand. */
	vec_for_each(f, &r->model.files)
		if ((*f)->maker)
			(*f)->planned_fd = number++;
	return 0;
}

static int plan_builds(struct restore *r)
{
	struct task *t;
	unsigned slot = 0;

	task_for_each(t, &r->model) {
		struct build *b;

		if (t->is_helper || t->state == TASK_DEAD)
			continue;
		b = ARENA_NEW(&r->in.arena, struct build);
		if (!b)
			return report_fail(r->report, -ENOMEM, "cannot plan task %d", t->pid);
		b->task = t;
		b->slot = slot++;
		t->build = b;
	}
	r->n_live = slot;
	return 0;
}

int restore_plan(struct restore *r)
{
	int rc = plan_tree_of(r);

	if (rc == 0)
		rc = plan_floor(r);
	if (rc == 0)
		rc = plan_files(r);
	return rc == 0 ? plan_builds(r) : rc;
}
