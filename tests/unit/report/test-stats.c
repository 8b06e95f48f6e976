/* Clocks add up, and the summary is the sentence that the README promises. */
#include "unit/check.h"

#include <unistd.h>

#include "report/stats.h"

static void summary_line(void **state)
{
	struct stats st = { .tasks = 4, .threads = 23, .files = 61, .bytes = 212ULL << 20 };
	scoped(str_done) struct str s = { 0 };

	st.spent[STATS_CLOCK_total] = 310000;
	st.spent[STATS_CLOCK_frozen_time] = 9000;
	assert_int_equal(stats_summary(&st, "dumped", &s), 0);
	assert_string_equal(str_get(&s),
			    "dumped 4 tasks, 23 threads, 61 files, 212 MiB in 0.31 s, frozen 9 ms");
	str_cut(&s, 0);
	st.spent[STATS_CLOCK_frozen_time] = 0;
	st.tasks = 1;
	assert_int_equal(stats_summary(&st, "restored", &s), 0);
	assert_string_equal(str_get(&s),
			    "restored 1 task, 23 threads, 61 files, 212 MiB in 0.31 s");
}

static void clocks_add_up(void **state)
{
	struct stats st = { 0 };
	usec_t first;

	stats_start(&st, STATS_CLOCK_plan);
	stats_start(&st, STATS_CLOCK_plan);
	usleep(2000);
	stats_stop(&st, STATS_CLOCK_plan);
	first = stats_spent(&st, STATS_CLOCK_plan);
	assert_in_range(first, 1900, 2000000);
	stats_stop(&st, STATS_CLOCK_plan);
	assert_int_equal(stats_spent(&st, STATS_CLOCK_plan), first);
	stats_start(&st, STATS_CLOCK_plan);
	usleep(1000);
	assert_true(stats_spent(&st, STATS_CLOCK_plan) > first);
}

static void clocks_have_names(void **state)
{
	assert_string_equal(stats_clock_name(STATS_CLOCK_frozen_time), "frozen_time");
	assert_string_equal(stats_clock_name(STATS_CLOCK_MAX), "");
	for (enum stats_clock c = 0; c < STATS_CLOCK_MAX; c++)
		assert_true(strlen(stats_clock_about(c)) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary_line),
		cmocka_unit_test(clocks_add_up),
		cmocka_unit_test(clocks_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
