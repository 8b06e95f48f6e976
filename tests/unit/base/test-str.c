/* Twin of base/str.c: numbers are the whole text or an error, buffers grow. */
#include "base/str.h"
#include "unit/check.h"

static void numbers(void **state)
{
	uint64_t u;
	int64_t i;
	int n;

	assert_int_equal(str_to_u64("18446744073709551615", 10, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(str_to_u64("18446744073709551616", 10, &u), -ERANGE);
	assert_int_equal(str_to_u64("-1", 10, &u), -EINVAL);
	assert_int_equal(str_to_u64(" 1", 10, &u), -EINVAL);
	assert_int_equal(str_to_u64("1x", 10, &u), -EINVAL);
	assert_int_equal(str_to_u64("", 10, &u), -EINVAL);
	assert_int_equal(str_to_i64("-9223372036854775808", 10, &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(str_to_i64("-9223372036854775809", 10, &i), -ERANGE);
	assert_int_equal(str_to_int("2147483648", 10, &n), -ERANGE);
	assert_int_equal(str_to_int("ff", 16, &n), 0);
	assert_int_equal(n, 255);
}

static void sizes(void **state)
{
	uint64_t v;

	assert_int_equal(str_to_size("64K", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(str_to_size("2g", &v), 0);
	assert_int_equal(v, UINT64_C(2) << 30);
	assert_int_equal(str_to_size("K", &v), -EINVAL);
	assert_int_equal(str_to_size("1KK", &v), -EINVAL);
	assert_int_equal(str_to_size("99999999999G", &v), -ERANGE);
}

static void buffer(void **state)
{
	scoped(str_done) struct str s = { 0 };
	const char *rest;
	char *taken;

	assert_string_equal(str_get(&s), "");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(str_addf(&s, "%d,", i), 0);
	assert_int_equal(s.len, 10 * 2 + 90 * 3 + 900 * 4);
	str_cut(&s, 4);
	assert_string_equal(str_get(&s), "0,1,");
	taken = str_take(&s);
	assert_string_equal(taken, "0,1,");
	assert_string_equal(str_get(&s), "");
	assert_true(str_has_prefix(taken, "0,", &rest));
	assert_string_equal(rest, "1,");
	assert_false(str_has_prefix(taken, "1", NULL));
	mem_free(taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
