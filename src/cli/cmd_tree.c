/* stasis tree: prints to stdout, as text or JSON; with --json nothing else is printed there. */
#include "cli/cli.h"
#include "dump/dump.h"

int cmd_tree(struct cli *c)
{
	struct dump_request rq;
	char *text = NULL;
	size_t len = 0;
	FILE *f;
	int r = cli_check_args(c, 0);

	if (r == 0)
		r = cli_check_privilege(c);
	if (r == 0)
		r = request_dump(&c->line.options, &c->places, &c->report, &rq);
	if (r < 0)
		return r;
	if (!rq.json)
		return tree_run(&rq, &c->report, stdout);

	f = open_memstream(&text, &len);
	if (!f)
		return report_fail(&c->report, -errno, "cannot keep the result");
	r = tree_run(&rq, &c->report, f);
	if (fclose(f) == EOF && r == 0)
		r = report_fail(&c->report, -ENOMEM, "cannot keep the result");
	if (r == 0)
		c->result = json_loadb(text, len, 0, NULL);
	mem_free(text);
	return r;
}
