/*
 * stasis check: what this host can do, or whether a live tree can be dumped. As criu it says in
 * CRIU's words whether the kernel looks good, and --feature answers with its exit code.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "dump/check_host.h"
#include "dump/dump.h"

static int check_tree(struct cli *c)
{
	struct dump_request rq;
	int r = cli_check_privilege(c);

	if (r == 0)
		r = request_dump(&c->line.options, &c->places, &c->report, &rq);
	if (r < 0)
		return r;
	c->verb = "could dump";
	return check_tree_run(&rq, &c->report, &c->stats);
}

/* What `criu check` prints; its exit code is 0 only when nothing is missing. */
static void criu_verdict(const struct host_verdict *v)
{
	if (v->missing_required > 0)
		puts("Does not look good.");
	else if (v->missing_extra > 0 || v->missing_experimental > 0)
		puts("Looks good but some kernel features are missing\n"
		     "which, depending on your process tree, may cause\n"
		     "dump or restore failure.");
	else
		puts("Looks good.");
}

/* `criu check --feature NAME` says so when the kernel has it. */
static void criu_print_supported(const struct host_verdict *v)
{
	vec_for_each(a, &v->answers)
		if (a->has)
			printf("%s is supported\n", a->name);
}

static void verdict_print(struct cli *c, const struct check_request *rq,
			  const struct host_verdict *v)
{
	if (rq->json && rq->list)
		c->result = json_pack("{so so}", "features", check_host_json(v), "kinds",
				      check_kinds_json());
	else if (rq->json)
		c->result = check_host_json(v);
	else if (c->line.who == OWN && !c->line.options.quiet)
		check_host_print(v, stdout);
	else if (c->line.who == CRIU && rq->features->n > 0)
		criu_print_supported(v);
	else if (c->line.who == CRIU)
		criu_verdict(v);
}

/* --feature list: their names, as a paragraph of words. */
static void feature_names_print(const struct host_verdict *v)
{
	int at = 0;

	vec_for_each(a, &v->answers) {
		if (at > 0 && at + (int)strlen(a->name) > 78) {
			putchar('\n');
			at = 0;
		}
		at += printf("%s%s", at > 0 ? " " : "", a->name);
	}
	putchar('\n');
}

static int check_host(struct cli *c)
{
	scoped(host_verdict_done) struct host_verdict v = { 0 };
	static const struct text_list none;
	struct check_request rq;
	bool names;
	int r = request_check(&c->line.options, &c->report, &rq);

	if (r < 0)
		return r;
	names = rq.features->n > 0 && strcmp(rq.features->at[0], "list") == 0;
	if (names) {
		rq.features = &none;
		rq.list = true;
	}
	r = check_host_run(&rq, &c->report, &v);
	if (r < 0 && r != -ENOSYS)
		return r;
	if (names && !rq.json)
		feature_names_print(&v);
	else
		verdict_print(c, &rq, &v);
	if (rq.list && !names && cli_is_talking(c))
		check_kinds_print(stdout);
	return r;
}

int cmd_check(struct cli *c)
{
	int r = cli_check_args(c, 0);

	if (r < 0)
		return r;
	return c->line.options.pid > 0 ? check_tree(c) : check_host(c);
}
