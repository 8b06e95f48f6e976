#pragma once
/*
 * Our own capabilities (of the calling thread): capget(2), capset(2). Those of a target are in its
 * status. Numbers are CAP_* of <linux/capability.h>.
 */
#include "base/base.h"

struct cap_sets {
	uint64_t effective, permitted, inheritable;
};

int cap_own_get(struct cap_sets *ret) nodiscard;
/* -EPERM: permitted may only shrink, effective not exceed it. */
int cap_own_set(const struct cap_sets *caps) nodiscard;
/* Whether a capability is effective; false also when the kernel does not know it. */
bool cap_own_has(unsigned cap);

/* "CAP_SYS_ADMIN"; "CAP_?" for numbers that we do not know. */
const char *cap_name(unsigned cap);
