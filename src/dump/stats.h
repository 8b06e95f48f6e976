#pragma once
/* The file stats-dump. */
#include "report/report.h"
#include "report/stats.h"

/* Writes it into the work directory (borrowed). When that fails the work is done all the same: a
 * warning says so. */
void dump_write_stats(int work_fd, const struct stats *st, struct report *rep);
