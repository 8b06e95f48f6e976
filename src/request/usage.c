/* Help texts. See usage.h. */
#include "request/usage.h"

#include <getopt.h>
#include <string.h>

#define WIDTH      88
#define TEXT_LEFT  30 /* where the help of an option starts */
#define ABOUT_LEFT 16 /* where that of a command starts */

static const char *own_name(enum personality who)
{
	return who == CRIU ? "criu" : "stasis";
}

/* Writes words from column `left` on, in lines; the cursor is at column `at`. */
static void wrap(FILE *f, const char *text, int left, int at)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (at < left || at + 1 + len > WIDTH) {
			fprintf(f, "%s%*s", at < left ? "" : "\n", at < left ? left - at : left,
				"");
			at = left;
		} else if (at > left) {
			fputc(' ', f);
			at++;
		}
		fprintf(f, "%.*s", len, text);
		at += len;
		text += len + (text[len] == ' ');
	}
	fputc('\n', f);
}

void usage_print(FILE *f, enum personality who)
{
	fprintf(f, "Usage: %s COMMAND [OPTION...]\n\n", own_name(who));
	for (enum command c = 0; c < CMD_MAX; c++) {
		const struct command_row *row = command_row(c);
		int at;

		if (!(row->who & who) || row->state == OLD)
			continue;
		at = fprintf(f, "  %s", row->word);
		if (at >= ABOUT_LEFT) {
			fputc('\n', f);
			at = 0;
		}
		wrap(f, row->about, ABOUT_LEFT, at);
		if (row->state == LATER)
			fprintf(f, "%*s(not built yet)\n", ABOUT_LEFT, "");
	}
	fprintf(f,
		"\n%s COMMAND --help lists the options of a command, %s --version tells the "
		"version.\n",
		own_name(who), own_name(who));
}

/* "  -t, --tree PID", "      --cpu-cap[=CAP,...]"; gives the column reached. */
static int option_head(FILE *f, const struct option_row *row)
{
	bool optional = option_has_arg(row) == optional_argument;
	int at = row->letter ? fprintf(f, "  -%c, ", row->letter) : fprintf(f, "      ");

	at += fprintf(f, row->type == TYPE_BOOL ? "--[no-]%s" : "--%s", row->name);
	if (optional)
		at += fprintf(f, "[=%s", row->arg + 1); /* its own bracket follows */
	else if (row->arg[0])
		at += fprintf(f, " %s", row->arg);
	return at;
}

static void option_print(FILE *f, const struct option_row *row)
{
	int at = option_head(f, row);

	if (at + 2 > TEXT_LEFT) {
		fputc('\n', f);
		at = 0;
	}
	wrap(f, row->help, TEXT_LEFT, at);
	if (row->state == LATER)
		fprintf(f, "%*s(not built yet)\n", TEXT_LEFT, "");
}

void usage_print_command(FILE *f, enum personality who, const struct command_row *command)
{
	const char *title = NULL;
	size_t n;
	const struct option_row *rows = option_rows(&n);

	fprintf(f, "Usage: %s %s %s%s[OPTION...]\n\n", own_name(who), command->word, command->args,
		command->args[0] ? " " : "");
	wrap(f, command->about, 0, 0);
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].name) {
			title = rows[i].help;
			continue;
		}
		if (!(rows[i].who & who) || !(rows[i].commands & (1u << command->id)))
			continue;
		if (title)
			fprintf(f, "\n%s:\n", title);
		title = NULL;
		option_print(f, &rows[i]);
	}
}

/* How many letters of the shorter word stand at the same place in the other. */
static size_t likeness(const char *a, const char *b)
{
	size_t same = 0;

	for (size_t i = 0; a[i] && b[i]; i++)
		same += a[i] == b[i];
	return same;
}

const char *usage_nearest_command(enum personality who, const char *word)
{
	const char *best = NULL;
	size_t best_likeness = 1; /* one letter is chance */

	for (enum command c = 0; c < CMD_MAX; c++) {
		const struct command_row *row = command_row(c);
		size_t same = likeness(word, row->word);

		if (!(row->who & who) || row->state == OLD || same <= best_likeness)
			continue;
		best = row->word;
		best_likeness = same;
	}
	return best;
}
