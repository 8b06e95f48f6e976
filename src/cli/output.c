/*
 * How results reach the user: findings and the summary on stderr, data on stdout. As criu only the
 * log speaks, and one line on stderr when the log went into a file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "report/units.h"

bool cli_is_talking(const struct cli *c)
{
	return c->line.who == OWN && !c->line.options.json && !c->line.options.quiet;
}

int cli_check_args(struct cli *c, size_t max)
{
	if (c->line.n_args <= max)
		return 0;
	return report_refuse(&c->report, -EINVAL, CODE_USAGE, "too many words: %s",
			     c->line.args[max]);
}

static bool finding_is_usage(const struct finding *f)
{
	static const enum code codes[] = {
		CODE_USAGE,          CODE_OPTION_VALUE,     CODE_OPTION_CONFLICT,
		CODE_OPTION_COMMAND, CODE_OPTION_NOT_BUILT, CODE_COMMAND_NOT_BUILT,
		CODE_CONFIG,         CODE_DEPRECATED,
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (f->code == codes[i])
			return true;
	return false;
}

static int exit_code_of(const struct cli *c, int r)
{
	const struct finding *first = report_first(&c->report);
	const struct command_row *row = command_row(c->line.command);

	if (r >= 0 && c->report.n_failures == 0)
		return c->exit_code;
	if (c->line.who == CRIU)
		return row && row->state == OLD ? EXIT_CRIU_OLD : EXIT_FAILED;
	return first && finding_is_usage(first) ? EXIT_USAGE : EXIT_FAILED;
}

static void finding_print(const struct finding *f, const char *name)
{
	scoped(str_done) struct str text = { 0 };
	const char *remedy = finding_remedy(f);

	(void)finding_text(f, &text); /* as much as there is memory for */
	fprintf(stderr, "%s: %s%s [%s]\n", name, f->severity == SEVERITY_WARNING ? "warning: " : "",
		str_get(&text), code_text(f->code));
	if (remedy[0])
		fprintf(stderr, "%*s  remedy: %s\n", (int)strlen(name) - 1, "", remedy);
}

static void report_print(const struct cli *c)
{
	const struct finding *f;

	list_for_each(f, &c->report.findings, link)
		if (f->severity == SEVERITY_FAILURE ||
		    (f->severity == SEVERITY_WARNING && !c->line.options.quiet))
			finding_print(f, "stasis");
}

static void summary_print(const struct cli *c)
{
	scoped(str_done) struct str s = { 0 };

	if (stats_summary(&c->stats, c->verb, &s) == 0)
		fprintf(stderr, "%s\n", str_get(&s));
}

/* --display-stats */
static void stats_print(const struct stats *st)
{
	for (enum stats_clock k = 0; k < STATS_CLOCK_MAX; k++)
		if (stats_spent(st, k) > 0)
			printf("%-24s %10" PRIu64 " us  %s\n", stats_clock_name(k),
			       stats_spent(st, k), stats_clock_about(k));
#define STATS_CLOCK(name, about)
#define STATS_COUNT(name, about)                                                                   \
	if (st->name > 0)                                                                          \
		printf("%-24s %10" PRIu64 "     %s\n", #name, st->name, about);
#include "report/stats.def"
#undef STATS_CLOCK
#undef STATS_COUNT
}

void cli_say_done(struct cli *c)
{
	stats_stop(&c->stats, STATS_CLOCK_total);
	if (!c->verb || c->said_done || c->line.options.json)
		return;
	c->said_done = true;
	if (cli_is_talking(c))
		summary_print(c);
	if (c->line.options.display_stats)
		stats_print(&c->stats);
}

static int json_finish(struct cli *c, int code)
{
	const struct command_row *row = command_row(c->line.command);
	scoped(str_done) struct str s = { 0 };
	json_t *all =
		json_pack("{ss sb si so}", "command", row ? row->word : "", "ok", code == EXIT_OK,
			  "exit_code", code, "findings", report_to_json(&c->report));
	int r = all ? 0 : -1;

	if (c->verb)
		r |= json_object_set_new(all, "stats", stats_to_json(&c->stats));
	if (c->verb && code == EXIT_OK) {
		(void)stats_summary(&c->stats, c->verb, &s); /* checked by json_text() */
		r |= json_object_set_new(all, "summary", json_text(str_get(&s)));
	}
	if (c->result)
		r |= json_object_set_new(all, "result", ptr_take(&c->result));
	r = r == 0 ? json_print(all, stdout) : -ENOMEM;
	json_decref(all);
	return r;
}

/* As criu: one line, when the log with everything went where the user may not look. */
static void criu_print(const struct cli *c)
{
	const struct finding *f = report_first(&c->report);
	scoped(str_done) struct str s = { 0 };

	if (!f || !c->line.options.log_file)
		return;
	(void)finding_text(f, &s); /* as much as there is memory for */
	fprintf(stderr, "criu: %s\n", str_get(&s));
	if (finding_remedy(f)[0])
		fprintf(stderr, "criu: %s\n", finding_remedy(f));
}

/* A reader that has seen enough (`stasis show DIR | head`) is no trouble worth a word. */
static int stdout_finish(void)
{
	int r = fflush(stdout) == EOF ? -errno : ferror(stdout) ? -EIO : 0;

	if (r < 0 && r != -EPIPE)
		fprintf(stderr, "stasis: cannot write the output: %s\n",
			strerrordesc_np(-r) ?: "unknown error");
	return r;
}

int cli_finish(struct cli *c, int r)
{
	int code = exit_code_of(c, r);
	bool ok = r >= 0 && c->report.n_failures == 0;
	bool json = c->line.options.json && !c->has_own_json;

	/* A failure that nobody reported would be a mistake of ours: never be silent. */
	if (r < 0 && c->report.n_failures == 0)
		(void)report_fail(&c->report, r, "failed");
	if (c->line.who == CRIU)
		criu_print(c);
	else if (!json)
		report_print(c);
	if (ok)
		cli_say_done(c);
	if (json && json_finish(c, code) < 0)
		return EXIT_FAILED;
	return stdout_finish() < 0 ? EXIT_FAILED : code;
}
