/* argv in both personalities. */
#include "unit/check.h"

#include <stdlib.h>

#include "request/command_line.h"

struct line {
	struct command_line cl;
	struct report rep;
	int r;
};

static void line_done(struct line *l)
{
	command_line_done(&l->cl);
	report_done(&l->rep);
}
SCOPED_OBJECT(struct line, line_done);

/* Words separated by one blank. */
static void parse(struct line *l, const char *text)
{
	static char copy[1024];
	static char *argv[64];
	int argc = 0;
	char *rest = copy;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	while (rest)
		argv[argc++] = strsep(&rest, " ");
	argv[argc] = NULL;
	report_init(&l->rep);
	l->rep.quiet = true;
	l->r = command_line_parse(argc, argv, &l->rep, &l->cl);
}

static enum code first_code(const struct line *l)
{
	return report_first(&l->rep) ? report_first(&l->rep)->code : CODE_MAX;
}

static void the_name_decides(void **state)
{
	assert_int_equal(personality_of("/usr/sbin/criu"), CRIU);
	assert_int_equal(personality_of("criu"), CRIU);
	assert_int_equal(personality_of("/criu/stasis"), OWN);
	assert_int_equal(personality_of("criu-4"), OWN);
	assert_int_equal(personality_of(NULL), OWN);
}

static void zdtm_dump_line(void **state)
{
	scoped(line_done) struct line l;

	parse(&l,
	      "/x/criu dump --no-default-config --log-file dump.log --images-dir D --verbosity=4 "
	      "--tree 42 --pidfile /abs/f --timeout 10 --pre-dump-mode splice");

	assert_int_equal(l.r, 0);
	assert_int_equal(l.cl.command, CMD_DUMP);
	assert_int_equal(l.cl.options.pid, 42);
	assert_int_equal(l.cl.options.verbosity, 4);
	assert_string_equal(l.cl.options.images_dir, "D");
	assert_int_equal(l.cl.options.timeout, 10);
}

static void zdtm_check_line(void **state)
{
	scoped(line_done) struct line l;

	parse(&l,
	      "criu check --no-default-config --no-default-config -verbosity=0 --feature mnt_id");

	assert_int_equal(l.r, 0);
	assert_int_equal(l.cl.command, CMD_CHECK);
	assert_int_equal(l.cl.options.verbosity, 0);
	assert_string_equal(l.cl.options.features.at[0], "mnt_id");
}

static void verbosity_in_every_spelling(void **state)
{
	static const struct {
		const char *line;
		int level;
	} cases[] = {
		{ "criu check", 2 },
		{ "criu check -v", 3 },
		{ "criu check -vv", 4 },
		{ "criu check -vvvv", 6 },
		{ "criu check -v0", 0 },
		{ "criu check -v4", 4 },
		{ "criu check --verbosity", 3 },
		{ "criu check --verbosity=1", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped(line_done) struct line l;

		parse(&l, cases[i].line);

		assert_int_equal(l.r, 0);
		assert_int_equal(l.cl.options.verbosity, cases[i].level);
	}
}

static void short_options_and_order(void **state)
{
	scoped(line_done) struct line l;

	parse(&l, "criu -t 7 -D x restore -dSj -W w -o log");

	assert_int_equal(l.r, 0);
	assert_int_equal(l.cl.command, CMD_RESTORE);
	assert_true(l.cl.options.detach && l.cl.options.sibling && l.cl.options.shell_job);
	assert_string_equal(l.cl.options.work_dir, "w");
	assert_string_equal(l.cl.options.log_file, "log");
}

static void words_behind_the_command_are_kept(void **state)
{
	scoped(line_done) struct line l;

	parse(&l, "stasis show -D x a b -- -c");

	assert_int_equal(l.r, 0);
	assert_int_equal(l.cl.n_args, 3);
	assert_string_equal(l.cl.args[2], "-c");
	assert_null(l.cl.args[3]);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *line, *cause;
		enum code code;
	} cases[] = {
		{ "stasis", "a command is needed", CODE_USAGE },
		{ "stasis frob", "there is no command frob", CODE_USAGE },
		{ "stasis dump --frob", "there is no option --frob", CODE_USAGE },
		{ "stasis dump -Q", "there is no option -Q", CODE_USAGE },
		{ "stasis dump -t", "option -t needs an argument", CODE_USAGE },
		{ "stasis dump --tree", "option --tree needs an argument", CODE_USAGE },
		{ "stasis dump --json=1", "takes no argument", CODE_USAGE },
		{ "stasis dump -t x", "cannot read \"x\"", CODE_OPTION_VALUE },
		{ "stasis pre-dump", "there is no command pre-dump", CODE_USAGE },
		{ "stasis dump --feature x", "does not belong", CODE_OPTION_COMMAND },
		{ "criu pre-dump", "not built yet", CODE_COMMAND_NOT_BUILT },
		{ "criu swrk 3", "not built yet", CODE_COMMAND_NOT_BUILT },
		{ "criu cpuinfo frob", "there is no command cpuinfo", CODE_USAGE },
		{ "criu exec", "deprecated", CODE_DEPRECATED },
		{ "criu dump --ms", "removed", CODE_DEPRECATED },
		{ "criu dump --json", "there is no option --json", CODE_USAGE },
		{ "criu dump --lazy-pages", "--lazy-pages is not built", CODE_OPTION_NOT_BUILT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped(line_done) struct line l;

		parse(&l, cases[i].line);

		assert_true(l.r < 0);
		assert_int_equal(first_code(&l), cases[i].code);
		assert_non_null(strstr(report_first(&l.rep)->cause, cases[i].cause));
	}
}

static void help_and_version_need_nothing_else(void **state)
{
	scoped(line_done) struct line h;
	scoped(line_done) struct line v;

	parse(&h, "stasis dump --help --frob -t x");
	parse(&v, "criu -V");

	assert_int_equal(h.r, 0);
	assert_true(h.cl.options.help);
	assert_int_equal(h.cl.command, CMD_DUMP);
	assert_int_equal(h.rep.n_failures, 0);
	assert_int_equal(v.r, 0);
	assert_true(v.cl.options.version);
}

static int no_config(void **state)
{
	/* Nobody's own files shall decide about a test. */
	(void)setenv("HOME", "/nonexistent", 1);
	(void)unsetenv("CRIU_CONFIG_FILE");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_decides),
		cmocka_unit_test(zdtm_dump_line),
		cmocka_unit_test(zdtm_check_line),
		cmocka_unit_test(verbosity_in_every_spelling),
		cmocka_unit_test(short_options_and_order),
		cmocka_unit_test(words_behind_the_command_are_kept),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(help_and_version_need_nothing_else),
	};

	return cmocka_run_group_tests(tests, no_config, NULL);
}
