/* What this kernel can do. See features.h; the probes are in feature/. */
#include "kernel/features.h"

#include <string.h>

#include "kernel/feature/probe.h"

static const struct {
	const char *text, *about, *since;
	int (*probe)(void);
} table[] = {
#define FEATURE(name, text, about, since) [FEATURE_##name] = { text, about, since, probe_##name },
#include "kernel/features.def"
#undef FEATURE
};

int feature_ask(struct features *f, enum feature which, bool *ret)
{
	if (f->state[which] == FEATURE_UNASKED) {
		int answer = table[which].probe();

		f->state[which] = answer < 0 ? FEATURE_UNKNOWN : answer ? FEATURE_YES : FEATURE_NO;
		f->error[which] = answer < 0 ? answer : 0;
	}
	if (f->state[which] == FEATURE_UNKNOWN)
		return f->error[which];
	*ret = f->state[which] == FEATURE_YES;
	return 0;
}

bool feature_has(struct features *f, enum feature which)
{
	bool has = false;

	return feature_ask(f, which, &has) == 0 && has;
}

const char *feature_text(enum feature which)
{
	return table[which].text;
}

const char *feature_about(enum feature which)
{
	return table[which].about;
}

const char *feature_since(enum feature which)
{
	return table[which].since;
}

enum feature feature_find(const char *text)
{
	unsigned i = 0;

	while (i < FEATURE_MAX && strcmp(text, table[i].text) != 0)
		i++;
	return (enum feature)i;
}
