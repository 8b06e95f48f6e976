/* stasis verify */
#include <stdio.h>

#include "cli/cli.h"
#include "report/units.h"
#include "restore/show.h"

static void print(const struct verified *v)
{
	scoped(str_done) struct str s = { 0 };

	units_add_count(&s, v->files, "file");
	str_addf(&s, ", ");
	units_add_bytes(&s, v->bytes);
	str_addf(&s, v->has_manifest ? "" : " (no manifest: contents could not be compared)");
	printf("verified %s: complete and undamaged\n", str_get(&s));
}

int cmd_verify(struct cli *c)
{
	struct options *o = &c->line.options;
	struct verified v = { 0 };
	int r = cli_check_args(c, 1);

	if (r < 0)
		return r;
	if (c->line.n_args > 0)
		o->images_dir = c->line.args[0];
	r = places_open(o, &c->report, &c->places);
	if (r == 0)
		r = verify_run(c->places.images_fd, &c->report, &v);
	c->result = json_pack("{si si sI sb}", "files", v.files, "damaged", v.damaged, "bytes",
			      (json_int_t)v.bytes, "manifest", v.has_manifest);
	if (r == 0 && cli_is_talking(c))
		print(&v);
	return r;
}
