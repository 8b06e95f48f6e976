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

/* What report_send() writes for two findings of r. */
static size_t sent_bytes(const struct report *r, char *buf, size_t size)
{
	scoped(fd_close) int fd = memfd_create("sent", MFD_CLOEXEC);
	ssize_t n;

	assert_int_equal(report_send(r, fd), 0);
	n = pread(fd, buf, size, 0);
	assert_true(n > 0);
	return (size_t)n;
}

static void findings_travel_between_processes(void **state)
{
	scoped(report_done) struct report child, parent;
	char buf[4096];
	size_t n;

	report_init(&child);
	report_init(&parent);
	{
		REPORT_FRAME(&child, "task %d", 7);
		(void)report_refuse_with(&child, -EEXIST, CODE_PID_TAKEN, "kill it", "pid 9");
		report_warn(&child, CODE_LIMIT, "low");
	}
	n = sent_bytes(&child, buf, sizeof(buf));
	assert_int_equal(report_receive(&parent, buf, n), 0);
	assert_int_equal(parent.n_failures, 1);
	assert_int_equal(parent.n_warnings, 1);
	assert_string_equal(report_first(&parent)->where, "task 7");
	assert_string_equal(report_first(&parent)->remedy, "kill it");
	assert_int_equal(report_first(&parent)->err, -EEXIST);
}

static void received_bytes_are_not_trusted(void **state)
{
	scoped(report_done) struct report child;
	char buf[4096], bad[4096];
	size_t n;

	report_init(&child);
	(void)report_fail(&child, -EIO, "short");
	n = sent_bytes(&child, buf, sizeof(buf));
	for (size_t cut = 1; cut < n; cut++) {
		scoped(report_done) struct report r;

		report_init(&r);
		assert_int_equal(report_receive(&r, buf, cut), -EBADMSG);
	}
	/* Every byte of the head, every value that matters. */
	for (size_t i = 0; i < n; i++) {
		for (int v = 0; v < 256; v += 51) {
			scoped(report_done) struct report r;
			int ret;

			report_init(&r);
			memcpy(bad, buf, n);
			bad[i] = (char)v;
			ret = report_receive(&r, bad, n);
			assert_true(ret == 0 || ret == -EBADMSG);
		}
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
		cmocka_unit_test(received_bytes_are_not_trusted),
		cmocka_unit_test(every_code_is_complete_and_found),
	};

	return cmocka_run_group_tests(tests, quiet_log, NULL);
}
