/* Scripts, pid file and status descriptor. */
#include "unit/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "request/hooks.h"

struct place {
	char dir[64];
	int fd;
	struct report rep;
};

static int setup(void **state)
{
	struct place *p = NEW(struct place);

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/stasis-hooks-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	report_init(&p->rep);
	p->rep.quiet = true;
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	static const char *const files[] = { "script", "out", "pid" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		(void)unlinkat(p->fd, files[i], 0);
	(void)rmdir(p->dir);
	fd_close(p->fd);
	report_done(&p->rep);
	mem_free(p);
	return 0;
}

static void write_script(const struct place *p, const char *text)
{
	scoped(fd_close) int fd =
		openat(p->fd, "script", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void read_out(const struct place *p, const char *name, char *buf, size_t size)
{
	scoped(fd_close) int fd = openat(p->fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd_read_some(fd, buf, size - 1);

	assert_true(n >= 0);
	buf[n] = '\0';
}

static void scripts_are_told_what_and_where(void **state)
{
	struct place *p = *state;
	char path[128], buf[256];
	const char *scripts[] = { path, path };
	struct hooks h = {
		.scripts = scripts, .n_scripts = 2, .images_fd = p->fd, .status_fd = -1
	};

	(void)snprintf(path, sizeof(path), "%s/script", p->dir);
	write_script(p, "#!/bin/sh\ncd $CRTOOLS_IMAGE_DIR && "
			"echo $CRTOOLS_SCRIPT_ACTION ${CRTOOLS_INIT_PID:-none} >> out\n");
	unsetenv("CRTOOLS_INIT_PID");
	assert_int_equal(hooks_run(&h, HOOK_PRE_DUMP, 0, &p->rep), 0);
	assert_int_equal(hooks_run(&h, HOOK_POST_RESTORE, 77, &p->rep), 0);
	read_out(p, "out", buf, sizeof(buf));
	assert_string_equal(buf,
			    "pre-dump none\npre-dump none\npost-restore 77\npost-restore 77\n");
	assert_null(getenv("CRTOOLS_SCRIPT_ACTION"));
}

static void a_failing_script_is_reported(void **state)
{
	struct place *p = *state;
	char path[128];
	const char *scripts[] = { path };
	struct hooks h = {
		.scripts = scripts, .n_scripts = 1, .images_fd = p->fd, .status_fd = -1
	};

	(void)snprintf(path, sizeof(path), "%s/script", p->dir);
	write_script(p, "#!/bin/sh\nexit 3\n");
	assert_int_equal(hooks_run(&h, HOOK_POST_DUMP, 0, &p->rep), -ECANCELED);
	assert_int_equal(report_first(&p->rep)->code, CODE_HOOK_FAILED);
	assert_non_null(strstr(report_first(&p->rep)->where, "hook post-dump: script /tmp"));
	write_script(p, "#!/bin/sh\nkill -9 $$\n");
	assert_int_equal(hooks_run(&h, HOOK_POST_DUMP, 0, &p->rep), -ECANCELED);
	assert_int_equal(unlinkat(p->fd, "script", 0), 0);
	assert_int_equal(hooks_run(&h, HOOK_POST_DUMP, 0, &p->rep), -ENOENT);
}

static int listener(void *ctx, enum hook hook, pid_t root_pid, struct report *rep)
{
	*(enum hook *)ctx = hook;
	return hook == HOOK_NETWORK_LOCK ? -ECANCELED : 0;
}

static void a_listener_is_told_first(void **state)
{
	struct place *p = *state;
	enum hook seen = HOOK_MAX;
	struct hooks h = { .listen = listener, .ctx = &seen, .status_fd = -1 };

	assert_int_equal(hooks_run(&h, HOOK_PRE_RESUME, 1, &p->rep), 0);
	assert_int_equal(seen, HOOK_PRE_RESUME);
	assert_int_equal(hooks_run(&h, HOOK_NETWORK_LOCK, 1, &p->rep), -ECANCELED);
}

static void pid_file_is_made_once(void **state)
{
	struct place *p = *state;
	char buf[32];
	struct hooks h = { .pidfile = "pid", .work_fd = p->fd, .status_fd = -1 };

	assert_int_equal(hooks_write_pidfile(&h, 4711, &p->rep), 0);
	read_out(p, "pid", buf, sizeof(buf));
	assert_string_equal(buf, "4711");
	assert_int_equal(hooks_write_pidfile(&h, 4712, &p->rep), -EEXIST);
	read_out(p, "pid", buf, sizeof(buf));
	assert_string_equal(buf, "4711");
	hooks_remove_pidfile(&h);
	assert_int_equal(hooks_write_pidfile(&h, 4712, &p->rep), 0);
}

static void ready_is_one_zero_byte_and_the_end(void **state)
{
	struct place *p = *state;
	int ends[2];
	char buf[8];
	struct hooks h = { 0 };

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	h.status_fd = ends[1];
	assert_int_equal(hooks_ready(&h, &p->rep), 0);
	assert_int_equal(h.status_fd, -1);
	assert_int_equal(read(ends[0], buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 0);
	assert_int_equal(read(ends[0], buf, sizeof(buf)), 0);
	assert_int_equal(hooks_ready(&h, &p->rep), 0);
	fd_close(ends[0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(scripts_are_told_what_and_where),    TEST(a_failing_script_is_reported),
		TEST(a_listener_is_told_first),           TEST(pid_file_is_made_once),
		TEST(ready_is_one_zero_byte_and_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
