/* stasis show: its JSON is that of the images themselves, not wrapped in a result. */
#include "cli/cli.h"
#include "restore/show.h"

int cmd_show(struct cli *c)
{
	const char *path = c->line.n_args > 0 ? c->line.args[0] : c->line.options.images_dir;
	bool json = c->line.options.json;
	int r = cli_check_args(c, 1);

	if (r < 0)
		return r;
	if (!path)
		return report_refuse(&c->report, -EINVAL, CODE_USAGE,
				     "which directory or image shall be shown?");
	c->has_own_json = true;
	return show_run(path, json ? SHOW_JSON : SHOW_TEXT, &c->report, stdout);
}
