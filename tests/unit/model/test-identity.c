/* Identity by generation and order: known objects are found again, with few comparisons. */
#include "model/identity.h"

#include "unit/check.h"

#define HANDLES 4096
#define OBJECTS 512

/* Handle n leads to object n % OBJECTS; the order of objects looks random, as kcmp's does. */
static int compare(void *ctx, struct handle a, struct handle b, int *ret_order)
{
	uint32_t x = (uint32_t)(a.pid % OBJECTS) * 2654435761u,
		 y = (uint32_t)(b.pid % OBJECTS) * 2654435761u;

	*ret_order = x < y ? -1 : x > y;
	return 0;
}

static int refuse(void *ctx, struct handle a, struct handle b, int *ret_order)
{
	return -EPERM;
}

static void test_objects_are_found_again(void **state)
{
	static char objects[OBJECTS];
	scoped(identity_done) struct identity id;

	identity_init(&id, compare, NULL);
	for (int n = 0; n < HANDLES; n++) {
		struct handle h = { .pid = n, .fd = -1 };
		void *value = NULL;

		assert_int_equal(identity_find_or_add(&id, 7, h, &objects[n % OBJECTS], &value), 0);
		assert_ptr_equal(value, n < OBJECTS ? NULL : &objects[n] - OBJECTS * (n / OBJECTS));
	}
	/* n log n: a balanced tree of 512 is at most 1.44 * 9 + 1 high. */
	assert_true(id.n_compared < HANDLES * 14);
}

static void test_fresh_generations_ask_nobody(void **state)
{
	scoped(identity_done) struct identity id;
	char object;

	identity_init(&id, refuse, NULL);
	for (int n = 0; n < HANDLES; n++) {
		void *value = &object;

		assert_int_equal(identity_find_or_add(&id, (uint64_t)n, (struct handle){ n, -1 },
						      &object, &value),
				 0);
		assert_null(value);
	}
	assert_int_equal(id.n_compared, 0);
}

static void test_refused_comparison_is_told(void **state)
{
	scoped(identity_done) struct identity id;
	char object;
	void *value;

	identity_init(&id, refuse, NULL);
	assert_int_equal(identity_find_or_add(&id, 1, (struct handle){ 1, -1 }, &object, &value),
			 0);
	assert_int_equal(identity_find_or_add(&id, 1, (struct handle){ 2, -1 }, &object, &value),
			 -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects_are_found_again),
		cmocka_unit_test(test_fresh_generations_ask_nobody),
		cmocka_unit_test(test_refused_comparison_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
