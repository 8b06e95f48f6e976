/* Twins of base/map.c, tree.c, vec.c, undo.c, mem.c and list.h: what they hold, in which order, and
 * who frees it. */
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/tree.h"
#include "base/undo.h"
#include "base/vec.h"
#include "unit/check.h"

static void map_keeps_order(void **state)
{
	scoped(map_done) struct map m = { 0 };
	static int values[5000];
	size_t i = 0;

	assert_null(map_find(&m, 0, 1));
	for (size_t k = 0; k < ARRAY_SIZE(values); k++)
		assert_int_equal(map_set(&m, k % 7, k * 4096, &values[k]), 0);
	assert_int_equal(map_set(&m, 0, 0, &values[1]), 0); /* replaced, not added */
	assert_int_equal(m.n, ARRAY_SIZE(values));
	assert_ptr_equal(map_find(&m, 0, 0), &values[1]);
	assert_ptr_equal(map_find(&m, 4999 % 7, 4999 * 4096), &values[4999]);
	assert_null(map_find(&m, 6, 4999 * 4096));
	map_for_each(e, &m)
		assert_int_equal(e->lo, i++ * 4096);
}

struct number {
	struct tree_node node;
	int value;
};

static int number_cmp(void *ctx, const void *key, const struct tree_node *node, int *ret_order)
{
	unsigned *calls = ctx;
	int other = container_of(node, struct number, node)->value;

	if (*(const int *)key == -1)
		return -ESRCH;
	(*calls)++;
	*ret_order = *(const int *)key - other;
	return 0;
}

static void tree_is_balanced(void **state)
{
	static struct number numbers[4096];
	struct tree_node *found;
	struct tree t = { 0 };
	unsigned calls = 0;
	int bad = -1, one = 1234;

	for (int i = 0; i < 4096; i++) { /* ascending: the worst case of a plain tree */
		numbers[i].value = i;
		assert_int_equal(tree_find_or_insert(&t, number_cmp, &calls, &i, &numbers[i].node,
						     &found),
				 0);
		assert_null(found);
	}
	assert_true(calls < 4096 * 2 * 12);
	calls = 0;
	assert_int_equal(tree_find_or_insert(&t, number_cmp, &calls, &one, NULL, &found), 0);
	assert_ptr_equal(found, &numbers[1234].node);
	assert_true(calls <= 24);
	assert_int_equal(tree_find_or_insert(&t, number_cmp, &calls, &bad, NULL, &found), -ESRCH);
}

static void push_digit(void *arg)
{
	int **at = arg;

	*(*at)++ = 1;
}

static int order[4], n_order;

static void note_order(void *arg)
{
	order[n_order++] = *(int *)arg;
}

static void undo_runs_newest_first(void **state)
{
	int a = 1, b = 2, c = 3, sink[2], *at = sink;
	struct undo u = { 0 };

	assert_int_equal(undo_push(&u, "a", note_order, &a), 0);
	assert_int_equal(undo_push(&u, "b", note_order, &b), 0);
	assert_int_equal(undo_push(&u, "c", note_order, &c), 0);
	assert_int_equal(undo_forget(&u, note_order, &b), 1);
	assert_int_equal(undo_forget(&u, note_order, &b), 0);
	undo_run(&u);
	assert_int_equal(n_order, 2);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 1);
	assert_true(undo_is_empty(&u));
	assert_int_equal(undo_push(&u, "d", push_digit, &at), 0);
	undo_forget_all(&u);
	undo_run(&u);
	assert_ptr_equal(at, sink);
}

static void vec_grows(void **state)
{
	struct {
		VEC(int);
	} v = { 0 };
	int sum = 0;

	vec_for_each(x, &v)
		sum += *x;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(vec_push(&v, i), 0);
	vec_for_each(x, &v)
		sum += *x;
	assert_int_equal(sum, 999 * 500);
	vec_done(&v);
	assert_int_equal(v.n, 0);
}

static void arena_is_zeroed_and_aligned(void **state)
{
	scoped(arena_done) struct arena a = { 0 };

	for (size_t len = 1; len < 200000; len = len * 3 + 1) {
		char *p = arena_alloc(&a, 1, len);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_int_equal(p[0] | p[len - 1], 0);
		p[len - 1] = 1;
	}
	assert_string_equal(arena_str(&a, "text"), "text");
	assert_false(a.failed);
	assert_null(arena_alloc(&a, SIZE_MAX, 2));
	assert_true(a.failed);
}

struct element {
	struct list link;
	int value;
};

static void list_survives_deletion(void **state)
{
	struct list head = LIST_INIT(head);
	struct element e[5], *x;
	int sum = 0;

	for (int i = 0; i < 5; i++) {
		e[i].value = i;
		list_add_tail(&head, &e[i].link);
	}
	list_for_each(x, &head, link)
		if (x->value % 2)
			list_del(&x->link);
	list_for_each(x, &head, link)
		sum = sum * 10 + x->value;
	assert_int_equal(sum, 24); /* 0, 2, 4 in order */
	assert_false(list_is_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_keeps_order),
		cmocka_unit_test(tree_is_balanced),
		cmocka_unit_test(undo_runs_newest_first),
		cmocka_unit_test(vec_grows),
		cmocka_unit_test(arena_is_zeroed_and_aligned),
		cmocka_unit_test(list_survives_deletion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
