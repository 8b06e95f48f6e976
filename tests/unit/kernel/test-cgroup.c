/* Control groups: text of both versions, finding directories, and freezing a child. */
#include "unit/check.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "child.h"
#include "kernel/cgroup.h"
#include "kernel/proc/cgroup.h"
#include "kernel/ptrace.h"
#include "kernel/sys.h"

static void lines(void **state)
{
	static const char text[] = "12:cpu,cpuacct:/a:b/c\n1:name=systemd:/x (deleted)\n0::/../y\n";
	struct scan s = scan_over(text, strlen(text));
	struct proc_cgroup c;

	assert_int_equal(proc_cgroup_next(&s, &c), 1);
	assert_int_equal(c.hierarchy, 12);
	assert_true(span_is(c.controllers, "cpu,cpuacct"));
	assert_true(span_is(c.path, "/a:b/c"));
	assert_int_equal(proc_cgroup_next(&s, &c), 1);
	assert_true(c.deleted && span_is(c.path, "/x"));
	assert_int_equal(proc_cgroup_next(&s, &c), 1);
	assert_int_equal(c.hierarchy, 0);
	assert_int_equal(c.controllers.len, 0);
	assert_int_equal(proc_cgroup_next(&s, &c), 0);
	s = scan_over("1:x\n", 4);
	assert_int_equal(proc_cgroup_next(&s, &c), -EINVAL);
	s = scan_over("1:x:y\n", 6);
	assert_int_equal(proc_cgroup_next(&s, &c), -EINVAL);
	s = scan_over("::/\n", 4);
	assert_int_equal(proc_cgroup_next(&s, &c), -EINVAL);
}

static void mounts(void **state)
{
	static const char text[] =
		"1 0 8:1 / / rw - ext4 /dev/sda rw\n"
		"30 1 0:20 / /cg/fr\\040z rw - cgroup cgroup rw,freezer\n"
		"31 1 0:21 /docker/1 /cg/sys rw - cgroup none rw,xattr,name=systemd\n"
		"32 1 0:22 / /cg/u rw - cgroup2 none rw,nsdelegate\n";
	scoped(cgroup_mounts_done) struct cgroup_mounts m = { 0 };
	const struct cgroup_mount *one;

	assert_int_equal(cgroup_mounts_parse(text, strlen(text), &m), 0);
	assert_int_equal(m.n, 3);
	one = cgroup_mounts_find(&m, "freezer");
	assert_non_null(one);
	assert_string_equal(one->mountpoint, "/cg/fr z");
	one = cgroup_mounts_find(&m, "name=systemd");
	assert_string_equal(one->root, "/docker/1");
	/* Outside of what is mounted there, however similar the name. */
	assert_int_equal(cgroup_dir_open(one, (struct span){ "/docker", 7 }), -ENOENT);
	assert_int_equal(cgroup_dir_open(one, (struct span){ "/docker/12", 10 }), -ENOENT);
	one = cgroup_mounts_find(&m, NULL);
	assert_int_equal(one->version, 2);
	assert_null(cgroup_mounts_find(&m, "memory"));
	cgroup_mounts_done(&m);
	assert_int_equal(cgroup_mounts_parse("x\n", 2, &m), -EINVAL);
}

static void states(void **state)
{
	enum cgroup_freeze f;
	bool frozen;

	assert_int_equal(cgroup_freezer_state_parse("FREEZING\n", 9, &f), 0);
	assert_int_equal(f, CGROUP_FREEZING);
	assert_int_equal(cgroup_freezer_state_parse("COLD\n", 5, &f), -EINVAL);
	assert_int_equal(cgroup_freezer_state_parse("", 0, &f), -EINVAL);
	assert_int_equal(cgroup_events_parse_frozen("populated 1\nfrozen 1\n", 21, &frozen), 0);
	assert_true(frozen);
	assert_int_equal(cgroup_events_parse_frozen("populated 1\n", 12, &frozen), -EINVAL);
	assert_int_equal(cgroup_events_parse_frozen("frozen 2\n", 9, &frozen), -EINVAL);
}

/* A fresh group in a hierarchy, with a child of ours in it. */
static bool make_group(const struct cgroup_mount *m, char *path, size_t room, pid_t member)
{
	char file[300];
	FILE *f;

	(void)snprintf(path, room, "%s/stasis-test-%d", m->mountpoint, getpid());
	if (mkdir(path, 0700) < 0)
		return false;
	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	f = fopen(file, "w");
	if (!f || fprintf(f, "%d", member) < 0 || fclose(f) != 0) {
		(void)rmdir(path);
		return false;
	}
	return true;
}

static bool counts(pid_t pid)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	char before[1024], after[1024];

	if (proc_pid_open(pid, &p) < 0 || proc_file_read(&p, "schedstat", before, 1024) < 0)
		return false;
	usec_sleep(50000);
	return proc_file_read(&p, "schedstat", after, 1024) >= 0 && strcmp(before, after) != 0;
}

static void freeze_in(const struct cgroup_mount *m)
{
	scoped(child_end) pid_t pid = child_start(child_spins, NULL);
	scoped(cgroup_freezer_done) struct cgroup_freezer f = CGROUP_FREEZER_NONE;
	scoped(proc_text_done) struct proc_text text = { 0 };
	scoped(proc_numbers_done) struct proc_numbers members = { 0 };
	enum cgroup_freeze now;
	char path[256];

	if (!make_group(m, path, sizeof(path), pid))
		skip();
	assert_int_equal(cgroup_freezer_open(path, &f), 0);
	assert_int_equal(f.version, m->version);
	assert_int_equal(cgroup_members_read(f.dir, "cgroup.procs", &text, &members), 0);
	assert_int_equal(members.n, 1);
	assert_int_equal(members.at[0], pid);
	assert_int_equal(cgroup_freezer_get(&f, &now), 0);
	assert_int_equal(now, CGROUP_THAWED);
	assert_true(counts(pid));
	assert_int_equal(cgroup_freeze(&f, 5 * USEC_PER_SEC), 0);
	assert_int_equal(cgroup_freezer_get(&f, &now), 0);
	assert_int_equal(now, CGROUP_FROZEN);
	assert_false(counts(pid));
	assert_int_equal(cgroup_thaw(&f), 0);
	assert_int_equal(cgroup_freezer_get(&f, &now), 0);
	assert_int_equal(now, CGROUP_THAWED);
	assert_true(counts(pid));

	child_end(pid);
	pid = -1;
	for (int i = 0; i < 1000 && rmdir(path) < 0; i++)
		usec_sleep(1000);
}

static void freezing(void **state)
{
	scoped(cgroup_mounts_done) struct cgroup_mounts m = { 0 };
	const struct cgroup_mount *v1, *v2;

	assert_int_equal(cgroup_mounts_read(&m), 0);
	v1 = cgroup_mounts_find(&m, "freezer");
	v2 = cgroup_mounts_find(&m, NULL);
	if (geteuid() != 0 || (!v1 && !v2))
		skip();
	if (v1)
		freeze_in(v1);
	if (v2)
		freeze_in(v2);
}

static void not_a_freezer(void **state)
{
	scoped(cgroup_mounts_done) struct cgroup_mounts m = { 0 };
	const struct cgroup_mount *v2;
	struct cgroup_freezer f;

	assert_int_equal(cgroup_freezer_open("/no/such/dir", &f), -ENOENT);
	assert_int_equal(cgroup_freezer_open("/proc/version", &f), -ENOTDIR);
	assert_int_equal(cgroup_freezer_open("/", &f), -EINVAL);
	assert_int_equal(cgroup_mounts_read(&m), 0);
	v2 = cgroup_mounts_find(&m, NULL);
	if (v2 && strcmp(v2->root, "/") == 0)
		assert_true(cgroup_freezer_open(v2->mountpoint, &f) == -ENOTSUP || f.version == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),         cmocka_unit_test(mounts),
		cmocka_unit_test(states),        cmocka_unit_test(freezing),
		cmocka_unit_test(not_a_freezer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
