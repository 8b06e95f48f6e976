/* Namespaces by inode. */
#include "unit/check.h"

#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "child.h"
#include "kernel/proc/ns.h"

static int parse(const char *text, enum proc_ns ns, uint64_t *ret)
{
	return proc_ns_parse(text, strlen(text), ns, ret);
}

static void links(void **state)
{
	uint64_t ino = 0;

	assert_int_equal(parse("net:[4026531840]", PROC_NS_NET, &ino), 0);
	assert_int_equal(ino, 4026531840);
	assert_int_equal(parse("pid:[7]", PROC_NS_PID_CHILDREN, &ino), 0);
	assert_int_equal(parse("net:[7]", PROC_NS_PID, &ino), -EINVAL);
	assert_int_equal(parse("net:[7", PROC_NS_NET, &ino), -EINVAL);
	assert_int_equal(parse("net:[7]x", PROC_NS_NET, &ino), -EINVAL);
	assert_int_equal(parse("net:[]", PROC_NS_NET, &ino), -EINVAL);
	assert_int_equal(parse("", PROC_NS_NET, &ino), -EINVAL);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	char path[64];
	struct stat st;
	uint64_t ino;

	assert_int_equal(proc_pid_open(0, &p), 0);
	for (unsigned i = 0; i < PROC_NS_MAX; i++) {
		enum proc_ns ns = (enum proc_ns)i;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", proc_ns_link(ns));
		if (stat(path, &st) < 0)
			continue;
		assert_int_equal(proc_ns_read(&p, ns, &ino), 0);
		assert_int_equal(ino, st.st_ino);
		assert_int_not_equal(proc_ns_flag(ns), 0);
		scoped(fd_close) int fd = proc_ns_open(&p, ns);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(ino, st.st_ino);
	}
}

static void a_zombie_has_two(void **state)
{
	scoped(child_end) pid_t pid = child_start(child_exits, NULL);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	uint64_t ino;

	assert_true(child_reaches(pid, 'Z'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_int_equal(proc_ns_read(&p, PROC_NS_PID, &ino), 0);
	assert_int_equal(proc_ns_read(&p, PROC_NS_USER, &ino), 0);
	assert_true(proc_ns_read(&p, PROC_NS_NET, &ino) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links),
		cmocka_unit_test(our_own),
		cmocka_unit_test(a_zombie_has_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
