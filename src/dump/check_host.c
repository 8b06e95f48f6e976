/* The host's features. See check_host.h. */
#include "dump/check_host.h"

#include <string.h>

#include "kernel/features.h"
#include "object/kinds.h"

static enum need_weight weight_of(enum feature f)
{
	static const enum need_weight weights[FEATURE_MAX] = {
#define NEED(feature, weight) [FEATURE_##feature] = NEED_##weight,
#include "dump/check_host.def"
#undef NEED
	};

	return weights[f];
}

static bool is_wanted(const struct check_request *rq, enum feature f)
{
	switch (weight_of(f)) {
	case NEED_REQUIRED:
		return true;
	case NEED_EXTRA:
		return rq->extra || rq->list;
	case NEED_EXPERIMENTAL:
		return rq->experimental || rq->list;
	}
	return false;
}

static int answer_add(struct features *features, enum feature f, struct host_verdict *v)
{
	struct host_answer a = {
		.name = feature_text(f),
		.about = feature_about(f),
		.since = feature_since(f),
		.weight = weight_of(f),
	};

	a.err = feature_ask(features, f, &a.has);
	return vec_push(&v->answers, a);
}

/* The features that were named; "list" stands for all of them. */
static int ask_named(const struct check_request *rq, struct features *features, struct report *rep,
		     struct host_verdict *v)
{
	int r = 0;

	vec_for_each(name, rq->features) {
		enum feature f = feature_find(*name);

		if (f == FEATURE_MAX)
			return report_refuse(rep, -EINVAL, CODE_OPTION_VALUE,
					     "option --feature: there is no feature %s", *name);
		r = answer_add(features, f, v);
		if (r < 0)
			return r;
	}
	return r;
}

static int ask_all(const struct check_request *rq, struct features *features,
		   struct host_verdict *v)
{
	for (enum feature f = 0; f < FEATURE_MAX; f++) {
		int r = is_wanted(rq, f) ? answer_add(features, f, v) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static void count_missing(struct host_verdict *v, const struct host_answer *a)
{
	v->missing_required += a->weight == NEED_REQUIRED;
	v->missing_extra += a->weight == NEED_EXTRA;
	v->missing_experimental += a->weight == NEED_EXPERIMENTAL;
}

static int verdict_report(const struct check_request *rq, struct report *rep,
			  struct host_verdict *v)
{
	int ret = 0;

	vec_for_each(a, &v->answers) {
		if (a->has)
			continue;
		count_missing(v, a);
		if (rq->list)
			continue; /* a list is no demand */
		if (a->err < 0)
			ret = report_refuse(rep, -ENOSYS, CODE_FEATURE,
					    "cannot find out about %s (%s): %s", a->name, a->about,
					    strerrordesc_np(-a->err) ?: "unknown error");
		else
			ret = report_refuse(rep, -ENOSYS, CODE_FEATURE,
					    "this kernel lacks %s (%s), which came with Linux %s",
					    a->name, a->about, a->since);
	}
	return ret;
}

int check_host_run(const struct check_request *rq, struct report *rep, struct host_verdict *ret)
{
	REPORT_FRAME(rep, "check");
	struct features features = { 0 };
	int r;

	if (rq->features->n > 0)
		r = ask_named(rq, &features, rep, ret);
	else
		r = ask_all(rq, &features, ret);
	if (r == -ENOMEM)
		return report_fail(rep, r, "cannot keep the answers");
	return r < 0 ? r : verdict_report(rq, rep, ret);
}

static const char *weight_text(enum need_weight weight)
{
	static const char *const texts[] = {
		[NEED_EXTRA] = "extra",
		[NEED_REQUIRED] = "required",
		[NEED_EXPERIMENTAL] = "experimental",
	};

	return texts[weight];
}

void check_host_print(const struct host_verdict *v, FILE *out)
{
	vec_for_each(a, &v->answers)
		fprintf(out, "%-7s %-13s %-25s %s\n",
			a->has       ? "yes"
			: a->err < 0 ? "unknown"
				     : "no",
			weight_text(a->weight), a->name, a->about);
}

json_t *check_host_json(const struct host_verdict *v)
{
	json_t *all = json_array();

	vec_for_each(a, &v->answers) {
		json_t *one =
			json_pack("{ss ss ss ss sb}", "name", a->name, "about", a->about, "since",
				  a->since, "weight", weight_text(a->weight), "has", a->has);

		if (json_array_append_new(all, one) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/* Calls visit(family, name, about) for each row of kinds.def. */
static void kinds_visit(void (*visit)(void *ctx, const char *family, const char *name,
				      const char *about),
			void *ctx)
{
	for (size_t i = 0; i < FILE_KIND_MAX; i++)
		visit(ctx, "file", file_kinds[i]->name, file_kinds[i]->about);
	for (size_t i = 0; i < TASK_KIND_MAX; i++)
		visit(ctx, "task", task_kinds[i]->name, task_kinds[i]->about);
	for (size_t i = 0; i < MEM_KIND_MAX; i++)
		visit(ctx, "mem", mem_kinds[i]->name, mem_kinds[i]->about);
}

static void kind_print(void *ctx, const char *family, const char *name, const char *about)
{
	fprintf(ctx, "%-7s %-13s %-25s %s\n", "kind", family, name, about);
}

void check_kinds_print(FILE *out)
{
	kinds_visit(kind_print, out);
}

static void kind_add(void *ctx, const char *family, const char *name, const char *about)
{
	/* A failure shows as a list that is too short: check_kinds_json() compares. */
	(void)json_array_append_new(ctx, json_pack("{ss ss ss}", "family", family, "name", name,
						   "about", about));
}

json_t *check_kinds_json(void)
{
	json_t *all = json_array();

	kinds_visit(kind_add, all);
	if (json_array_size(all) == FILE_KIND_MAX + TASK_KIND_MAX + MEM_KIND_MAX)
		return all;
	json_decref(all);
	return NULL;
}

void host_verdict_done(struct host_verdict *v)
{
	vec_done(&v->answers);
}
