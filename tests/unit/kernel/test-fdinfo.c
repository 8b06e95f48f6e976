/* The common lines, those of the kinds, and our own descriptors. */
#include "unit/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "child.h"
#include "kernel/proc/fdinfo.h"

/* Writes "key=value;" for every line handed over. */
static int note(void *ctx, const char *key, const char *value)
{
	return str_addf(ctx, "%s=%s;", key, value);
}

static int parse(const char *text, struct str *lines, struct proc_fdinfo *ret)
{
	char copy[1024];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	return proc_fdinfo_parse(copy, strlen(copy), lines ? note : NULL, lines, ret);
}

static void lines(void **state)
{
	scoped(str_done) struct str seen = { 0 };
	struct proc_fdinfo info;

	assert_int_equal(parse("pos:\t12\nflags:\t02100002\nmnt_id:\t15\nino:\t99\n"
			       "tfd:        5 events:       19 data:  0  pos:0 ino:1\n"
			       "inotify wd:1 ino:2\nempty:\nflags: 7\nbare\n\nlast:1",
			       &seen, &info),
			 0);
	assert_int_equal(info.pos, 12);
	assert_int_equal(info.flags, O_RDWR | O_CLOEXEC | 0100000);
	assert_int_equal(info.mnt_id, 15);
	assert_int_equal(info.ino, 99);
	assert_string_equal(str_get(&seen),
			    "tfd=5 events:       19 data:  0  pos:0 ino:1;inotify=wd:1 ino:2;"
			    "empty=;flags=7;bare=;last=1;");
	assert_int_equal(parse("pos:\t0\nflags:\t0\n", NULL, &info), 0);
	assert_int_equal(info.mnt_id, -1);
	assert_int_equal(info.ino, 0);
	assert_int_equal(parse("pos:\t-4096\nflags:\t0\n", NULL, &info), 0);
	assert_true(info.pos == (uint64_t)-4096);
}

static int refuse(void *ctx, const char *key, const char *value)
{
	return -ENOTSUP;
}

static void damage_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"pos:\t0\n",
		"flags:\t0\n",
		"pos:\tx\nflags:\t0\n",
		"pos:\t1x\nflags:\t0\n",
		"pos:\t0\nflags:\t8\n",
		"pos:\t0\nflags:\t0\nmnt_id:\t99999999999\n",
		"pos:\t18446744073709551616\nflags:\t0\n",
	};
	char text[] = "pos:\t0\nflags:\t0\nx:\t1\n", zero[] = "pos:\t0\0\nflags:\t0\n";
	struct proc_fdinfo info;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], NULL, &info), -EINVAL);
	assert_int_equal(proc_fdinfo_parse(zero, sizeof(zero) - 1, NULL, NULL, &info), -EINVAL);
	assert_int_equal(proc_fdinfo_parse(text, strlen(text), refuse, NULL, &info), -ENOTSUP);
}

static void our_own(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(fd_close) int memfd = memfd_create("x", MFD_CLOEXEC);
	scoped(fd_close) int event = eventfd(7, EFD_NONBLOCK);
	scoped(str_done) struct str seen = { 0 };
	struct proc_fdinfo info;
	struct stat st, via;
	char link[64];

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(lseek(memfd, 5, SEEK_SET), 5);
	assert_int_equal(fstat(memfd, &st), 0);
	assert_int_equal(proc_fdinfo_read(&p, memfd, NULL, NULL, NULL, &info), 0);
	assert_int_equal(info.pos, 5);
	assert_int_equal(info.flags & (O_ACCMODE | O_CLOEXEC), O_RDWR | O_CLOEXEC);
	assert_true(info.mnt_id >= 0);
	assert_int_equal(info.ino, st.st_ino);
	assert_int_equal(proc_fd_stat(&p, memfd, &via), 0);
	assert_int_equal(via.st_ino, st.st_ino);
	assert_true(proc_fd_link(&p, memfd, link, sizeof(link)) > 0);
	assert_string_equal(link, "/memfd:x (deleted)");
	assert_int_equal(proc_fd_link(&p, memfd, link, 8), -ENAMETOOLONG);

	assert_int_equal(proc_fdinfo_read(&p, event, NULL, note, &seen, &info), 0);
	assert_non_null(strstr(str_get(&seen), "eventfd-count="));
	assert_int_equal(info.flags & (O_ACCMODE | O_CLOEXEC | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	assert_int_equal(proc_fdinfo_read(&p, 9999, NULL, NULL, NULL, &info), -ENOENT);
}

static int count(void *ctx, const char *key, const char *value)
{
	*(int *)ctx += strcmp(key, "tfd") == 0;
	return 0;
}

/* More text than the first buffer holds. */
static void a_long_one(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(fd_close) int ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN };
	struct proc_fdinfo info;
	int fds[200], seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = eventfd(0, 0);
		assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev), 0);
	}
	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_fdinfo_read(&p, ep, NULL, count, &seen, &info), 0);
	assert_int_equal(seen, 200);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fd_close(fds[i]);
}

static void listing(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_numbers_done) struct proc_numbers fds = { 0 };
	scoped(fd_close) int high = fd_dup_above(0, 900);
	bool has_high = false;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_fds_read(&p, &fds), 0);
	for (size_t i = 0; i < fds.n; i++) {
		assert_true(i == 0 || fds.at[i] > fds.at[i - 1]);
		has_high |= fds.at[i] == high;
	}
	assert_true(has_high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),   cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(our_own), cmocka_unit_test(a_long_one),
		cmocka_unit_test(listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
