/* Two-level identity. See identity.h. */
#include "model/identity.h"

struct identity_node {
	struct tree_node node;
	struct handle handle;
	void *value;
	struct identity_node *next; /* all nodes of a generation, for freeing */
};

struct generation {
	struct tree tree;
	struct identity_node *nodes;
};

void identity_init(struct identity *id, identity_cmp_fn cmp, void *ctx)
{
	*id = (struct identity){ .cmp = cmp, .ctx = ctx };
}

void identity_done(struct identity *id)
{
	map_for_each(e, &id->generations) {
		struct generation *g = e->value;

		while (g->nodes) {
			struct identity_node *next = g->nodes->next;

			mem_free(g->nodes);
			g->nodes = next;
		}
		mem_free(g);
	}
	map_done(&id->generations);
}

static int identity_cmp(void *ctx, const void *key, const struct tree_node *node, int *ret_order)
{
	struct identity *id = ctx;
	const struct identity_node *n = container_of(node, struct identity_node, node);

	id->n_compared++;
	return id->cmp(id->ctx, *(const struct handle *)key, n->handle, ret_order);
}

int identity_find_or_add(struct identity *id, uint64_t generation, struct handle h, void *fresh,
			 void **ret_value)
{
	struct generation *g = map_find(&id->generations, 0, generation);
	struct identity_node *n;
	struct tree_node *found;
	int r;

	if (!g) {
		g = NEW(struct generation);
		if (!g)
			return -ENOMEM;
		r = map_set(&id->generations, 0, generation, g);
		if (r < 0) {
			mem_free(g);
			return r;
		}
	}

	n = NEW(struct identity_node);
	if (!n)
		return -ENOMEM;
	n->handle = h;
	n->value = fresh;
	r = tree_find_or_insert(&g->tree, identity_cmp, id, &h, &n->node, &found);
	if (r < 0 || found)
		mem_free(n);
	if (r < 0)
		return r;
	if (found) {
		*ret_value = container_of(found, struct identity_node, node)->value;
		return 0;
	}
	n->next = g->nodes;
	g->nodes = n;
	*ret_value = NULL;
	return 0;
}
