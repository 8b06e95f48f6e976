/*
 * --freeze-cgroup: the group that holds the tree is frozen while its threads are being seized, so
 * that nothing can fork in between, and thawed again before they are waited for: a frozen thread
 * does not get as far as a stop for its tracer.
 *
 * A frozen group outlives whoever froze it, and the user cannot tell why nothing moves. So a guard,
 * a child of ours, waits for our death as long as the group is frozen, and thaws it then.
 */
#include "base/guard.h"
#include "dump/dump.h"
#include "dump/dump_int.h"
#include "kernel/cgroup.h"
#include "kernel/sys.h"
#include "report/log.h"

struct cgroup_hold {
	struct cgroup_freezer freezer;
	bool was_frozen; /* by somebody else, before us: to be left so */
	struct guard guard;
};

static void cgroup_rescue(void *arg)
{
	const struct cgroup_hold *hold = arg;

	if (!hold->was_frozen)
		(void)!cgroup_thaw(&hold->freezer); /* nobody is left to tell */
}

/* The reverse of freezing: also when the dump goes well, before the tree is let go. */
static void cgroup_release(void *arg)
{
	struct cgroup_hold *hold = arg;

	if (!hold->was_frozen)
		(void)!cgroup_thaw(&hold->freezer); /* thawed before: fine */
	else
		(void)!cgroup_freeze(&hold->freezer, USEC_PER_SEC); /* as it was found */
	guard_release(&hold->guard);
	cgroup_freezer_done(&hold->freezer);
}

int dump_cgroup_freeze(struct dump *d)
{
	const char *path = d->request->freeze_cgroup;
	struct cgroup_hold *hold;
	enum cgroup_freeze state;
	int r;

	if (!path)
		return 0;
	hold = ARENA_NEW(&d->collect.arena, struct cgroup_hold);
	if (!hold)
		return report_fail(d->report, -ENOMEM, "cannot freeze %s", path);
	r = cgroup_freezer_open(path, &hold->freezer);
	if (r < 0)
		return report_refuse(d->report, r, CODE_CGROUP,
				     "%s is not a group that can be frozen", path);
	r = cgroup_freezer_get(&hold->freezer, &state);
	if (r == 0) {
		hold->was_frozen = state != CGROUP_THAWED;
		r = guard_start(&hold->guard, cgroup_rescue, hold);
	}
	if (r < 0) {
		cgroup_freezer_done(&hold->freezer);
		return report_fail(d->report, r, "cannot prepare to freeze %s", path);
	}
	r = undo_push(&d->undo, "thaw the control group", cgroup_release, hold);
	if (r == 0 && !hold->was_frozen)
		r = cgroup_freeze(&hold->freezer, d->timeout);
	if (r < 0)
		return report_fail(d->report, r, "cannot freeze %s", path);
	d->cgroup = hold;
	log_info("frozen cgroup=%s", path);
	return 0;
}

int dump_cgroup_thaw(struct dump *d)
{
	int r;

	if (!d->cgroup)
		return 0;
	r = cgroup_thaw(&d->cgroup->freezer);
	d->cgroup = NULL; /* from here on threads are caught one by one; the release is on the undo
			     stack */
	return r < 0 ? report_fail(d->report, r, "cannot thaw %s", d->request->freeze_cgroup) : 0;
}
