/* AA tree. See tree.h. The path is walked first (all comparisons, which may fail), then linked and
 * rebalanced. */
#include "base/tree.h"

#define TREE_DEPTH 96 /* 2 log2(n) for more nodes than fit in memory */

static struct tree_node *tree_skew(struct tree_node *n)
{
	struct tree_node *l = n->left;

	if (!l || l->level != n->level)
		return n;
	n->left = l->right;
	l->right = n;
	return l;
}

static struct tree_node *tree_split(struct tree_node *n)
{
	struct tree_node *r = n->right;

	if (!r || !r->right || r->right->level != n->level)
		return n;
	n->right = r->left;
	r->left = n;
	r->level++;
	return r;
}

int tree_find_or_insert(struct tree *t, tree_cmp_fn cmp, void *ctx, const void *key,
			struct tree_node *fresh, struct tree_node **ret_found)
{
	struct tree_node **path[TREE_DEPTH];
	struct tree_node **at = &t->root;
	size_t depth = 0;

	while (*at) {
		int order, r = cmp(ctx, key, *at, &order);

		if (r < 0)
			return r;
		if (order == 0) {
			*ret_found = *at;
			return 0;
		}
		assert(depth < TREE_DEPTH);
		path[depth++] = at;
		at = order < 0 ? &(*at)->left : &(*at)->right;
	}

	*ret_found = NULL;
	if (!fresh)
		return 0;
	*fresh = (struct tree_node){ .level = 1 };
	*at = fresh;
	while (depth > 0) {
		at = path[--depth];
		*at = tree_skew(*at);
		*at = tree_split(*at);
	}
	return 0;
}
