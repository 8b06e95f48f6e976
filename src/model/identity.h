#pragma once
/*
 * Identity: which handles name one kernel object. Objects without a visible identity (mm, fs,
 *files, sighand, open file descriptions) can only be compared in pairs, by kcmp(2), which gives an
 *order that is stable while the objects live.
 *
 * Two levels. The first key is a generation id: a number made of what /proc shows for free, equal
 *for equal objects (the layout of an address space, the position and inode of a file). It keeps
 *most lookups away from kcmp altogether: a handle with a fresh generation id is a fresh object, no
 *questions asked. Among the handles of one generation id the second key is kcmp's order, in a
 *balanced tree: O(log n) calls for a lookup.
 *
 *	generation id --hash--> tree { handle -> object id } ordered by kcmp
 *
 * The room knows nothing of kcmp itself: the caller hands in the comparison.
 */
#include "base/map.h"
#include "base/tree.h"

/* One handle through which an object can be reached: a task, or a descriptor of a task. */
struct handle {
	int pid;
	int fd; /* descriptor number; -1 when the task is the handle */
};

/* Compares two handles: <0, 0, >0 in *ret_order; 0 or -errno. */
typedef int (*identity_cmp_fn)(void *ctx, struct handle a, struct handle b, int *ret_order);

struct identity {
	struct map generations; /* generation id -> struct generation */
	identity_cmp_fn cmp;
	void *ctx;
	uint64_t n_compared; /* calls of cmp, for statistics */
};

void identity_init(struct identity *id, identity_cmp_fn cmp, void *ctx);
void identity_done(struct identity *id);
SCOPED_OBJECT(struct identity, identity_done);

/*
 * The object behind a handle: *ret_value is what was stored for it, or NULL when it is met for the
 * first time; then `fresh` (not NULL) is stored. 0, -ENOMEM or the comparison's -errno.
 */
int identity_find_or_add(struct identity *id, uint64_t generation, struct handle h, void *fresh,
			 void **ret_value) nodiscard;
