/* The file stats-dump: our statistics in CRIU's terms. podman and the tests of CRIU read it. */
#include "dump/stats.h"

#include <string.h>

#include "image/stats.h"
#include "schema/stats.pb-c.h"

static uint32_t clock_us(const struct stats *st, enum stats_clock clock)
{
	return (uint32_t)MIN(stats_spent(st, clock), (usec_t)UINT32_MAX);
}

void dump_write_stats(int work_fd, const struct stats *st, struct report *rep)
{
	DumpStatsEntry dump = DUMP_STATS_ENTRY__INIT;
	StatsEntry entry = STATS_ENTRY__INIT;
	struct image_error err = { 0 };
	int r;

	dump.freezing_time = clock_us(st, STATS_CLOCK_freezing_time);
	dump.frozen_time = clock_us(st, STATS_CLOCK_frozen_time);
	dump.memdump_time = clock_us(st, STATS_CLOCK_memdump_time);
	dump.memwrite_time = clock_us(st, STATS_CLOCK_memwrite_time);
	dump.has_irmap_resolve = stats_spent(st, STATS_CLOCK_irmap_resolve) > 0;
	dump.irmap_resolve = clock_us(st, STATS_CLOCK_irmap_resolve);
	dump.pages_scanned = st->pages_scanned;
	dump.pages_skipped_parent = st->pages_skipped_parent;
	dump.pages_written = st->pages_written;
	dump.pages_lazy = st->pages_lazy;
	dump.has_page_pipes = dump.has_page_pipe_bufs = true;
	dump.page_pipes = st->page_pipes;
	dump.page_pipe_bufs = st->page_pipe_bufs;
	dump.has_shpages_scanned = dump.has_shpages_skipped_parent = dump.has_shpages_written =
		true;
	dump.shpages_scanned = st->shpages_scanned;
	dump.shpages_skipped_parent = st->shpages_skipped_parent;
	dump.shpages_written = st->shpages_written;
	entry.dump = &dump;

	r = stats_write(work_fd, IMAGE_STATS, &entry, &err);
	if (r < 0)
		report_warn(rep, CODE_SYSTEM, "%s: %s: %s; going on without statistics", err.file,
			    err.what, strerrordesc_np(-r) ?: "unknown error");
}
