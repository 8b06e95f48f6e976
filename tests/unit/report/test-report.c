/* Findings say where, what and what helps, and survive the way to another process. */
#include "unit/check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "report/report.h"

static void failure_has_frames_cause_and_errno(void **state)
{
	scoped(report_done) struct report r;
	scoped(str_done) struct str s = { 0 };

	report_init(&r);
	REPORT_FRAME(&r, "dump");
	{
		REPORT_FRAME(&r, "task %d", 812);
		assert_int_equal(report_fail(&r, -EBADF, "watches a closed %s", "fd"), -EBADF);
	}
	assert_int_equal(r.n_failures, 1);
	assert_int_equal(finding_text(report_first(&r), &s), 0);
	assert_string_equal(str_get(&s),
			    "dump: task 812: watches a closed fd: Bad file descriptor");
	assert_string_equal(code_text(report_first(&r)->code), "E-SYSTEM");
}

static void frames_end_with_their_block(void **state)
{
	scoped(report_done) struct report r;

	report_init(&r);
	for (int i = 0; i < 3; i++) {
		REPORT_FRAME(&r, "task %d", i);
	}
	assert_null(r.frame);
	(void)report_refuse(&r, -ENOTSUP, CODE_FILE_KIND, "x");
	assert_string_equal(report_first(&r)->where, "");
}

static void refusal_has_no_errno_text_but_a_remedy(void **state)
{
	scoped(report_done) struct report r;
	scoped(str_done) struct str s = { 0 };

	report_init(&r);
	assert_int_equal(report_refuse(&r, -ENOTSUP, CODE_TTY_OUTSIDE, "fd 0 is a terminal"),
			 -ENOTSUP);
	assert_int_equal(finding_text(report_first(&r), &s), 0);
	assert_string_equal(str_get(&s), "fd 0 is a terminal");
	assert_non_null(strstr(finding_remedy(report_first(&r)), "--shell-job"));
	(void)report_refuse_with(&r, -ENOTSUP, CODE_TTY_OUTSIDE, "close fd 7", "x");
	assert_string_equal(finding_remedy(list_entry(r.findings.prev, struct finding, link)),
			    "close fd 7");
}

static void warnings_and_notes_are_no_failures(void **state)
{
	scoped(report_done) struct report r;

	report_init(&r);
	report_warn(&r, CODE_FEATURE, "no pidfd: using pids");
	report_note(&r, "three");
	assert_int_equal(r.n_failures, 0);
	assert_int_equal(r.n_warnings, 1);
	assert_null(report_first(&r));
	report_clear(&r);
	assert_true(list_is_empty(&r.findings));
}

static void long_frames_are_cut(void **state)
{
	scoped(report_done) struct report r;
	char path[5000];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	report_init(&r);
	REPORT_FRAME(&r, "%s", path);
	(void)report_fail(&r, -EIO, "%s", path);
	assert_int_equal(strlen(report_first(&r)->where), sizeof(r.frame->text) - 1);
	assert_int_equal(strlen(report_first(&r)->cause), sizeof(path) - 1);
}

/* What report_send() writes, in a fresh file whose position is at its start. */
static int sent_file(const struct report *r, size_t *ret_len)
{
	int fd = memfd_create("sent", MFD_CLOEXEC);

	assert_int_equal(report_send(r, fd), 0);
	*ret_len = (size_t)lseek(fd, 0, SEEK_CUR);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void findings_travel_between_processes(void **state)
{
	scoped(report_done) struct report child, parent;
	scoped(fd_close) int fd = -EBADF;
	size_t len;

	report_init(&child);
	report_init(&parent);
	{
		REPORT_FRAME(&child, "task %d", 7);
		(void)report_refuse_with(&child, -EEXIST, CODE_PID_TAKEN, "kill it", "pid 9");
		report_warn(&child, CODE_LIMIT, "low");
	}
	fd = sent_file(&child, &len);
	assert_int_equal(report_receive(&parent, fd), 0);
	assert_int_equal(parent.n_failures, 1);
	assert_int_equal(parent.n_warnings, 1);
	assert_string_equal(report_first(&parent)->where, "task 7");
	assert_string_equal(report_first(&parent)->remedy, "kill it");
	assert_int_equal(report_first(&parent)->err, -EEXIST);
}

static void an_empty_pipe_has_no_findings(void **state)
{
	scoped(report_done) struct report r;
	int ends[2];

	report_init(&r);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(report_receive(&r, ends[0]), 0);
	assert_int_equal(r.n_failures, 0);
	fd_close(ends[0]);
	fd_close(ends[1]);
}

static void long_texts_are_cut_on_the_way(void **state)
{
	scoped(report_done) struct report child, parent;
	scoped(fd_close) int fd = -EBADF;
	char text[9000];
	size_t len;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	report_init(&child);
	report_init(&parent);
	REPORT_FRAME(&child, "%s", text);
	(void)report_refuse_with(&child, -EIO, CODE_LIMIT, text, "%s", text);
	fd = sent_file(&child, &len);
	assert_true(len <= 4096);
	assert_int_equal(report_receive(&parent, fd), 0);
	assert_true(strlen(report_first(&parent)->cause) > 1000);
}

static void received_bytes_are_not_trusted(void **state)
{
	scoped(report_done) struct report child;
	scoped(fd_close) int fd = -EBADF;
	char good[4096];
	size_t len;

	report_init(&child);
	(void)report_fail(&child, -EIO, "short");
	fd = sent_file(&child, &len);
	assert_int_equal(pread(fd, good, sizeof(good), 0), len);
	for (size_t cut = 1; cut < len; cut++) {
		scoped(report_done) struct report r;

		report_init(&r);
		assert_int_equal(ftruncate(fd, 0) + pwrite(fd, good, cut, 0), cut);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(report_receive(&r, fd), -EBADMSG);
	}
	/* Every byte, every value that matters. */
	for (size_t i = 0; i < len * 6; i++) {
		scoped(report_done) struct report r;
		char bad = (char)(i % 6 * 51);
		int ret;

		report_init(&r);
		assert_int_equal(pwrite(fd, good, len, 0), len);
		assert_int_equal(pwrite(fd, &bad, 1, (off_t)(i / 6)), 1);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		ret = report_receive(&r, fd);
		assert_true(ret == 0 || ret == -EBADMSG);
	}
}

static void every_code_is_complete_and_found(void **state)
{
	for (enum code c = 0; c < CODE_MAX; c++) {
		assert_true(str_has_prefix(code_text(c), "E-", NULL));
		assert_true(strlen(code_page(c)) > 20);
		assert_int_equal(code_find(code_text(c)), c);
		assert_int_equal(code_find(code_text(c) + 2), c);
	}
	assert_int_equal(code_find("e-tty-outside"), CODE_TTY_OUTSIDE);
	assert_int_equal(code_find("E-NOTHING"), CODE_MAX);
	assert_int_equal(code_find(""), CODE_MAX);
	assert_string_equal(code_text(CODE_MAX), "E-UNKNOWN");
}

static int quiet_log(void **state)
{
	return log_open_take(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_DEBUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_has_frames_cause_and_errno),
		cmocka_unit_test(frames_end_with_their_block),
		cmocka_unit_test(refusal_has_no_errno_text_but_a_remedy),
		cmocka_unit_test(warnings_and_notes_are_no_failures),
		cmocka_unit_test(long_frames_are_cut),
		cmocka_unit_test(findings_travel_between_processes),
		cmocka_unit_test(an_empty_pipe_has_no_findings),
		cmocka_unit_test(long_texts_are_cut_on_the_way),
		cmocka_unit_test(received_bytes_are_not_trusted),
		cmocka_unit_test(every_code_is_complete_and_found),
	};

	return cmocka_run_group_tests(tests, quiet_log, NULL);
}
