#pragma once
/*
 * A balanced binary tree (AA tree) for keys that can only be compared by asking somebody (kcmp):
 * the comparison may fail, so it is a callback with an error, and a lookup costs O(log n) calls.
 */
#include "base/base.h"

struct tree_node {
	struct tree_node *left, *right;
	unsigned level;
};

struct tree {
	struct tree_node *root;
};

/*
 * Compares the key with a node: stores <0, 0 or >0 in *ret_order; 0 or -errno.
 */
typedef int (*tree_cmp_fn)(void *ctx, const void *key, const struct tree_node *node,
			   int *ret_order);

/*
 * Finds the node equal to key (*ret_found, NULL when there is none), and when there is none and
 * `fresh` is not NULL, inserts `fresh` in its place. 0 or the comparison's -errno; the tree is
 * unchanged on error.
 */
int tree_find_or_insert(struct tree *t, tree_cmp_fn cmp, void *ctx, const void *key,
			struct tree_node *fresh, struct tree_node **ret_found) nodiscard;
