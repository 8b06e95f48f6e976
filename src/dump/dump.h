#pragma once
/* The dump engine as front ends see it. All functions report what they find; 0 or -errno. */
#include <stdio.h>

#include "report/report.h"
#include "report/stats.h"
#include "request/request.h"

/* Dumps the tree. On failure it runs on as before and the images directory has no inventory. */
int dump_run(const struct dump_request *rq, struct report *rep, struct stats *st) nodiscard;

/* A dump that stops before writing: every obstacle is in the report, what the dump would cost in
 * *st. -ENOTSUP when there are obstacles. */
int check_tree_run(const struct dump_request *rq, struct report *rep, struct stats *st) nodiscard;

/* Draws the live tree with the ids of what its tasks share: text, or JSON when the request says so.
 */
int tree_run(const struct dump_request *rq, struct report *rep, FILE *out) nodiscard;
