/* The cursor over kernel text: takes what is there, or stays where it was. */
#include "unit/check.h"

#include "kernel/scan.h"

static struct scan over(const char *text)
{
	return scan_over(text, strlen(text));
}

static void numbers(void **state)
{
	struct scan s = over("18446744073709551615 18446744073709551616 7fF -9223372036854775808");
	uint64_t u = 0;
	uint32_t w = 0;
	int64_t i = 0;
	int n = 0;

	assert_true(scan_u64(&s, 10, &u));
	assert_true(u == UINT64_MAX);
	assert_false(scan_u64(&s, 10, &u)); /* at a blank */
	assert_true(scan_char(&s, ' '));
	assert_false(scan_u64(&s, 10, &u)); /* too large: stays */
	assert_true(scan_text(&s, "18446744073709551616 "));
	assert_true(scan_u32(&s, 16, &w));
	assert_int_equal(w, 0x7ff);
	assert_true(scan_char(&s, ' '));
	assert_false(scan_int(&s, &n));
	assert_true(scan_i64(&s, &i));
	assert_true(i == INT64_MIN);
	assert_true(scan_at_end(&s));
	assert_false(scan_u64(&s, 10, &u));

	s = over("4294967296");
	assert_false(scan_u32(&s, 10, &w));
	s = over("-9223372036854775809");
	assert_false(scan_i64(&s, &i));
	s = over("9223372036854775808");
	assert_false(scan_i64(&s, &i));
	s = over("-");
	assert_false(scan_i64(&s, &i));
	s = over("89");
	assert_true(scan_u64(&s, 8, &u) == false);
	s = over("0x10");
	assert_true(scan_u64(&s, 16, &u));
	assert_int_equal(u, 0); /* no prefixes: stops at the x */
}

static void lines_and_words(void **state)
{
	struct scan s = over("one two\n\nlast"), line;
	struct span word;

	assert_true(scan_line(&s, &line));
	assert_true(scan_word(&line, &word));
	assert_true(span_is(word, "one"));
	assert_false(scan_word(&line, &word));
	scan_blanks(&line);
	assert_true(scan_word(&line, &word));
	assert_true(span_begins(word, "tw") && span_ends(word, "wo"));
	assert_true(scan_at_end(&line));
	assert_true(scan_line(&s, &line));
	assert_true(scan_at_end(&line));
	assert_true(scan_line(&s, &line));
	assert_false(scan_until(&line, ':', &word));
	assert_true(scan_until(&line, 's', &word));
	assert_true(span_is(word, "la"));
	assert_false(scan_line(&s, &line));
}

static void copies(void **state)
{
	struct span s = { .p = "a\\040b\\134\\0", .len = 12 };
	char buf[16];

	assert_int_equal(span_unescape(s, buf, sizeof(buf)), 6);
	assert_string_equal(buf, "a b\\\\0");
	assert_int_equal(span_unescape(s, buf, 6), -ENAMETOOLONG);
	assert_int_equal(span_unescape((struct span){ "\\000", 4 }, buf, 8), -EINVAL);
	assert_int_equal(span_unescape((struct span){ "\\777", 4 }, buf, 8), 4);
	assert_int_equal(span_unescape((struct span){ "", 0 }, buf, 0), -ENAMETOOLONG);
	assert_int_equal(span_copy(s, buf, 13), 0);
	assert_int_equal(span_copy(s, buf, 12), -ENAMETOOLONG);
	assert_int_equal(span_copy((struct span){ "a\0b", 3 }, buf, 8), -EINVAL);
	assert_int_equal(span_copy((struct span){ NULL, 0 }, buf, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(lines_and_words),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
