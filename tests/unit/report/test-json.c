/* JSON carries the same facts as the text, whatever bytes are in the names. */
#include "unit/check.h"

#include <fcntl.h>

#include "report/json.h"

static const char *get(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void findings(void **state)
{
	scoped(report_done) struct report r;
	json_t *all, *one;

	report_init(&r);
	r.quiet = true;
	REPORT_FRAME(&r, "dump");
	(void)report_refuse(&r, -ENOTSUP, CODE_FILE_KIND, "file \"a\xff\xc3\xa4\"");
	report_warn(&r, CODE_LIMIT, "low");
	all = report_to_json(&r);
	assert_int_equal(json_array_size(all), 2);
	one = json_array_get(all, 0);
	assert_string_equal(get(one, "severity"), "failure");
	assert_string_equal(get(one, "code"), "E-FILE-KIND");
	assert_string_equal(get(one, "where"), "dump");
	assert_string_equal(get(one, "cause"), "file \"a\xef\xbf\xbd\xc3\xa4\"");
	assert_int_equal(json_integer_value(json_object_get(one, "errno")), ENOTSUP);
	assert_string_equal(get(json_array_get(all, 1), "severity"), "warning");
	json_decref(all);
}

static void bad_text(void **state)
{
	/* Overlong, surrogate, beyond the last, cut short, lone continuation. */
	static const char *const bad[] = { "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					   "\xe2\x82", "\x80",         "\xf8\x88\x80\x80\x80" };
	static const char *const good[] = { "", "a", "\xc3\xa4", "\xe2\x82\xac",
					    "\xf0\x9f\x98\x80" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *v = json_text(bad[i]);

		assert_non_null(strstr(json_string_value(v), "\xef\xbf\xbd"));
		json_decref(v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		json_t *v = json_text(good[i]);

		assert_string_equal(json_string_value(v), good[i]);
		json_decref(v);
	}
}

static void stats(void **state)
{
	struct stats st = { .tasks = 4 };
	json_t *v;

	st.spent[STATS_CLOCK_total] = 1000;
	v = stats_to_json(&st);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(v, "counts"), "tasks")),
			 4);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(v, "times_us"), "total")), 1000);
	assert_null(json_object_get(json_object_get(v, "times_us"), "plan"));
	json_decref(v);
}

static void printing(void **state)
{
	json_t *v = json_pack("{si}", "a", 1);
	FILE *full = fopen("/dev/full", "we");
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(json_print(v, f), 0);
	assert_string_equal(text, "{\n  \"a\": 1\n}\n");
	assert_int_equal(json_print(v, full), -EIO);
	assert_int_equal(json_print(NULL, f), -ENOMEM);
	fclose(full);
	fclose(f);
	free(text);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings),
		cmocka_unit_test(bad_text),
		cmocka_unit_test(stats),
		cmocka_unit_test(printing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
