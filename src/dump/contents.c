/* Memory contents: what is stored of each address space and shared segment is planned, then pumped
 * into pages files. */
#include "base/fd.h"
#include "dump/dump_int.h"
#include "pages/pump.h"
#include "pages/scan.h"
#include "report/log.h"

struct contents {
	struct page_plan *plans; /* by position of the mm in the model */
	size_t n;
	struct pump *pump;
};

static void contents_done(struct contents *c)
{
	pump_free(c->pump);
	for (size_t i = 0; i < c->n; i++)
		page_plan_done(&c->plans[i]);
	mem_free(c->plans);
}
SCOPED_OBJECT(struct contents, contents_done);

static int contents_add_mm(struct dump *d, struct contents *c, struct mm *mm)
{
	struct page_plan *plan = &c->plans[c->n++];
	const struct live_task *live = live_of(mm->owner);
	struct pump_mm what = { .plan = plan,
				.proc = &live->proc,
				.pid = mm->owner->pid,
				.pages_id = d->model.next_pages_id++ };
	int r;

	REPORT_FRAME(d->report, "task %d", mm->owner->pid);
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;

	r = pagemap_open(&live->proc, &pm);
	if (r == 0)
		r = page_plan_scan(mm, &pm, plan);
	if (r == 0)
		r = pump_add_mm(c->pump, &what);
	if (r < 0)
		return report_fail(d->report, r, "cannot find out which pages it has");
	vec_for_each(g, &plan->guards)
		if (r == 0)
			r = ranges_add(&mm->guards, g->va, page_run_end(g));
	return r < 0 ? report_fail(d->report, r, "cannot note its guard pages") : 0;
}

static int contents_add_shmem(struct dump *d, struct contents *c, const struct shmem *s)
{
	const struct live_task *live = s->task ? live_of(s->task) : NULL;
	scoped(fd_close) int fd = -EBADF;
	struct pump_segment what = { .shmem = s, .fd = -EBADF, .proc = live ? &live->proc : NULL };
	int r = 0;

	if (s->stored)
		return 0;
	if (s->file)
		r = file_borrow_fd(s->file, &fd);
	what.fd = fd;
	what.pages_id = d->model.next_pages_id++;
	if (r == 0)
		r = pump_add_segment(c->pump, &what);
	return r < 0 ? report_fail(d->report, r,
				   "cannot find out which pages shared segment %llu has",
				   (unsigned long long)s->shmid)
		     : 0;
}

static void contents_count(struct dump *d, const struct pump_counts *n)
{
	d->stats->pages_scanned = n->scanned;
	d->stats->pages_written = n->written;
	d->stats->shpages_scanned = n->shared_scanned;
	d->stats->shpages_written = n->shared_written;
	d->stats->bytes = (n->written + n->shared_written) * PAGE_SIZE;
}

/* Plans, then moves; with `move` false the plan alone gives the numbers of a forecast. */
int dump_contents(struct dump *d, bool move)
{
	scoped(contents_done) struct contents c = { 0 };
	struct pump_config config = { .images = d->images.dir,
				      .keep_sharing =
					      d->policy.leave_running && d->model.n_tasks > 1 };
	struct pump_error err;
	int r = pump_new(&config, &c.pump);

	c.plans = NEW_ARRAY(struct page_plan, d->model.mms.n);
	if (r == 0 && !c.plans)
		r = -ENOMEM;
	if (r < 0)
		return report_fail(d->report, r, "cannot plan the memory dump");
	stats_start(d->stats, STATS_CLOCK_memdump_time);
	vec_for_each(mm, &d->model.mms)
		r = r < 0 ? r : contents_add_mm(d, &c, *mm);
	vec_for_each(s, &d->model.shmems)
		r = r < 0 ? r : contents_add_shmem(d, &c, *s);
	stats_stop(d->stats, STATS_CLOCK_memdump_time);
	d->stats->bytes = pump_bytes(c.pump);
	if (r < 0 || !move)
		return r;

	stats_start(d->stats, STATS_CLOCK_memwrite_time);
	r = pump_run(c.pump, &err);
	stats_stop(d->stats, STATS_CLOCK_memwrite_time);
	if (r < 0) {
		scoped(str_done) struct str text = { 0 };

		(void)pump_error_text(&err, &text); /* at worst the report is shorter */
		if (r == -ENOSPC || r == -EDQUOT)
			return report_refuse(d->report, r, CODE_DISK_FULL, "%s", str_get(&text));
		return report_fail(d->report, r, "%s", str_get(&text));
	}
	contents_count(d, pump_counts(c.pump));
	return 0;
}
