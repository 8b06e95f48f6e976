/* The file stats-restore: our statistics in CRIU's terms. */
#include "restore/stats.h"

#include <string.h>

#include "image/stats.h"
#include "schema/stats.pb-c.h"

static uint32_t clock_us(const struct stats *st, enum stats_clock clock)
{
	return (uint32_t)MIN(stats_spent(st, clock), (usec_t)UINT32_MAX);
}

void restore_write_stats(int work_fd, const struct stats *st, struct report *rep)
{
	RestoreStatsEntry restore = RESTORE_STATS_ENTRY__INIT;
	StatsEntry entry = STATS_ENTRY__INIT;
	struct image_error err = { 0 };
	int r;

	restore.pages_compared = st->pages_compared;
	restore.pages_skipped_cow = st->pages_skipped_cow;
	restore.forking_time = clock_us(st, STATS_CLOCK_forking_time);
	restore.restore_time = clock_us(st, STATS_CLOCK_restore_time);
	restore.has_pages_restored = true;
	restore.pages_restored = st->pages_restored;
	entry.restore = &restore;

	r = stats_write(work_fd, IMAGE_STATS_RESTORE, &entry, &err);
	if (r < 0)
		report_warn(rep, CODE_SYSTEM, "%s: %s: %s; going on without statistics", err.file,
			    err.what, strerrordesc_np(-r) ?: "unknown error");
}
