/* Values of options: what has the form is read exactly, everything else is -EINVAL. */
#include "unit/check.h"

#include "request/values.h"

static void cpu_caps(void **state)
{
	unsigned caps = 0;

	assert_int_equal(cpu_cap_parse("cpu", &caps), 0);
	assert_int_equal(caps, CPU_CAP_ALL | CPU_CAP_IMAGE);
	assert_int_equal(cpu_cap_parse("none", &caps), 0);
	assert_int_equal(caps, 0);
	assert_int_equal(cpu_cap_parse("^fpu", &caps), 0);
	assert_int_equal(caps, CPU_CAP_INS | CPU_CAP_IMAGE);
	assert_int_equal(cpu_cap_parse("all,^cpu", &caps), 0);
	assert_int_equal(caps, CPU_CAP_FPU | CPU_CAP_INS | CPU_CAP_IMAGE);
	assert_int_equal(cpu_cap_parse("gpu", &caps), -EINVAL);
	assert_int_equal(cpu_cap_parse("cpu,", &caps), 0);
}

static void words(void **state)
{
	enum cgroup_mode mode;
	enum network_lock lock;
	enum request_validation validation;
	enum pre_dump_mode pre;

	assert_int_equal(cgroup_mode_parse("strict", &mode), 0);
	assert_int_equal(mode, CGROUP_STRICT);
	assert_int_equal(cgroup_mode_parse("ignore", &mode), 0);
	assert_int_equal(mode, CGROUP_IGNORE);
	assert_int_equal(cgroup_mode_parse("", &mode), -EINVAL);
	assert_int_equal(network_lock_parse("none", &lock), 0);
	assert_int_equal(lock, NETWORK_LOCK_SKIP);
	assert_int_equal(network_lock_parse("nftables", &lock), 0);
	assert_int_equal(lock, NETWORK_LOCK_NFTABLES);
	assert_int_equal(validation_parse("buildid", &validation), 0);
	assert_int_equal(validation_parse("md5", &validation), -EINVAL);
	assert_int_equal(pre_dump_mode_parse("read", &pre), 0);
	assert_int_equal(pre, PRE_DUMP_READ);
}

static void expect_outside(const char *text, const char *type, const char *id, const char *value)
{
	scoped(arena_done) struct arena a = { 0 };
	struct outside x;

	assert_int_equal(outside_parse(&a, text, &x), 0);
	assert_string_equal(x.type, type);
	assert_string_equal(x.id, id);
	if (value)
		assert_string_equal(x.value, value);
	else
		assert_null(x.value);
	assert_int_equal(strncmp(x.key, text, strlen(x.key)), 0);
	assert_int_equal(x.key[strlen(x.key) - 1], ']');
}

static void outsides(void **state)
{
	static const char *const bad[] = { "",      "mnt",    "[x]",    "mnt[",
					   "mnt[x", "Mnt[x]", "m t[x]", "mnt[x]y" };
	scoped(arena_done) struct arena a = { 0 };
	struct outside x;

	expect_outside("mnt[/data]:DATA", "mnt", "/data", "DATA");
	expect_outside("tty[8800:1a]", "tty", "8800:1a", NULL);
	expect_outside("file[2e:1]", "file", "2e:1", NULL);
	expect_outside("veth[eth0]:veth1@br0", "veth", "eth0", "veth1@br0");
	expect_outside("mnt[]:sm", "mnt", "", "sm");
	expect_outside("mnt[]", "mnt", "", NULL);
	expect_outside("mnt[/a[1]b]:x", "mnt", "/a[1]b", "x");
	expect_outside("mnt[/a]:", "mnt", "/a", "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(outside_parse(&a, bad[i], &x), -EINVAL);
}

static void inherits(void **state)
{
	static const char *const bad[] = { "",        "fd",      "fd[]:x",
					   "fd[1]",   "fd[1]:",  "fd[-1]:x",
					   "fd[x]:y", "fe[1]:x", "fd[99999999999999999999]:x" };
	scoped(arena_done) struct arena a = { 0 };
	struct inherit x;

	assert_int_equal(inherit_parse(&a, "fd[7]:pipe:[1234]", &x), 0);
	assert_int_equal(x.fd, 7);
	assert_string_equal(x.key, "pipe:[1234]");
	assert_int_equal(inherit_parse(&a, "fd[0]:tmp/file", &x), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(inherit_parse(&a, bad[i], &x), -EINVAL);
}

static void joins(void **state)
{
	static const char *const bad[] = { "",          "net",      "net:",      "pid:1",
					   "net:1,2,3", "user:1,2", "user:1,a,b" };
	scoped(arena_done) struct arena a = { 0 };
	struct join_ns x;

	assert_int_equal(join_ns_parse(&a, "net:1234", &x), 0);
	assert_string_equal(x.path, "/proc/1234/ns/net");
	assert_int_equal(join_ns_parse(&a, "ipc:/run/ns", &x), 0);
	assert_string_equal(x.path, "/run/ns");
	assert_false(x.has_ids);
	assert_int_equal(join_ns_parse(&a, "user:5,1000,1001", &x), 0);
	assert_true(x.has_ids);
	assert_int_equal(x.uid, 1000);
	assert_int_equal(x.gid, 1001);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(join_ns_parse(&a, bad[i], &x), -EINVAL);
}

static void cgroup_roots(void **state)
{
	scoped(arena_done) struct arena a = { 0 };
	struct cgroup_root x;

	assert_int_equal(cgroup_root_parse(&a, "cpu:/a/b", &x), 0);
	assert_string_equal(x.controller, "cpu");
	assert_string_equal(x.path, "/a/b");
	assert_int_equal(cgroup_root_parse(&a, "/a", &x), 0);
	assert_null(x.controller);
	assert_int_equal(cgroup_root_parse(&a, "name=systemd:/a", &x), 0);
	assert_string_equal(x.controller, "name=systemd");
	assert_int_equal(cgroup_root_parse(&a, ":/a", &x), -EINVAL);
	assert_int_equal(cgroup_root_parse(&a, "cpu:a", &x), -EINVAL);
	assert_int_equal(cgroup_root_parse(&a, "", &x), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_caps), cmocka_unit_test(words), cmocka_unit_test(outsides),
		cmocka_unit_test(inherits), cmocka_unit_test(joins), cmocka_unit_test(cgroup_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
