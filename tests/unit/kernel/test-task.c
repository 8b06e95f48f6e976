/* Directories, threads and children. */
#include "unit/check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "child.h"
#include "kernel/proc/task.h"

static void numbers(void **state)
{
	scoped(proc_numbers_done) struct proc_numbers n = { 0 };

	assert_int_equal(proc_numbers_parse("12 34 5\n6 ", 10, &n), 0);
	assert_int_equal(n.n, 4);
	assert_int_equal(n.at[1], 34);
	assert_int_equal(n.at[3], 6);
	assert_int_equal(proc_numbers_parse("", 0, &n), 0);
	assert_int_equal(proc_numbers_parse("1 -2", 4, &n), -EINVAL);
	assert_int_equal(proc_numbers_parse("1,2", 3, &n), -EINVAL);
	assert_int_equal(proc_numbers_parse("99999999999", 11, &n), -EINVAL);
}

static bool has(const struct proc_numbers *n, int number)
{
	vec_for_each(one, n)
		if (*one == number)
			return true;
	return false;
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		(void)pause();
	return NULL;
}

static void three_threads_one_child(void *arg)
{
	pthread_t t;

	(void)pthread_create(&t, NULL, wait_for_ever, NULL);
	(void)pthread_create(&t, NULL, wait_for_ever, NULL);
	(void)child_start(NULL, NULL);
}

static void threads_and_children(void **state)
{
	scoped(child_end) pid_t pid = child_start(three_threads_one_child, NULL);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE, t = PROC_PID_NONE;
	scoped(proc_numbers_done) struct proc_numbers tids = { 0 }, kids = { 0 };
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_stat st;

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	for (int i = 0; i < 1000 && (tids.n < 3 || kids.n < 1); i++) {
		usec_sleep(1000);
		kids.n = 0;
		assert_int_equal(proc_tasks_read(&p, &tids), 0);
		assert_int_equal(proc_children_read(&p, pid, &text, &kids), 0);
	}
	assert_int_equal(tids.n, 3);
	assert_int_equal(tids.at[0], pid);
	assert_int_equal(kids.n, 1);
	assert_int_equal(proc_tid_open(&p, tids.at[2], &t), 0);
	assert_int_equal(proc_stat_read(&t, &st), 0);
	assert_int_equal(st.pid, tids.at[2]);
	assert_int_equal(proc_tid_open(&p, getpid(), &t), -ESRCH);
	assert_int_equal(proc_children_read(&p, 1, &text, &kids), -ENOENT);
	/* The kernel keeps them in the list of the one that forked them. */
	kids.n = 0;
	proc_pid_done(&t);
	assert_int_equal(proc_pid_open(0, &t), 0);
	assert_int_equal(proc_children_read(&t, getpid(), &text, &kids), 0);
	assert_true(has(&kids, pid));
}

/* A directory stays with its task: a successor with the same number is not seen through it. */
static void gone_is_gone(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_numbers_done) struct proc_numbers n = { 0 };
	scoped(proc_text_done) struct proc_text text = { 0 };
	pid_t pid = child_start(NULL, NULL);
	char buf[256];
	struct stat st;

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_true(proc_link_read(&p, "exe", buf, sizeof(buf)) > 0);
	assert_int_equal(proc_file_stat(&p, "cwd", &st), 0);
	assert_int_equal(proc_file_open(&p, "no_such_file", O_RDONLY), -ENOENT);
	assert_int_equal(proc_file_read(&p, "stat", buf, 4), -EFBIG);
	child_end(pid);
	assert_int_equal(proc_file_read(&p, "stat", buf, sizeof(buf)), -ESRCH);
	assert_int_equal(proc_file_open(&p, "no_such_file", O_RDONLY), -ESRCH);
	assert_int_equal(proc_text_read(&p, "maps", &text), -ESRCH);
	assert_int_equal(proc_link_read(&p, "exe", buf, sizeof(buf)), -ESRCH);
	assert_int_equal(proc_file_stat(&p, "cwd", &st), -ESRCH);
	assert_int_equal(proc_tasks_read(&p, &n), -ESRCH);
	assert_int_equal(proc_pid_open(-1, &p), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(threads_and_children),
		cmocka_unit_test(gone_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
