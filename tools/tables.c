/*
 * Prints the tables of commands, options and codes in the form of documents, at build time:
 *
 *	tables man-commands      troff, the commands of stasis
 *	tables man-options       troff, its options
 *	tables man-codes         troff, the codes of findings
 *	tables completion        a completion for bash of stasis and criu
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "request/options.h"

/* Text for troff: no line may start with a dot or quote, dashes of options are to be copied. */
static void troff(const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		if (*text == '\\')
			putchar('e');
		else if (*text == '\n' && text[1] == '\n')
			printf("\n.PP"), text++, putchar('\n');
		else
			putchar(*text);
	}
}

static void man_commands(void)
{
	for (enum command c = 0; c < CMD_MAX; c++) {
		const struct command_row *row = command_row(c);

		if (!(row->who & OWN) || row->state != BUILT)
			continue;
		printf(".TP\n.B ");
		troff(row->word);
		printf(" \\fR");
		troff(row->args);
		putchar('\n');
		troff(row->about);
		puts(".");
	}
}

/* "dump, check, tree"; nothing when every command takes it. */
static void man_option_commands(const struct option_row *row)
{
	const char *separator = " (";

	if (row->commands == UINT32_MAX)
		return;
	for (enum command c = 0; c < CMD_MAX; c++) {
		const struct command_row *command = command_row(c);

		if (!(command->who & OWN) || !(row->commands & (1u << c)))
			continue;
		printf("%s", separator);
		troff(command->word);
		separator = ", ";
	}
	if (separator[0] == ',')
		putchar(')');
}

static void man_option(const struct option_row *row)
{
	printf(".TP\n.B ");
	if (row->letter)
		printf("\\-%c\\fR, \\fB", row->letter);
	troff(row->type == TYPE_BOOL ? "--[no-]" : "--");
	troff(row->name);
	if (option_has_arg(row) == optional_argument)
		printf("\\fR[=\\fI%s", row->arg + 1);
	else if (row->arg[0])
		printf(" \\fI%s", row->arg);
	puts("\\fR");
	troff(row->help);
	man_option_commands(row);
	puts(row->state == LATER ? ".\nNot built yet." : ".");
}

static void man_options(void)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++) {
		if (!rows[i].name)
			printf(".SS %s\n", rows[i].help);
		else if (rows[i].who & OWN)
			man_option(&rows[i]);
	}
}

static void man_codes(void)
{
	for (enum code c = 0; c < CODE_MAX; c++) {
		printf(".TP\n.B ");
		troff(code_text(c));
		putchar('\n');
		troff(code_page(c));
		putchar('\n');
	}
}

static void completion_words(enum personality who, enum command c)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++)
		if (rows[i].name && (rows[i].who & who) && (rows[i].commands & (1u << c)) &&
		    rows[i].state != LATER)
			printf(" --%s", rows[i].name);
}

static void completion_of(enum personality who, const char *name)
{
	printf("\t%s)\n\t\tcase $command in\n", name);
	for (enum command c = 0; c < CMD_MAX; c++) {
		const struct command_row *row = command_row(c);

		if (!(row->who & who) || row->state != BUILT)
			continue;
		printf("\t\t%s) words=\"", row->word);
		completion_words(who, c);
		printf("\" ;;\n");
	}
	printf("\t\t*) words=\"");
	for (enum command c = 0; c < CMD_MAX; c++) {
		const struct command_row *row = command_row(c);

		if ((row->who & who) && row->state == BUILT)
			printf(" %s", row->word);
	}
	printf(" --help --version\" ;;\n\t\tesac ;;\n");
}

static void completion_codes(void)
{
	printf("\texplain) words=\"");
	for (enum code c = 0; c < CODE_MAX; c++)
		printf(" %s", code_text(c));
	printf("\" ;;\n");
}

static void completion(void)
{
	printf("# Completion of stasis and criu for bash. Made from the tables of the source.\n"
	       "_stasis()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word "
	       "command= words=\n"
	       "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	       "\t\t[[ $word != -* ]] && { command=$word; break; }\n"
	       "\tdone\n"
	       "\tcase $prev in\n"
	       "\t-t|--tree) COMPREPLY=($(compgen -W \"$(command ps -eo pid=)\" -- \"$cur\")); "
	       "return ;;\n"
	       "\t-D|--images-dir|-W|--work-dir|--freeze-cgroup)\n"
	       "\t\tcompopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
	       "\tesac\n"
	       "\tcase ${COMP_WORDS[0]##*/} in\n");
	completion_of(OWN, "stasis");
	completion_of(CRIU, "criu");
	printf("\tesac\n"
	       "\t[[ $cur == -* || -z $command ]] || case $command in\n");
	completion_codes();
	printf("\tshow|verify) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); return "
	       ";;\n"
	       "\tesac\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "}\n"
	       "complete -o default -F _stasis stasis\n"
	       "complete -o default -F _stasis criu\n");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*print)(void);
	} documents[] = {
		{ "man-commands", man_commands },
		{ "man-options", man_options },
		{ "man-codes", man_codes },
		{ "completion", completion },
	};

	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(documents); i++) {
		if (strcmp(argv[1], documents[i].word) != 0)
			continue;
		documents[i].print();
		return fflush(stdout) == EOF;
	}
	fprintf(stderr, "tables: man-commands, man-options, man-codes or completion?\n");
	return 2;
}
