#pragma once
/* The file stats-dump. */
#include "report/report.h"
#include "report/stats.h"

/* Writes it into the work directory (borrowed). 0 or -errno, reported. */
int dump_write_stats(int work_fd, const struct stats *st, struct report *rep) nodiscard;
