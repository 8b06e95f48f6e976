/* From options to requests: what is missing or contradicts itself is refused. */
#include "unit/check.h"

#include <unistd.h>

#include "request/request.h"

struct setting {
	struct options o;
	struct report rep;
	struct places places;
};

static int setup(void **state)
{
	struct setting *s = NEW(struct setting);

	options_init(&s->o, OWN);
	report_init(&s->rep);
	s->rep.quiet = true;
	s->places = (struct places){ .images_fd = -EBADF, .work_fd = -EBADF };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct setting *s = *state;

	options_done(&s->o);
	report_done(&s->rep);
	places_done(&s->places);
	mem_free(s);
	return 0;
}

static void dump_needs_a_pid(void **state)
{
	struct setting *s = *state;
	struct dump_request rq;

	assert_int_equal(request_dump(&s->o, &s->places, &s->rep, &rq), -EINVAL);
	s->o.pid = 5;
	assert_int_equal(request_dump(&s->o, &s->places, &s->rep, &rq), 0);
	assert_int_equal(rq.pid, 5);
	assert_int_equal(rq.leave, FINAL_DEFAULT);
	assert_int_equal(rq.timeout, 10000000);
	assert_true(rq.allow.ghost_limit == UINT64_MAX);
}

static void a_dump_never_touches_the_pid_file(void **state)
{
	struct setting *s = *state;
	struct dump_request rq;

	s->o.pid = 5;
	s->o.pidfile = "/abs/f";
	assert_int_equal(request_dump(&s->o, &s->places, &s->rep, &rq), 0);
	assert_null(rq.hooks.pidfile);
}

static void restore_conflicts(void **state)
{
	struct setting *s = *state;
	struct restore_request rq;
	char *none[] = { NULL };

	s->o.sibling = true;
	assert_int_equal(request_restore(&s->o, &s->places, none, &s->rep, &rq), -EINVAL);
	assert_int_equal(report_first(&s->rep)->code, CODE_OPTION_CONFLICT);
	s->o.detach = true;
	assert_int_equal(request_restore(&s->o, &s->places, none, &s->rep, &rq), 0);
	assert_int_equal(rq.after, AFTER_DETACH);
	s->o.exec_cmd = true;
	assert_int_equal(request_restore(&s->o, &s->places, none, &s->rep, &rq), -EINVAL);
	s->o.detach = s->o.sibling = false;
	assert_int_equal(request_restore(&s->o, &s->places, none, &s->rep, &rq), -EINVAL);
}

static void inherited_descriptors_must_be_open(void **state)
{
	struct setting *s = *state;
	struct restore_request rq;
	char *none[] = { NULL };

	assert_int_equal(vec_push(&s->o.inherits, (struct inherit){ "x", 0 }), 0);
	assert_int_equal(request_restore(&s->o, &s->places, none, &s->rep, &rq), 0);
	assert_int_equal(vec_push(&s->o.inherits, (struct inherit){ "x", 999 }), 0);
	assert_int_equal(request_restore(&s->o, &s->places, none, &s->rep, &rq), -EINVAL);
}

static void directories(void **state)
{
	struct setting *s = *state;

	s->o.images_dir = "/tmp";
	assert_int_equal(places_open(&s->o, &s->rep, &s->places), 0);
	assert_string_equal(s->places.work, "/tmp");
	assert_true(s->places.images_fd > 2 && s->places.work_fd > 2);
	places_done(&s->places);
	s->o.images_dir = "/nonexistent";
	assert_int_equal(places_open(&s->o, &s->rep, &s->places), -ENOENT);
	assert_int_equal(report_first(&s->rep)->code, CODE_IMAGES_DIR);
	s->o.images_dir = "/etc/passwd";
	assert_int_equal(places_open(&s->o, &s->rep, &s->places), -ENOTDIR);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dump_needs_a_pid),  TEST(a_dump_never_touches_the_pid_file),
		TEST(restore_conflicts), TEST(inherited_descriptors_must_be_open),
		TEST(directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
