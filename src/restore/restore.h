#pragma once
/* The restore engine as front ends see it. All functions report what they find; 0 or -errno. */
#include <stdio.h>

#include "report/report.h"
#include "report/stats.h"
#include "request/request.h"

/*
 * Restores the tree. On failure nothing of it is left and the images are untouched. *ret_root: the
 * root's pid as we see it; with AFTER_WAIT and AFTER_EXEC it is our child, for the caller to wait
 * for. With dry_run the plan is written to `out` and no process is made.
 */
int restore_run(const struct restore_request *rq, struct report *rep, struct stats *st, FILE *out,
		pid_t *ret_root) nodiscard;
