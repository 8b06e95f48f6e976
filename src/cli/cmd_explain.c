/* stasis explain: the page about an error code, or the list of all. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define WIDTH 78

/* Prints a paragraph (up to "\n\n" or the end) in lines; gives what follows it. */
static const char *paragraph_print(const char *p)
{
	int at = 0;

	while (*p && *p != '\n') {
		int len = (int)strcspn(p, " \n");

		if (at > 0 && at + 1 + len > WIDTH) {
			putchar('\n');
			at = 0;
		}
		at += printf("%s%.*s", at > 0 ? " " : "", len, p);
		p += len;
		p += *p == ' ';
	}
	putchar('\n');
	return p + strspn(p, "\n");
}

static void page_print(enum code code)
{
	const char *p = code_page(code);

	printf("%s\n\n", code_text(code));
	while (*p) {
		p = paragraph_print(p);
		if (*p)
			putchar('\n');
	}
	if (code_remedy(code)[0]) {
		printf("\nWhat helps: ");
		printf("%s.\n", code_remedy(code));
	}
}

static json_t *code_to_json(enum code code)
{
	return json_pack("{ss ss ss}", "code", code_text(code), "remedy", code_remedy(code), "page",
			 code_page(code));
}

static int list_all(struct cli *c)
{
	c->result = json_array();
	for (enum code code = 0; code < CODE_MAX; code++) {
		size_t sentence = strcspn(code_page(code), ".:");

		if (json_array_append_new(c->result, code_to_json(code)) < 0)
			return report_fail(&c->report, -ENOMEM, "cannot list the codes");
		if (!c->line.options.json)
			printf("%-20s %.*s\n", code_text(code), (int)MIN(sentence, (size_t)90),
			       code_page(code));
	}
	return 0;
}

int cmd_explain(struct cli *c)
{
	enum code code;
	int r = cli_check_args(c, 1);

	if (r < 0)
		return r;
	if (c->line.n_args == 0)
		return list_all(c);
	code = code_find(c->line.args[0]);
	if (code == CODE_MAX)
		return report_refuse(&c->report, -EINVAL, CODE_USAGE,
				     "there is no code %s; stasis explain lists them all",
				     c->line.args[0]);
	c->result = code_to_json(code);
	if (!c->line.options.json)
		page_print(code);
	return 0;
}
