/* Quantities are short and right at the borders between units. */
#include "unit/check.h"

#include "report/units.h"

static void expect_bytes(uint64_t n, const char *want)
{
	scoped(str_done) struct str s = { 0 };

	units_add_bytes(&s, n);
	assert_string_equal(str_get(&s), want);
}

static void expect_time(usec_t n, const char *want)
{
	scoped(str_done) struct str s = { 0 };

	units_add_time(&s, n);
	assert_string_equal(str_get(&s), want);
}

static void bytes(void **state)
{
	expect_bytes(0, "0 B");
	expect_bytes(1023, "1023 B");
	expect_bytes(1024, "1.0 KiB");
	expect_bytes(10 * 1024, "10 KiB");
	expect_bytes(1024 * 1024 - 1, "1.0 MiB");
	expect_bytes(212ULL << 20, "212 MiB");
	expect_bytes(UINT64_MAX, "16 EiB");
}

static void times(void **state)
{
	expect_time(0, "0 us");
	expect_time(999, "999 us");
	expect_time(9000, "9 ms");
	expect_time(99400, "99 ms");
	expect_time(310000, "0.31 s");
	expect_time(12400000, "12.4 s");
	expect_time(200000000, "3 min 20 s");
}

static void counts(void **state)
{
	scoped(str_done) struct str s = { 0 };

	units_add_count(&s, 1, "task");
	units_add_count(&s, 0, "file");
	assert_string_equal(str_get(&s), "1 task0 files");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes),
		cmocka_unit_test(times),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
