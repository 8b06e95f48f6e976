/* Clocks and counts. See stats.h. */
#include "report/stats.h"

#include "report/units.h"

static const char *const clock_names[] = {
#define STATS_CLOCK(name, about) #name,
#define STATS_COUNT(name, about)
#include "report/stats.def"
#undef STATS_CLOCK
#undef STATS_COUNT
};

static const char *const clock_abouts[] = {
#define STATS_CLOCK(name, about) about,
#define STATS_COUNT(name, about)
#include "report/stats.def"
#undef STATS_CLOCK
#undef STATS_COUNT
};

void stats_start(struct stats *st, enum stats_clock clock)
{
	if (st->since[clock] == 0)
		st->since[clock] = usec_now();
}

void stats_stop(struct stats *st, enum stats_clock clock)
{
	st->spent[clock] = stats_spent(st, clock);
	st->since[clock] = 0;
}

usec_t stats_spent(const struct stats *st, enum stats_clock clock)
{
	usec_t running = st->since[clock] != 0 ? usec_now() - st->since[clock] : 0;

	return st->spent[clock] + running;
}

const char *stats_clock_name(enum stats_clock clock)
{
	return clock < STATS_CLOCK_MAX ? clock_names[clock] : "";
}

const char *stats_clock_about(enum stats_clock clock)
{
	return clock < STATS_CLOCK_MAX ? clock_abouts[clock] : "";
}

int stats_summary(const struct stats *st, const char *verb, struct str *s)
{
	usec_t frozen = stats_spent(st, STATS_CLOCK_frozen_time);

	str_addf(s, "%s ", verb);
	units_add_count(s, st->tasks, "task");
	str_addf(s, ", ");
	units_add_count(s, st->threads, "thread");
	str_addf(s, ", ");
	units_add_count(s, st->files, "file");
	str_addf(s, ", ");
	units_add_bytes(s, st->bytes);
	str_addf(s, " in ");
	units_add_time(s, stats_spent(st, STATS_CLOCK_total));
	if (frozen > 0) {
		str_addf(s, ", frozen ");
		units_add_time(s, frozen);
	}
	return s->failed ? -ENOMEM : 0;
}
