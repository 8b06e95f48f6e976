/* Reports and statistics as JSON. See json.h. */
#include "report/json.h"

#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* How long the UTF-8 sequence at p is, 0 when there is none. jansson refuses the same things. */
static size_t utf8_len(const unsigned char *p)
{
	uint32_t c = *p;
	size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (len < 2)
		return len;
	c &= 0xffu >> (len + 1);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((len == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (len == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return len;
}

json_t *json_text(const char *s)
{
	scoped(str_done) struct str clean = { 0 };

	while (*s) {
		size_t len = utf8_len((const unsigned char *)s);

		if (len > 0)
			str_add(&clean, s, len);
		else
			str_add(&clean, replacement, sizeof(replacement) - 1);
		s += MAX(len, (size_t)1);
	}
	return clean.failed ? NULL : json_string(str_get(&clean));
}

static json_t *finding_to_json(const struct finding *f)
{
	scoped(str_done) struct str text = { 0 };

	if (finding_text(f, &text) < 0)
		return NULL;
	return json_pack("{ss ss so so si so so}", "severity", severity_text(f->severity), "code",
			 code_text(f->code), "where", json_text(f->where), "cause",
			 json_text(f->cause), "errno", -f->err, "remedy",
			 json_text(finding_remedy(f)), "text", json_text(str_get(&text)));
}

json_t *report_to_json(const struct report *r)
{
	json_t *all = json_array();
	const struct finding *f;

	list_for_each(f, &r->findings, link) {
		if (json_array_append_new(all, finding_to_json(f)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

json_t *stats_to_json(const struct stats *st)
{
	json_t *times = json_object(), *counts = json_object();
	int r = 0;

	for (enum stats_clock c = 0; c < STATS_CLOCK_MAX; c++)
		if (stats_spent(st, c) > 0)
			r |= json_object_set_new(times, stats_clock_name(c),
						 json_integer((json_int_t)stats_spent(st, c)));
#define STATS_CLOCK(name, about)
#define STATS_COUNT(name, about)                                                                   \
	r |= json_object_set_new(counts, #name, json_integer((json_int_t)st->name));
#include "report/stats.def"
#undef STATS_CLOCK
#undef STATS_COUNT
	if (r != 0) {
		json_decref(times);
		json_decref(counts);
		return NULL;
	}
	return json_pack("{so so}", "times_us", times, "counts", counts);
}

int json_print(const json_t *v, FILE *f)
{
	if (!v)
		return -ENOMEM;
	if (json_dumpf(v, f, JSON_INDENT(2)) < 0 || fputc('\n', f) == EOF || fflush(f) == EOF)
		return -EIO;
	return 0;
}
