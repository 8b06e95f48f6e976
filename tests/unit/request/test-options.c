/* The table is consistent, and every row can be set and refused by its name. */
#include "unit/check.h"

#include <getopt.h>

#include "request/options.h"

struct setting {
	struct options o;
	struct report rep;
};

static int setup(void **state)
{
	struct setting *s = NEW(struct setting);

	options_init(&s->o, BOTH);
	report_init(&s->rep);
	s->rep.quiet = true;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct setting *s = *state;

	options_done(&s->o);
	report_done(&s->rep);
	mem_free(s);
	return 0;
}

static int set(struct setting *s, const char *name, const char *arg)
{
	bool negated;
	const struct option_row *row = option_find(BOTH, name, &negated);

	assert_non_null(row);
	return option_set(&s->o, row, arg, negated, GIVEN_ARGV, &s->rep);
}

static void names_and_letters_are_unique(void **state)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n && rows[i].name; k++) {
			if (!rows[k].name)
				continue;
			assert_string_not_equal(rows[i].name, rows[k].name);
			assert_true(!rows[i].letter || rows[i].letter != rows[k].letter);
		}
	}
}

static void rows_are_well_formed(void **state)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++) {
		int has_arg;

		assert_true(strlen(rows[i].help) > 2);
		if (!rows[i].name)
			continue;
		has_arg = option_has_arg(&rows[i]);
		assert_true(strlen(rows[i].name) + 4 < 32);
		assert_true((has_arg == no_argument) == (rows[i].arg[0] == '\0'));
		assert_true((has_arg == optional_argument) ==
			    (rows[i].arg[0] == '[' && rows[i].arg[strlen(rows[i].arg) - 1] == ']'));
		assert_true(rows[i].help[strlen(rows[i].help) - 1] != '.');
	}
}

/* An argument that a type takes. */
static const char *good_arg(const struct option_row *row)
{
	static const char *const args[] = {
		[TYPE_VALIDATION] = "filesize",
		[TYPE_NETWORK_LOCK] = "skip",
		[TYPE_CGROUPS] = "full",
		[TYPE_PRE_DUMP] = "read",
		[TYPE_CPU_CAP] = "all",
		[TYPE_UNIX_SK] = "12,13",
		[TYPE_OUTSIDE] = "mnt[/a]:b",
		[TYPE_EXT_MOUNT] = "/a:b",
		[TYPE_VETH] = "a=b",
		[TYPE_INHERIT] = "fd[1]:x",
		[TYPE_JOIN_NS] = "net:1",
		[TYPE_CGROUP_ROOT] = "/x",
		[TYPE_EMPTY_NS] = "net",
		[TYPE_REMOVED] = NULL,
	};

	if (option_has_arg(row) == no_argument)
		return NULL;
	return row->type < ARRAY_SIZE(args) && args[row->type] ? args[row->type] : "1";
}

static void every_row_can_be_set(void **state)
{
	struct setting *s = *state;
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++) {
		int want = rows[i].type == TYPE_REMOVED ? -EINVAL : 0;

		if (!rows[i].name)
			continue;
		assert_int_equal(option_set(&s->o, &rows[i], good_arg(&rows[i]), false, GIVEN_ARGV,
					    &s->rep),
				 want);
		assert_int_equal(s->o.given[i], want == 0 ? GIVEN_ARGV : GIVEN_NOT);
	}
}

static void arguments_that_are_needed_are_asked_for(void **state)
{
	struct setting *s = *state;
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++)
		if (rows[i].name && option_has_arg(&rows[i]) == required_argument)
			assert_int_equal(option_set(&s->o, &rows[i], NULL, false, GIVEN_ARGV,
						    &s->rep),
					 -EINVAL);
}

static void bad_values_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "tree", "0" },       { "tree", "-5" },          { "tree", "1x" },
		{ "tree", "" },        { "port", "0" },           { "status-fd", "-1" },
		{ "status-fd", "a" },  { "timeout", "-1" },       { "ghost-limit", "1X" },
		{ "empty-ns", "mnt" }, { "file-validation", "" }, { "ext-unix-sk", "a" },
		{ "veth-pair", "a" },  { "ext-mount-map", "a" },  { "verbosity", "lots" },
	};
	struct setting *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(set(s, bad[i][0], bad[i][1]), -EINVAL);
	assert_int_equal(s->rep.n_failures, ARRAY_SIZE(bad));
	assert_string_equal(report_first(&s->rep)->where, "option --tree");
}

static void verbosity_counts(void **state)
{
	struct setting *s = *state;

	assert_int_equal(s->o.verbosity, 2);
	assert_int_equal(set(s, "verbosity", NULL), 0);
	assert_int_equal(s->o.verbosity, 3);
	assert_int_equal(set(s, "verbosity", "v"), 0); /* -vv */
	assert_int_equal(s->o.verbosity, 5);
	assert_int_equal(set(s, "verbosity", "4"), 0);
	assert_int_equal(s->o.verbosity, 4);
	assert_int_equal(set(s, "verbosity", "erbosity=0"), 0); /* -verbosity=0 */
	assert_int_equal(s->o.verbosity, 0);
}

static void later_words_win(void **state)
{
	struct setting *s = *state;

	assert_int_equal(set(s, "shell-job", NULL), 0);
	assert_int_equal(set(s, "no-shell-job", NULL), 0);
	assert_false(s->o.shell_job);
	assert_int_equal(set(s, "leave-running", NULL), 0);
	assert_int_equal(set(s, "leave-stopped", NULL), 0);
	assert_int_equal(s->o.leave, FINAL_STOPPED);
}

static void older_spellings_mean_the_same(void **state)
{
	struct setting *s = *state;

	assert_int_equal(set(s, "ext-mount-map", "/a:b"), 0);
	assert_string_equal(s->o.externals.at[0].key, "mnt[/a]");
	assert_int_equal(set(s, "veth-pair", "eth0=v0"), 0);
	assert_string_equal(s->o.externals.at[1].key, "veth[eth0]");
	assert_string_equal(s->o.externals.at[1].value, "v0");
	assert_int_equal(set(s, "ext-unix-sk", "17"), 0);
	assert_string_equal(s->o.externals.at[2].key, "unix[17]");
	assert_int_equal(set(s, "external", "mnt[]:ms"), 0);
	assert_true(s->o.mounts_auto && s->o.mounts_masters && s->o.mounts_sharing);
}

static void what_is_not_built_is_refused_by_name(void **state)
{
	struct setting *s = *state;

	assert_int_equal(set(s, "lazy-pages", NULL), 0);
	assert_int_equal(options_check(&s->o, CRIU, CMD_RESTORE, &s->rep), -ENOTSUP);
	assert_int_equal(report_first(&s->rep)->code, CODE_OPTION_NOT_BUILT);
	assert_non_null(strstr(report_first(&s->rep)->cause, "--lazy-pages"));
}

static void what_is_switched_off_is_not_refused(void **state)
{
	struct setting *s = *state;

	assert_int_equal(set(s, "track-mem", NULL), 0);
	assert_int_equal(set(s, "no-track-mem", NULL), 0);
	assert_int_equal(set(s, "manage-cgroups", "ignore"), 0);
	assert_int_equal(options_check(&s->o, CRIU, CMD_DUMP, &s->rep), 0);
	assert_int_equal(set(s, "manage-cgroups", NULL), 0);
	assert_int_equal(options_check(&s->o, CRIU, CMD_DUMP, &s->rep), -ENOTSUP);
}

static void options_of_other_commands(void **state)
{
	struct setting *s = *state;

	assert_int_equal(set(s, "restore-detached", NULL), 0);
	assert_int_equal(options_check(&s->o, CRIU, CMD_DUMP, &s->rep), 0);
	assert_int_equal(options_check(&s->o, OWN, CMD_DUMP, &s->rep), -EINVAL);
	assert_int_equal(report_first(&s->rep)->code, CODE_OPTION_COMMAND);
}

static void externals_of_unknown_types(void **state)
{
	struct setting *s = *state;

	assert_int_equal(set(s, "external", "tty[1:2]"), 0);
	assert_int_equal(options_check(&s->o, CRIU, CMD_DUMP, &s->rep), 0);
	assert_int_equal(set(s, "external", "disk[1:2]"), 0);
	assert_int_equal(options_check(&s->o, CRIU, CMD_DUMP, &s->rep), -EINVAL);
}

static void commands(void **state)
{
	size_t n = 0;

	assert_int_equal(command_find(OWN, "dump", NULL, &n)->id, CMD_DUMP);
	assert_int_equal(n, 1);
	assert_null(command_find(OWN, "pre-dump", NULL, &n));
	assert_int_equal(command_find(CRIU, "cpuinfo", "check", &n)->id, CMD_CPUINFO_CHECK);
	assert_int_equal(n, 2);
	assert_null(command_find(CRIU, "cpuinfo", NULL, &n));
	assert_int_equal(command_find(CRIU, "show", NULL, &n)->id, CMD_SHOW_CRIU);
	assert_int_equal(command_find(OWN, "show", NULL, &n)->id, CMD_SHOW);
	assert_null(command_find(OWN, "dum", NULL, &n));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_and_letters_are_unique),
		TEST(rows_are_well_formed),
		TEST(every_row_can_be_set),
		TEST(arguments_that_are_needed_are_asked_for),
		TEST(bad_values_are_refused),
		TEST(verbosity_counts),
		TEST(later_words_win),
		TEST(older_spellings_mean_the_same),
		TEST(what_is_not_built_is_refused_by_name),
		TEST(what_is_switched_off_is_not_refused),
		TEST(options_of_other_commands),
		TEST(externals_of_unknown_types),
		TEST(commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
