#pragma once
/*
 * What an operation measures: clocks and counts (stats.def), filled by the engines, shown by the
 * front ends as a summary line and as JSON, and stored by dump and restore in CRIU's stats files.
 *
 * Belongs to one thread; workers count for themselves and their numbers are added at the end.
 */
#include "base/base.h"
#include "base/str.h"
#include "base/usec.h"

enum stats_clock {
#define STATS_CLOCK(name, about) STATS_CLOCK_##name,
#define STATS_COUNT(name, about)
#include "report/stats.def"
#undef STATS_CLOCK
#undef STATS_COUNT
	STATS_CLOCK_MAX,
};

struct progress;

struct stats {
	usec_t spent[STATS_CLOCK_MAX];
	usec_t since[STATS_CLOCK_MAX]; /* of a running clock, else 0 */
#define STATS_CLOCK(name, about)
#define STATS_COUNT(name, about) uint64_t name;
#include "report/stats.def"
#undef STATS_CLOCK
#undef STATS_COUNT
	struct progress *progress; /* borrowed; NULL when nobody watches (progress.h takes that) */
};

/* A clock may be started and stopped many times; it adds up. Starting a running one or stopping one
 * that stands still does nothing. */
void stats_start(struct stats *st, enum stats_clock clock);
void stats_stop(struct stats *st, enum stats_clock clock);
/* Whatever a clock has added up, the running part included. */
usec_t stats_spent(const struct stats *st, enum stats_clock clock);

const char *stats_clock_name(enum stats_clock clock);
const char *stats_clock_about(enum stats_clock clock);

/*
 * The line for a person, without newline: "dumped 4 tasks, 23 threads, 61 files, 212 MiB in 0.31 s,
 * frozen 9 ms". `verb` is its first word. What is 0 and not always there is left out. Appended to
 * *s; 0 or -ENOMEM.
 */
int stats_summary(const struct stats *st, const char *verb, struct str *s);
