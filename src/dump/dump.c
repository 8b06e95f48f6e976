/*
 * The dump: its phases in order, and what happens when one fails. Until the last phase the images
 * have no inventory and the tree can go on: failure runs the undo stack, newest first, which lets
 * every thread go as it was found.
 */
#include "dump/dump.h"

#include <signal.h>
#include <sys/random.h>

#include "dump/dump_int.h"
#include "dump/stats.h"
#include "base/fd.h"
#include "image/dir.h"
#include "kernel/sys.h"
#include "report/interrupt.h"
#include "report/log.h"

struct phase {
	const char *name;
	enum stats_clock clock;
	int (*run)(struct dump *d);
};

static int dump_open_images(struct dump *d)
{
	struct image_error err = { 0 };
	scoped(str_done) struct str text = { 0 };
	int fd = fd_dup_above(d->request->places.images_fd, 3);
	int r = fd < 0 ? fd : image_dir_take_fd(fd, IMAGE_DIR_DUMP, &err, &d->images.dir);

	if (r == 0)
		return 0;
	(void)image_error_text(&err, &text); /* at worst the report is shorter */
	return report_refuse(d->report, r, CODE_IMAGES_DIR, "%s: %s", d->request->places.images,
			     str_get(&text));
}

static int dump_move_contents(struct dump *d)
{
	return dump_contents(d, true);
}

static int dump_plan_contents(struct dump *d)
{
	return dump_contents(d, false);
}

static int dump_hook_before(struct dump *d)
{
	return hooks_run(&d->request->hooks, HOOK_PRE_DUMP, 0, d->report);
}

static int dump_hook_after(struct dump *d)
{
	return hooks_run(&d->request->hooks, HOOK_POST_DUMP, d->pid, d->report);
}

/*
 * A tree that is to run on need not wait for records and disks: the model has all that is left to
 * write. Unless somebody wants to be called while it stands still and the images are complete.
 */
static int dump_release_early(struct dump *d)
{
	const struct hooks *h = &d->request->hooks;

	if (d->request->leave != FINAL_RUNNING || h->n_scripts || h->listen)
		return 0;
	undo_run(&d->undo);
	stats_stop(d->stats, STATS_CLOCK_frozen_time);
	return 0;
}

/* Obstacles are reported all together: reading goes on after one, as far as that makes sense. */
static int dump_collect(struct dump *d)
{
	int r = dump_collect_tasks(d), trouble;

	if (r == 0)
		r = dump_collect_ids(d);
	if (r < 0 && r != -ENOTSUP)
		return r;
	trouble = r;
	r = dump_collect_memory(d);
	trouble = r < 0 ? r : trouble;
	r = dump_collect_files(d);
	trouble = r < 0 ? r : trouble;
	r = dump_collect_parts(d);
	return r < 0 ? r : trouble;
}

static const struct phase dump_phases[] = {
	{ "open images", STATS_CLOCK_probe, dump_open_images },
	{ "pre-dump hooks", STATS_CLOCK_probe, dump_hook_before },
	{ "freeze", STATS_CLOCK_freezing_time, dump_freeze },
	{ "collect", STATS_CLOCK_collect, dump_collect },
	{ "lock", STATS_CLOCK_inspect, dump_lock },
	{ "inspect", STATS_CLOCK_inspect, dump_inspect },
	{ "contents", STATS_CLOCK_memdump_time, dump_move_contents },
	{ "files", STATS_CLOCK_write, dump_write_files },
	{ "release", STATS_CLOCK_cure, dump_release_early },
	{ "write", STATS_CLOCK_write, dump_write },
	{ "confirm", STATS_CLOCK_write, dump_confirm_memory },
	{ "complete", STATS_CLOCK_write, dump_complete },
	{ "post-dump hooks", STATS_CLOCK_finish, dump_hook_after },
	{ "finish", STATS_CLOCK_finish, dump_finish },
};

/* A dump that stops before it writes. */
static const struct phase check_phases[] = {
	{ "freeze", STATS_CLOCK_freezing_time, dump_freeze },
	{ "collect", STATS_CLOCK_collect, dump_collect },
	{ "inspect", STATS_CLOCK_inspect, dump_inspect },
	{ "contents", STATS_CLOCK_memdump_time, dump_plan_contents },
};

/* Identity and nothing more. */
static const struct phase tree_phases[] = {
	{ "freeze", STATS_CLOCK_freezing_time, dump_freeze },
	{ "collect tasks", STATS_CLOCK_collect, dump_collect_tasks },
	{ "collect ids", STATS_CLOCK_collect, dump_collect_ids },
};

/* A UUID for the images. */
static int dump_name(struct model *m)
{
	uint16_t w[8];
	ssize_t n = getrandom(w, sizeof(w), 0);

	if (n != sizeof(w))
		return n < 0 ? -errno : -EIO;
	w[3] = (uint16_t)((w[3] & 0x0fff) | 0x4000); /* version and variant of random ones */
	w[4] = (uint16_t)((w[4] & 0x3fff) | 0x8000);
	(void)snprintf(m->dump_id, sizeof(m->dump_id), "%04x%04x-%04x-%04x-%04x-%04x%04x%04x", w[0],
		       w[1], w[2], w[3], w[4], w[5], w[6], w[7]);
	return 0;
}

static int dump_init(struct dump *d, const struct dump_request *rq, struct report *rep,
		     struct stats *st)
{
	int r;

	*d = (struct dump){ .request = rq,
			    .report = rep,
			    .stats = st,
			    .pid = rq->pid,
			    .timeout = rq->timeout ? rq->timeout : 10 * USEC_PER_SEC };
	model_init(&d->model);
	r = policy_fill(&rq->allow, &d->collect.arena, &d->policy);
	d->policy.leave_running = rq->leave == FINAL_RUNNING;
	d->model.extras = NEW_ARRAY(void *, FILE_KIND_MAX);
	if (r < 0 || !d->model.extras)
		return report_fail(rep, -ENOMEM, "cannot begin");
	d->collect.model = d->images.model = &d->model;
	d->collect.report = d->images.report = rep;
	d->collect.policy = &d->policy;
	d->collect.undo = &d->changes;
	d->collect.hold = &d->undo;
	identity_init(&d->collect.files, collect_file_cmp, NULL);
	r = dump_name(&d->model);
	return r < 0 ? report_fail(rep, r, "cannot name the dump") : 0;
}

static void dump_done(struct dump *d)
{
	undo_run(&d->undo);
	dump_forget_live(d);
	d->stats->kcmp_calls += d->collect.files.n_compared;
	identity_done(&d->collect.files);
	map_done(&d->collect.paths);
	vec_done(&d->collect.locks);
	proc_text_done(&d->collect.text);
	image_dir_free(d->images.dir);
	kinds_release(&d->model);
	model_done(&d->model);
	arena_done(&d->collect.arena);
}

static int dump_run_phases(struct dump *d, const struct phase *phases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		log_debug("phase %s", phases[i].name);
		stats_start(d->stats, phases[i].clock);
		r = phases[i].run(d);
		stats_stop(d->stats, phases[i].clock);
		if (r < 0)
			return r;
		r = interrupt_check(d->report);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Signals wait while the tree is in our hands. */
static int dump_with(const struct dump_request *rq, struct report *rep, struct stats *st,
		     const struct phase *phases, size_t n, FILE *out)
{
	struct interrupt interrupt;
	struct dump d;
	int r;

	stats_start(st, STATS_CLOCK_total);
	interrupt_begin(&interrupt);
	r = dump_init(&d, rq, rep, st);
	d.ids_only = out;
	if (r == 0)
		r = dump_run_phases(&d, phases, n);
	if (r == 0)
		undo_forget_all(&d.changes);
	undo_run(&d.changes);
	undo_run(&d.undo); /* the tree goes on before anything is printed */
	if (r == 0 && out)
		r = dump_print_tree(&d, out);
	dump_done(&d);
	interrupt_end(&interrupt);
	stats_stop(st, STATS_CLOCK_frozen_time);
	stats_stop(st, STATS_CLOCK_total);
	return r;
}

int dump_run(const struct dump_request *rq, struct report *rep, struct stats *st)
{
	REPORT_FRAME(rep, "dump");
	int r = dump_with(rq, rep, st, dump_phases, ARRAY_SIZE(dump_phases), NULL);

	if (r == 0)
		dump_write_stats(rq->places.work_fd, st, rep);
	return r;
}

int check_tree_run(const struct dump_request *rq, struct report *rep, struct stats *st)
{
	REPORT_FRAME(rep, "check");
	return dump_with(rq, rep, st, check_phases, ARRAY_SIZE(check_phases), NULL);
}

int tree_run(const struct dump_request *rq, struct report *rep, FILE *out)
{
	struct stats st = { 0 };

	REPORT_FRAME(rep, "tree");
	return dump_with(rq, rep, &st, tree_phases, ARRAY_SIZE(tree_phases), out);
}
