#pragma once
/*
 * What this kernel can do, and lets us do: each feature is tried out when it is first asked for,
 * never guessed from a version number. Probing changes nothing that anybody can see; some probes
 * take a child of their own for a few milliseconds.
 *
 * An answer is about the caller: privileges and namespaces count.
 */
#include "base/base.h"

enum feature {
#define FEATURE(name, text, about, since) FEATURE_##name,
#include "kernel/features.def"
#undef FEATURE
	FEATURE_MAX,
};

enum feature_state { FEATURE_UNASKED, FEATURE_YES, FEATURE_NO, FEATURE_UNKNOWN };

/* Answers so far; zero-initialised is "nothing asked yet". May be copied and stored. */
struct features {
	uint8_t state[FEATURE_MAX]; /* enum feature_state */
	int error[FEATURE_MAX];     /* -errno of UNKNOWN */
};

/*
 * Whether the kernel has a feature, probing it at the first question. False also when it could not
 * be found out; feature_ask() tells the two apart.
 */
bool feature_has(struct features *f, enum feature which);
/* The same: 0 and *ret, or the -errno that kept us from finding out (no privilege, no memory). */
int feature_ask(struct features *f, enum feature which, bool *ret) nodiscard;

/* Static facts: "uffd-noncoop", the sentence about it, the release it came with. */
const char *feature_text(enum feature which);
const char *feature_about(enum feature which);
const char *feature_since(enum feature which);
/* The feature with this text; FEATURE_MAX when there is none. */
enum feature feature_find(const char *text);
