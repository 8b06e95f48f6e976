/* Plans of trees made by hand: sessions, groups, orphans, leaders that are gone. */
#include "model/plan.h"

#include <stdio.h>

#include "unit/check.h"

#define OUTER 1 /* session and group of whoever creates the root */

struct row {
	pid_t pid, parent, sid, pgid;
};

static int plan(const struct row *rows, size_t n, struct str *text)
{
	const struct task *bad = NULL;
	struct model m;
	int r;

	model_init(&m);
	for (size_t i = 0; i < n; i++) {
		struct task *t = model_add_task(&m, model_task(&m, rows[i].parent), rows[i].pid);

		assert_non_null(t);
		t->sid = rows[i].sid;
		t->pgid = rows[i].pgid;
		t->state = TASK_ALIVE;
	}
	r = plan_tree(&m, OUTER, OUTER, &bad);
	if (r == 0)
		r = plan_tree_print(&m, text);
	else
		assert_true(r != -EINVAL || bad);
	model_done(&m);
	return r;
}

static void check_plan(const struct row *rows, size_t n, const char *want)
{
	scoped(str_done) struct str text = { 0 };

	assert_int_equal(plan(rows, n, &text), 0);
	assert_string_equal(str_get(&text), want);
}

static void test_one_leader(void **state)
{
	static const struct row rows[] = { { 10, 0, 10, 10 } };

	check_plan(rows, 1, "task 10\n\tsetsid\n");
}

static void test_children_in_the_session(void **state)
{
	static const struct row rows[] = {
		{ 10, 0, 10, 10 }, { 11, 10, 10, 10 }, { 12, 10, 10, 12 }, { 13, 12, 10, 12 }
	};

	check_plan(rows, 4,
		   "task 10\n\tsetsid\n\tfork 11\n\tfork 12\n"
		   "task 11\n\tjoin-group 10\n"
		   "task 12\n\tnew-group\n\tfork 13\n"
		   "task 13\n\tjoin-group 12\n");
}

static void test_child_leads_a_session(void **state)
{
	static const struct row rows[] = { { 10, 0, 10, 10 },
					   { 11, 10, 11, 11 },
					   { 12, 11, 11, 11 } };

	check_plan(rows, 3,
		   "task 10\n\tsetsid\n\tfork 11\n"
		   "task 11\n\tsetsid\n\tfork 12\n"
		   "task 12\n\tjoin-group 11\n");
}

static void test_group_of_a_sibling(void **state)
{
	static const struct row rows[] = { { 10, 0, 10, 10 },
					   { 11, 10, 10, 11 },
					   { 12, 10, 10, 11 } };

	check_plan(rows, 3,
		   "task 10\n\tsetsid\n\tfork 11\n\tfork 12\n"
		   "task 11\n\tnew-group\n"
		   "task 12\n\tjoin-group 11\n");
}

/* A session whose leader ended: a helper with its number makes it. */
static void test_leader_that_is_gone(void **state)
{
	static const struct row rows[] = { { 10, 0, 10, 10 }, { 12, 10, 11, 11 } };
	scoped(str_done) struct str text = { 0 };

	assert_int_equal(plan(rows, 2, &text), 0);
	assert_non_null(strstr(str_get(&text), "task 11 (helper)\n\tsetsid\n"));
}

/* The number of a session must not be that of a task which does not lead it. */
static void test_impossible_session(void **state)
{
	static const struct row rows[] = { { 10, 0, 10, 10 },
					   { 11, 10, 10, 10 },
					   { 12, 10, 11, 12 } };
	scoped(str_done) struct str text = { 0 };

	assert_int_equal(plan(rows, 3, &text), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_leader),
		cmocka_unit_test(test_children_in_the_session),
		cmocka_unit_test(test_child_leads_a_session),
		cmocka_unit_test(test_group_of_a_sibling),
		cmocka_unit_test(test_leader_that_is_gone),
		cmocka_unit_test(test_impossible_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
