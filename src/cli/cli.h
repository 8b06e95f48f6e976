#pragma once
/*
 * What the commands share: one struct for the run of the program, and how results reach the user.
 *
 * A command is one function in a file of its own. It makes a request, runs it, and prints what only
 * it can print; the report, the summary and the exit code are main's.
 */
#include "report/json.h"
#include "report/report.h"
#include "report/stats.h"
#include "request/command_line.h"
#include "request/request.h"

struct cli {
	struct command_line line;
	struct report report;
	struct stats stats;
	struct places places; /* opened for the commands that need directories */
	json_t *result;       /* what --json prints under "result"; owned, NULL when nothing */
	bool has_own_json;    /* the command printed what --json asks for; failures go to stderr */
	const char *verb;     /* of the summary line ("dumped"); NULL: there is none */
	bool said_done;       /* it was printed already */
	int exit_code;        /* of success; a foreground restore passes on the root's */
};

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CRIU_OLD = 255 };

/* 0 or -errno, reported in c->report. */
typedef int (*command_fn)(struct cli *c);
int cmd_dump(struct cli *c);
int cmd_restore(struct cli *c);
int cmd_check(struct cli *c);
int cmd_tree(struct cli *c);
int cmd_show(struct cli *c);
int cmd_verify(struct cli *c);
int cmd_explain(struct cli *c);

/* main.c */

/* Refuses to try without root, unless --unprivileged says that it may fail. */
int cli_check_privilege(struct cli *c);

/* output.c */

/* Whether plain text may be written to stdout: not under --json or --quiet. */
bool cli_is_talking(const struct cli *c);
/* The work is done: stops the clock and prints the summary line and --display-stats, unless JSON
 * will have them at the end. */
void cli_say_done(struct cli *c);
/* Report, JSON, and what was not yet said. `r` is the command's result. Gives the exit code. */
int cli_finish(struct cli *c, int r);
/* Refuses words that the command does not take; takes at most `max`. */
int cli_check_args(struct cli *c, size_t max);

/* logfile.c */

/* Opens the log where the options say; failing that it goes to stderr. 0 or -errno, reported. */
int cli_open_log(struct cli *c);
