#pragma once
/* Reports and statistics as JSON (jansson), for --json. Objects returned are new references owned
 * by the caller; NULL when out of memory. */
#include <jansson.h>

#include "report/report.h"
#include "report/stats.h"

/* [{"severity","code","where","cause","errno","remedy","text"}, ...], oldest first. */
json_t *report_to_json(const struct report *r) nodiscard;
/* {"times_us": {clock: n, ...}, "counts": {name: n, ...}}, clocks that never ran left out. */
json_t *stats_to_json(const struct stats *st) nodiscard;
/* A string value for bytes that need not be UTF-8 (paths, names): bad bytes become U+FFFD. */
json_t *json_text(const char *s) nodiscard;
/* Writes the value, indented, and a newline. 0, -EIO, or -ENOMEM when v is NULL. */
int json_print(const json_t *v, FILE *f) nodiscard;
