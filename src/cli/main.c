/*
 * The program: reads the command line, runs the command, says how it went. Called as criu it speaks
 * like CRIU; see request/command_line.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "request/usage.h"

static const command_fn command_fns[CMD_MAX] = {
	[CMD_DUMP] = cmd_dump,       [CMD_RESTORE] = cmd_restore, [CMD_CHECK] = cmd_check,
	[CMD_TREE] = cmd_tree,       [CMD_SHOW] = cmd_show,       [CMD_VERIFY] = cmd_verify,
	[CMD_EXPLAIN] = cmd_explain,
};

/* Callers close 0, 1 and 2 before they start us; no image or socket may land there. */
static int standard_fds_fill(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd < 3);
	fd_close(fd);
	return 0;
}

int cli_check_privilege(struct cli *c)
{
	if (geteuid() == 0 || c->line.options.unprivileged)
		return 0;
	return report_refuse_with(&c->report, -EPERM, CODE_NO_PRIVILEGE,
				  "run it as root, or try with --unprivileged", "%s needs root",
				  command_row(c->line.command)->word);
}

static int print_version(const struct cli *c)
{
	if (c->line.who == CRIU)
		printf("Version: %s\n", CRIU_VERSION);
	else
		printf("stasis %s\n", STASIS_VERSION);
	return fflush(stdout) == EOF ? EXIT_FAILED : EXIT_OK;
}

static int print_help(const struct cli *c)
{
	const struct command_row *row = command_row(c->line.command);

	if (row && row->state != OLD)
		usage_print_command(stdout, c->line.who, row);
	else
		usage_print(stdout, c->line.who);
	return fflush(stdout) == EOF ? EXIT_FAILED : EXIT_OK;
}

/* After a mistake in the command line: where to look. */
static void print_hint(const struct cli *c)
{
	const char *name = c->line.who == CRIU ? "criu" : "stasis";
	const struct command_row *row = command_row(c->line.command);
	const char *near = NULL;

	if (c->line.options.json)
		return;
	if (!row && c->line.n_args > 0)
		near = usage_nearest_command(c->line.who, c->line.args[0]);
	if (!row && c->line.n_args == 0)
		usage_print(stderr, c->line.who);
	else if (near)
		fprintf(stderr, "Did you mean %s %s?\n", name, near);
	else
		fprintf(stderr, "Try %s %s%s--help\n", name, row ? row->word : "", row ? " " : "");
}

static bool needs_places(const struct cli *c)
{
	return c->line.who == CRIU || c->line.command == CMD_DUMP || c->line.command == CMD_RESTORE;
}

/*
 * Directories, log, and as criu the current directory too: whoever calls it knows that relative
 * paths start at the work directory. The log is opened even when the command line was wrong,
 * because the log file is where callers look for the reason.
 */
static int surroundings_open(struct cli *c)
{
	int r = 0, r2;

	vec_for_each(fd, &c->line.options.close_fds)
		(void)close(*fd); /* not open: what was wanted */
	if (needs_places(c))
		r = places_open(&c->line.options, &c->report, &c->places);
	if (r == 0 && c->line.who == CRIU && fchdir(c->places.work_fd) < 0)
		r = report_fail(&c->report, -errno, "cannot enter directory %s", c->places.work);
	r2 = cli_open_log(c);
	return r < 0 ? r : r2;
}

static int run(struct cli *c, int parsed)
{
	int r = surroundings_open(c);

	if (parsed < 0) {
		int code = cli_finish(c, parsed);

		print_hint(c);
		return code;
	}
	if (r == 0) {
		stats_start(&c->stats, STATS_CLOCK_total);
		r = command_fns[c->line.command](c);
		stats_stop(&c->stats, STATS_CLOCK_total);
	}
	return cli_finish(c, r);
}

int main(int argc, char **argv)
{
	struct cli c = { .places = { .images_fd = -EBADF, .work_fd = -EBADF } };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	int r, code;

	if (standard_fds_fill() < 0)
		return EXIT_FAILED;
	(void)sigaction(SIGPIPE, &ignore, NULL); /* a reader that went away is write(2)'s error */
	report_init(&c.report);
	r = command_line_parse(argc, argv, &c.report, &c.line);
	if (c.line.options.version)
		code = print_version(&c);
	else if (c.line.options.help)
		code = print_help(&c);
	else
		code = run(&c, r);
	json_decref(c.result);
	places_done(&c.places);
	command_line_done(&c.line);
	report_done(&c.report);
	log_flush();
	return code;
}
