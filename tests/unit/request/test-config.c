/* Lines of configuration files, and whose word counts when several files say something. */
#include "unit/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "request/config.h"

static void expect_line(const char *line, const char *name, const char *arg)
{
	char copy[256], *n, *a;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	assert_int_equal(config_line_parse(copy, &n, &a), 0);
	if (!name) {
		assert_null(n);
		return;
	}
	assert_string_equal(n, name);
	if (arg)
		assert_string_equal(a, arg);
	else
		assert_null(a);
}

static void good_lines(void **state)
{
	expect_line("", NULL, NULL);
	expect_line("   # all comment", NULL, NULL);
	expect_line("tcp-close", "tcp-close", NULL);
	expect_line("  tcp-close  \t", "tcp-close", NULL);
	expect_line("tcp-close # and why", "tcp-close", NULL);
	expect_line("tcp-close#and why", "tcp-close", NULL);
	expect_line("verbosity 4", "verbosity", "4");
	expect_line("verbosity=4", "verbosity", "4");
	expect_line("verbosity\t 4 # much", "verbosity", "4");
	expect_line("log-file \"a b.log\"", "log-file", "a b.log");
	expect_line("log-file \"a \\\"b\\\" # c\" # d", "log-file", "a \"b\" # c");
	expect_line("log-file \"\"", "log-file", "");
}

static void bad_lines(void **state)
{
	static const char *const bad[] = { "log-file a b", "log-file \"a", "log-file \"a\" b",
					   "log-file \"",  "--tcp-close",  "=x" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char copy[64], *n, *a;

		(void)snprintf(copy, sizeof(copy), "%s", bad[i]);
		assert_int_equal(config_line_parse(copy, &n, &a), -EINVAL);
	}
}

/* Whatever the bytes, the parser stays inside of them. */
static void random_lines(void **state)
{
	static const char alphabet[] = "a-\"\\ #=\t";

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		char line[12] = { 0 }, *n, *a;

		for (size_t k = 0; k < (size_t)i % sizeof(line); k++)
			line[k] = alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
		line[sizeof(line) - 1] = '\0';
		(void)!config_line_parse(line, &n, &a);
	}
}

static void write_file(const char *path, const char *text)
{
	scoped(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static int read_config(const char *text, struct options *o, struct report *rep)
{
	char path[] = "/tmp/stasis-config-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	fd_close(fd);
	write_file(path, text);
	options_init(o, CRIU);
	report_init(rep);
	rep->quiet = true;
	r = config_read(o, CRIU, path, true, rep);
	assert_int_equal(unlink(path), 0);
	return r;
}

static void a_file_sets_options(void **state)
{
	scoped(options_done) struct options o;
	scoped(report_done) struct report rep;

	assert_int_equal(read_config("tcp-established\nverbosity 4\nno-shell-job\n"
				     "log-file \"x y\"\nexternal mnt[/a]:b",
				     &o, &rep),
			 0);
	assert_true(o.tcp_established);
	assert_int_equal(o.verbosity, 4);
	assert_false(o.shell_job);
	assert_string_equal(o.log_file, "x y");
	assert_int_equal(o.externals.n, 1);
}

static void every_bad_line_is_named(void **state)
{
	scoped(options_done) struct options o;
	scoped(report_done) struct report rep;

	assert_int_equal(read_config("tcp-close yes\nnothing\n\nport abc\n", &o, &rep), -EINVAL);
	assert_int_equal(rep.n_failures, 3);
	assert_non_null(strstr(report_first(&rep)->where, "line 1"));
}

static void a_missing_file_is_an_error_only_when_it_must_exist(void **state)
{
	scoped(options_done) struct options o;
	scoped(report_done) struct report rep;

	options_init(&o, CRIU);
	report_init(&rep);
	rep.quiet = true;
	assert_int_equal(config_read(&o, CRIU, "/nonexistent/x", false, &rep), 0);
	assert_int_equal(rep.n_failures, 0);
	assert_int_equal(config_read(&o, CRIU, "/nonexistent/x", true, &rep), -ENOENT);
	assert_int_equal(rep.n_failures, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(random_lines),
		cmocka_unit_test(a_file_sets_options),
		cmocka_unit_test(every_bad_line_is_named),
		cmocka_unit_test(a_missing_file_is_an_error_only_when_it_must_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
