/* File locks. */
#include "unit/check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/proc/fdinfo.h"
#include "kernel/proc/locks.h"

static int parse(const char *text, struct proc_lock *ret)
{
	return proc_lock_parse(text, strlen(text), ret);
}

static void fields(void **state)
{
	struct proc_lock l;

	assert_int_equal(parse("1: POSIX  ADVISORY  WRITE 1234 08:1f:99 10 EOF", &l), 0);
	assert_int_equal(l.number, 1);
	assert_int_equal(l.kind, PROC_LOCK_POSIX);
	assert_int_equal(l.type, PROC_LOCK_WRITE);
	assert_false(l.waits || l.mandatory);
	assert_int_equal(l.pid, 1234);
	assert_int_equal(l.major, 8);
	assert_int_equal(l.minor, 0x1f);
	assert_int_equal(l.ino, 99);
	assert_int_equal(l.start, 10);
	assert_true(l.end == UINT64_MAX);
	assert_int_equal(parse("2: -> FLOCK  ADVISORY  READ 5 00:13:7 0 41", &l), 0);
	assert_true(l.waits);
	assert_int_equal(l.kind, PROC_LOCK_FLOCK);
	assert_int_equal(l.end, 41);
	assert_int_equal(parse("3: OFDLCK ADVISORY  WRITE -1 00:13:7 0 EOF", &l), 0);
	assert_int_equal(l.kind, PROC_LOCK_OFD);
	assert_int_equal(l.pid, -1);
	assert_int_equal(parse("4: LEASE  BREAKING  READ 5 00:13:7 0 EOF", &l), 0);
	assert_int_equal(l.kind, PROC_LOCK_LEASE);
	assert_int_equal(l.lease, PROC_LEASE_BREAKING);
	assert_int_equal(parse("5: POSIX  MANDATORY WRITE 5 00:13:7 0 EOF", &l), 0);
	assert_true(l.mandatory);
	assert_int_equal(parse("6: POSIX  *NOINODE* WRITE 5 <none>:0 0 EOF", &l), 0);
}

static void damage_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"1",
		"1:",
		"1: ->",
		"1: POSIX",
		"1: POSIX ADVISORY",
		"1: SPRING ADVISORY WRITE 1 0:0:0 0 EOF",
		"1: POSIX GENTLY WRITE 1 0:0:0 0 EOF",
		"1: POSIX ADVISORY SING 1 0:0:0 0 EOF",
		"1: POSIX ADVISORY WRITE x 0:0:0 0 EOF",
		"1: POSIX ADVISORY WRITE 1 0:0 0 EOF",
		"1: POSIX ADVISORY WRITE 1 0:0:0 -1 EOF",
		"1: POSIX ADVISORY WRITE 1 0:0:0 0",
		"1: POSIX ADVISORY WRITE 1 0:0:0 0 EOF!",
	};
	struct proc_lock l;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &l), -EINVAL);
}

static int take_lock(void *ctx, const char *key, const char *value)
{
	return strcmp(key, "lock") == 0 ? proc_lock_parse(value, strlen(value), ctx) : 0;
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_text_done) struct proc_text text = { 0 };
	scoped(fd_close) int fd = memfd_create("x", MFD_CLOEXEC);
	struct flock fl = { .l_type = F_RDLCK, .l_start = 3, .l_len = 4 };
	struct proc_lock lock = { 0 }, one;
	struct proc_fdinfo info;
	struct stat st;
	struct scan s;
	int r, found = 0;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_fdinfo_read(&p, fd, NULL, take_lock, &lock, &info), 0);
	assert_int_equal(lock.kind, PROC_LOCK_OFD);
	assert_int_equal(lock.type, PROC_LOCK_READ);
	assert_int_equal(lock.start, 3);
	assert_int_equal(lock.end, 6);
	assert_int_equal(lock.ino, st.st_ino);
	assert_int_equal(proc_locks_read(&text), 0);
	s = scan_over(text.at, text.n);
	while ((r = proc_lock_next(&s, &one)) == 1)
		found += one.kind == PROC_LOCK_OFD && one.ino == st.st_ino;
	assert_int_equal(r, 0);
	assert_int_equal(found, 1);
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
