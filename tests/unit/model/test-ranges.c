/* Sets of address ranges. */
#include "model/ranges.h"

#include "unit/check.h"

#define PAGE UINT64_C(4096)

static void add(struct ranges *r, uint64_t start, uint64_t end)
{
	assert_int_equal(ranges_add(r, start * PAGE, end * PAGE), 0);
}

static void check_range(const struct ranges *r, size_t i, uint64_t start, uint64_t end)
{
	assert_true(i < r->n);
	assert_int_equal(r->at[i].start, start * PAGE);
	assert_int_equal(r->at[i].end, end * PAGE);
}

static void test_sort_joins(void **state)
{
	scoped(ranges_done) struct ranges r = { 0 };

	add(&r, 30, 40);
	add(&r, 10, 15);
	add(&r, 15, 20);
	add(&r, 32, 35);
	ranges_sort(&r);
	assert_int_equal(r.n, 2);
	check_range(&r, 0, 10, 20);
	check_range(&r, 1, 30, 40);
	assert_true(ranges_overlap(&r, 19 * PAGE, 25 * PAGE));
	assert_false(ranges_overlap(&r, 20 * PAGE, 30 * PAGE));
}

static void test_subtract(void **state)
{
	scoped(ranges_done) struct ranges r = { 0 };
	scoped(ranges_done) struct ranges cut = { 0 };

	add(&r, 10, 20);
	add(&r, 30, 40);
	add(&r, 50, 60);
	add(&cut, 5, 12);
	add(&cut, 33, 35);
	add(&cut, 50, 60);
	ranges_sort(&r);
	ranges_sort(&cut);
	assert_int_equal(ranges_subtract(&r, &cut), 0);
	assert_int_equal(r.n, 3);
	check_range(&r, 0, 12, 20);
	check_range(&r, 1, 30, 33);
	check_range(&r, 2, 35, 40);
}

static void test_gap_is_the_highest(void **state)
{
	scoped(ranges_done) struct ranges r = { 0 };
	uint64_t at = 0;

	add(&r, 100, 200);
	add(&r, 300, 400);
	ranges_sort(&r);
	assert_int_equal(ranges_gap(&r, 10 * PAGE, 1000 * PAGE, 50 * PAGE, 5 * PAGE, &at), 0);
	assert_true(at >= 405 * PAGE && at + 50 * PAGE <= 1000 * PAGE);
	assert_int_equal(at % PAGE, 0);
	assert_int_equal(ranges_gap(&r, 10 * PAGE, 400 * PAGE, 80 * PAGE, 5 * PAGE, &at), 0);
	assert_true(at >= 205 * PAGE && at + 80 * PAGE <= 295 * PAGE);
	assert_int_equal(ranges_gap(&r, 100 * PAGE, 400 * PAGE, 95 * PAGE, 5 * PAGE, &at), -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort_joins),
		cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_gap_is_the_highest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
