/* The command line. See command_line.h. */
#include "request/command_line.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "request/config.h"

/* getopt's tables for one personality. A long option's value is its row + VAL_ROW, and VAL_NEGATED
 * more for the --no- form. */
#define VAL_ROW     256
#define VAL_NEGATED 1024

struct getopt_tables {
	struct option longs[2 * OPTION_ROWS_MAX + 1];
	char negated_names[OPTION_ROWS_MAX][32];
	char shorts[3 * OPTION_ROWS_MAX + 2];
};

enum personality personality_of(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0 ?: "";

	return strcmp(name, "criu") == 0 ? CRIU : OWN;
}

static void tables_fill(struct getopt_tables *t, enum personality who)
{
	size_t n, n_long = 0, n_short = 0;
	const struct option_row *rows = option_rows(&n);

	t->shorts[n_short++] = ':'; /* a missing argument is told from an unknown option */
	for (size_t i = 0; i < n; i++) {
		const struct option_row *row = &rows[i];
		int has_arg;

		if (!row->name || !(row->who & who))
			continue;
		has_arg = option_has_arg(row);
		t->longs[n_long++] = (struct option){ row->name, has_arg, NULL, VAL_ROW + (int)i };
		if (row->type == TYPE_BOOL) {
			(void)snprintf(t->negated_names[i], sizeof(t->negated_names[i]), "no-%s",
				       row->name);
			t->longs[n_long++] =
				(struct option){ t->negated_names[i], no_argument, NULL,
						 VAL_ROW + VAL_NEGATED + (int)i };
		}
		if (!row->letter)
			continue;
		t->shorts[n_short++] = row->letter;
		for (int k = 0; k < has_arg; k++) /* ':' for required (1), "::" for optional (2) */
			t->shorts[n_short++] = ':';
	}
}

static const struct option_row *row_of_letter(int letter, enum personality who)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++)
		if (rows[i].name && rows[i].letter == letter && (rows[i].who & who))
			return &rows[i];
	return NULL;
}

static const struct option_row *row_of_value(int value, enum personality who, bool *ret_negated)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	*ret_negated = value >= VAL_ROW + VAL_NEGATED;
	if (value < VAL_ROW)
		return row_of_letter(value, who);
	return &rows[value - VAL_ROW - (*ret_negated ? VAL_NEGATED : 0)];
}

/* getopt said '?' or ':' about the word it has just passed. */
static int complain(int answer, char *const *words, struct report *rep)
{
	const char *word = words[optind - 1];

	if (optopt > 0 && optopt < VAL_ROW && strncmp(word, "--", 2) != 0) {
		if (answer == ':')
			return report_refuse(rep, -EINVAL, CODE_USAGE,
					     "option -%c needs an argument", optopt);
		return report_refuse(rep, -EINVAL, CODE_USAGE, "there is no option -%c", optopt);
	}
	if (answer == ':')
		return report_refuse(rep, -EINVAL, CODE_USAGE, "option %s needs an argument", word);
	if (optopt >= VAL_ROW)
		return report_refuse(rep, -EINVAL, CODE_USAGE, "option %s takes no argument", word);
	return report_refuse(rep, -EINVAL, CODE_USAGE, "there is no option %s, or several begin so",
			     word);
}

static int options_read(struct command_line *cl, int argc, struct report *rep)
{
	struct getopt_tables tables = { 0 };
	int ret = 0, value;

	tables_fill(&tables, cl->who);
	optind = 0; /* start anew */
	opterr = 0;
	while ((value = getopt_long(argc, cl->words, tables.shorts, tables.longs, NULL)) != -1) {
		const struct option_row *row;
		bool negated;
		int r;

		if (value == '?' || value == ':') {
			ret = complain(value, cl->words, rep);
			continue;
		}
		row = row_of_value(value, cl->who, &negated);
		r = option_set(&cl->options, row, optarg, negated, GIVEN_ARGV, rep);
		ret = r < 0 ? r : ret;
	}
	cl->args = cl->words + optind;
	cl->n_args = (size_t)(argc - optind);
	return ret;
}

/* The words that decide which files are read, before anything else is. */
struct early {
	bool help, version, no_defaults;
	const char *config;
};

static struct early early_find(int argc, char **argv)
{
	struct early e = { 0 };

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *path;

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			e.help = true;
		else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0)
			e.version = true;
		else if (strcmp(argv[i], "--no-default-config") == 0)
			e.no_defaults = true;
		else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			e.config = argv[++i];
		else if (str_has_prefix(argv[i], "--config=", &path))
			e.config = path;
	}
	return e;
}

static int configs_read(struct command_line *cl, const struct early *early, struct report *rep)
{
	bool no_defaults = early->no_defaults || early->config;
	int r = config_read_defaults(&cl->options, cl->who, no_defaults, rep);

	if (r < 0 || !early->config)
		return r;
	/* CRIU goes on without a file that is not there; a user of ours is told. */
	return config_read(&cl->options, cl->who, early->config, cl->who == OWN, rep);
}

static int command_set(struct command_line *cl, struct report *rep)
{
	const struct command_row *row;
	size_t used;

	if (cl->n_args == 0)
		return report_refuse(rep, -EINVAL, CODE_USAGE, "a command is needed");
	row = command_find(cl->who, cl->args[0], cl->n_args > 1 ? cl->args[1] : NULL, &used);
	if (!row)
		return report_refuse(rep, -EINVAL, CODE_USAGE, "there is no command %s",
				     cl->args[0]);
	cl->command = row->id;
	cl->args += used;
	cl->n_args -= used;
	if (row->state == LATER)
		return report_refuse(rep, -ENOTSUP, CODE_COMMAND_NOT_BUILT,
				     "command %s is not built yet", row->word);
	if (row->state == OLD)
		return report_refuse(rep, -ENOTSUP, CODE_DEPRECATED,
				     "command %s is deprecated: use %s", row->word,
				     row->id == CMD_EXEC ? "compel" : "crit decode");
	return options_check(&cl->options, cl->who, cl->command, rep);
}

int command_line_parse(int argc, char **argv, struct report *rep, struct command_line *ret)
{
	struct early early = early_find(argc, argv);
	int r, r2;

	memset(ret, 0, sizeof(*ret));
	ret->who = personality_of(argc > 0 ? argv[0] : NULL);
	ret->command = CMD_MAX;
	options_init(&ret->options, ret->who);
	ret->words = mem_dup(argv, ((size_t)argc + 1) * sizeof(*argv));
	if (!ret->words)
		return report_fail(rep, -ENOMEM, "cannot read the command line");

	if (early.help || early.version) {
		/* Which command the help is about, if it can be told. */
		struct report quiet;

		report_init(&quiet);
		quiet.quiet = true;
		(void)!options_read(ret, argc, &quiet);
		if (ret->n_args > 0)
			(void)command_set(ret, &quiet);
		report_done(&quiet);
		ret->options.help = early.help;
		ret->options.version = early.version;
		return 0;
	}

	r = configs_read(ret, &early, rep);
	r2 = options_read(ret, argc, rep);
	if (r2 < 0 || r < 0)
		return r2 < 0 ? r2 : r;
	return command_set(ret, rep);
}

void command_line_done(struct command_line *cl)
{
	options_done(&cl->options);
	mem_free(cl->words);
	cl->words = NULL;
}
