#pragma once
/* What this host can do: the kernel's features, each asked, weighed and told. */
#include <stdio.h>

#include "report/json.h"
#include "request/request.h"

enum need_weight { NEED_EXTRA, NEED_REQUIRED, NEED_EXPERIMENTAL };

struct host_answer {
	const char *name;  /* "clone3_set_tid" */
	const char *about; /* what it is */
	const char *since; /* release */
	enum need_weight weight;
	bool has;
	int err; /* -errno: it could not be found out */
};

struct host_verdict {
	struct {
		VEC(struct host_answer);
	} answers;
	unsigned missing_required, missing_extra, missing_experimental;
};

void host_verdict_done(struct host_verdict *v);
SCOPED_OBJECT(struct host_verdict, host_verdict_done);

/*
 * Asks for the features that the request names; without any for the required ones and as asked for
 * the others (--extra, --experimental, --list: all). What is missing of them is reported with
 * E-FEATURE. 0, -ENOSYS when something is missing (the verdict is complete then), -EINVAL for an
 * unknown name.
 */
int check_host_run(const struct check_request *rq, struct report *rep,
		   struct host_verdict *ret) nodiscard;

/* The verdict as a table. */
void check_host_print(const struct host_verdict *v, FILE *out);
/* The same for --json; a new reference, NULL when out of memory. */
json_t *check_host_json(const struct host_verdict *v) nodiscard;

/* The kinds of kernel objects that can be dumped and restored, as a table and for --json. */
void check_kinds_print(FILE *out);
json_t *check_kinds_json(void) nodiscard;
