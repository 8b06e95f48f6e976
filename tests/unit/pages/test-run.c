/* Lists of runs: joining, searching, cutting. */
#include "pages-test.h"

static void add(struct page_runs *runs, uint64_t page, uint64_t n, uint32_t flags)
{
	assert_int_equal(page_runs_add(runs, page * PAGE_SIZE, n, flags), 0);
}

static void expect(const struct page_runs *runs, size_t i, uint64_t page, uint64_t n)
{
	assert_true(i < runs->n);
	assert_int_equal(runs->at[i].va / PAGE_SIZE, page);
	assert_int_equal(runs->at[i].n, n);
}

static void neighbours_join(void **state)
{
	scoped(page_runs_done) struct page_runs runs = { 0 };

	add(&runs, 1, 2, RUN_PRESENT);
	add(&runs, 3, 1, RUN_PRESENT);
	add(&runs, 4, 0, RUN_PARENT);
	add(&runs, 4, 1, RUN_PARENT);
	add(&runs, 9, 5, RUN_PARENT);
	assert_int_equal(runs.n, 3);
	expect(&runs, 0, 1, 3);
	expect(&runs, 1, 4, 1);
	expect(&runs, 2, 9, 5);
	assert_int_equal(page_runs_count(&runs, RUN_PARENT), 6);
	assert_int_equal(page_runs_count(&runs, RUN_PARENT | RUN_PRESENT), 9);
}

static void find_gives_the_run_at_or_behind(void **state)
{
	scoped(page_runs_done) struct page_runs runs = { 0 };

	assert_int_equal(page_runs_find(&runs, 0), 0);
	add(&runs, 2, 2, 0);
	add(&runs, 8, 1, 0);
	add(&runs, 20, 10, 0);
	assert_int_equal(page_runs_find(&runs, 0), 0);
	assert_int_equal(page_runs_find(&runs, 3 * PAGE_SIZE), 0);
	assert_int_equal(page_runs_find(&runs, 4 * PAGE_SIZE), 1);
	assert_int_equal(page_runs_find(&runs, 29 * PAGE_SIZE), 2);
	assert_int_equal(page_runs_find(&runs, 30 * PAGE_SIZE), 3);
}

static void sets_compare(unsigned set_a, unsigned set_b)
{
	scoped(page_runs_done) struct page_runs a = { 0 }, b = { 0 };
	scoped(page_runs_done) struct page_runs with = { 0 }, without = { 0 };

	for (unsigned i = 0; i < 8; i++) {
		if (set_a >> i & 1)
			add(&a, i, 1, i & 2);
		if (set_b >> i & 1)
			add(&b, i, 1, 0);
	}
	assert_int_equal(page_runs_cut(&a, &b, true, &with), 0);
	assert_int_equal(page_runs_cut(&a, &b, false, &without), 0);
	for (unsigned i = 0; i < 8; i++) {
		uint8_t *at = (uint8_t *)(i * PAGE_SIZE);

		assert_int_equal(runs_in(&with, at, PAGE_SIZE), (set_a & set_b) >> i & 1);
		assert_int_equal(runs_in(&without, at, PAGE_SIZE), (set_a & ~set_b) >> i & 1);
	}
	vec_for_each(run, &with)
		assert_int_equal(run->flags, run->va / PAGE_SIZE & 2);
}

/* Against the plainest possible way, for all pairs of sets of 8 pages. */
static void cut_agrees_with_sets(void **state)
{
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++)
			sets_compare(a, b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_join),
		cmocka_unit_test(find_gives_the_run_at_or_behind),
		cmocka_unit_test(cut_agrees_with_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
