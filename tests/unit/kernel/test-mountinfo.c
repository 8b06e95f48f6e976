/* Mounts. */
#include "unit/check.h"

#include "kernel/proc/mountinfo.h"

static int first(const char *text, struct proc_mount *ret)
{
	struct scan s = scan_over(text, strlen(text));

	return proc_mount_next(&s, ret);
}

static void fields(void **state)
{
	struct proc_mount m;
	char path[32];

	assert_int_equal(first("36 35 98:16 /sub /mnt\\0402 rw,noatime shared:3 master:1 "
			       "propagate_from:2 news:5 - fuse.x /dev/root rw,errors=continue\n",
			       &m),
			 1);
	assert_int_equal(m.id, 36);
	assert_int_equal(m.parent, 35);
	assert_int_equal(m.major, 98);
	assert_int_equal(m.minor, 16);
	assert_true(span_is(m.root, "/sub"));
	assert_int_equal(span_unescape(m.mountpoint, path, sizeof(path)), 6);
	assert_string_equal(path, "/mnt 2");
	assert_int_equal(m.shared, 3);
	assert_int_equal(m.master, 1);
	assert_int_equal(m.propagate_from, 2);
	assert_false(m.unbindable);
	assert_true(span_is(m.type, "fuse.x"));
	assert_true(span_is(m.source, "/dev/root"));
	assert_true(span_is(m.super_options, "rw,errors=continue"));
	assert_true(proc_mount_option(m.super_options, "rw"));
	assert_true(proc_mount_option(m.super_options, "errors=continue"));
	assert_false(proc_mount_option(m.super_options, "errors"));
	assert_false(proc_mount_option((struct span){ "", 0 }, "rw"));

	assert_int_equal(first("1 1 0:1 / / rw unbindable - rootfs  rw", &m), 1);
	assert_true(m.unbindable);
	assert_int_equal(m.source.len, 0);
	assert_int_equal(m.shared, 0);
}

static void damage_is_refused(void **state)
{
	static const char *const bad[] = {
		"\n",
		"1 1 0:1 / /\n",
		"1 1 0:1 / / rw\n",
		"1 1 0:1 / / rw - \n",
		"1 1 0:1 / / rw - proc proc\n",
		"1 1 0:1 / / rw shared:x - proc proc rw\n",
		"1 1 0 / / rw - proc proc rw\n",
		"x 1 0:1 / / rw - proc proc rw\n",
		"1 99999999999 0:1 / / rw - proc proc rw\n",
	};
	struct proc_mount m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(first(bad[i], &m), -EINVAL);
	assert_int_equal(first("", &m), 0);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_text_done) struct proc_text text = { 0 };
	bool has_proc = false;
	struct proc_mount m;
	struct scan s;
	int r;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_mountinfo_read(&p, &text), 0);
	s = scan_over(text.at, text.n);
	while ((r = proc_mount_next(&s, &m)) == 1)
		has_proc |= span_is(m.type, "proc") && span_is(m.mountpoint, "/proc");
	assert_int_equal(r, 0);
	assert_true(has_proc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
