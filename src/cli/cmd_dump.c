/* stasis dump */
#include <unistd.h>

#include "cli/cli.h"
#include "dump/dump.h"
#include "report/progress.h"

int cmd_dump(struct cli *c)
{
	struct dump_request rq;
	int r = cli_check_args(c, 0);

	if (r == 0)
		r = cli_check_privilege(c);
	if (r == 0)
		r = request_dump(&c->line.options, &c->places, &c->report, &rq);
	if (r < 0)
		return r;
	if (cli_is_talking(c))
		c->stats.progress = progress_new(STDERR_FILENO, "dumping");
	c->verb = "dumped";
	r = dump_run(&rq, &c->report, &c->stats);
	progress_free(c->stats.progress);
	c->stats.progress = NULL;
	return r < 0 ? r : hooks_ready(&rq.hooks, &c->report);
}
