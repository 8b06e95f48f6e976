/*
 * What users and their files say. The first byte tells how the rest is read: as a configuration
 * file, as the words of a command line (separated by NUL), or as the findings that a child sent.
 */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "report/json.h"
#include "request/command_line.h"
#include "request/config.h"
#include "request/request.h"

#define WORDS_MAX 64

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && fd_write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* A failure must have been told, and can be told again as JSON. */
static void check_report(int r, const struct report *rep)
{
	json_t *all = report_to_json(rep);

	must((r < 0) == (rep->n_failures > 0));
	must(all != NULL);
	json_decref(all);
}

static void fuzz_config(enum personality who, const uint8_t *data, size_t size)
{
	scoped(options_done) struct options o;
	scoped(report_done) struct report rep;
	scoped(fd_close) int fd = file_of(data, size);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	options_init(&o, who);
	report_init(&rep);
	rep.quiet = true;
	check_report(config_read(&o, who, path, true, &rep), &rep);
}

static void make_requests(struct command_line *cl, struct report *rep)
{
	struct places places = { .images_fd = -EBADF, .work_fd = -EBADF };
	struct restore_request restore;
	struct dump_request dump;
	struct check_request check;

	(void)!request_dump(&cl->options, &places, rep, &dump);
	(void)!request_restore(&cl->options, &places, cl->args, rep, &restore);
	(void)!request_check(&cl->options, rep, &check);
}

static void fuzz_argv(enum personality who, const uint8_t *data, size_t size)
{
	char *text = mem_dup(data, size), *at = text;
	char criu[] = "criu", stasis[] = "stasis";
	char *words[WORDS_MAX + 2] = { who == CRIU ? criu : stasis };
	scoped(command_line_done) struct command_line cl = { 0 };
	scoped(report_done) struct report rep;
	int n = 1;

	must(text != NULL);
	text[size - 1] = '\0';
	for (; at < text + size && n <= WORDS_MAX; at += strlen(at) + 1)
		words[n++] = at;
	report_init(&rep);
	rep.quiet = true;
	check_report(command_line_parse(n, words, &rep, &cl), &rep);
	make_requests(&cl, &rep);
	mem_free(text);
}

static void fuzz_findings(const uint8_t *data, size_t size)
{
	scoped(report_done) struct report rep;
	scoped(fd_close) int fd = file_of(data, size);
	int r;

	report_init(&rep);
	r = report_receive(&rep, fd);
	must(r == 0 || r == -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum personality who;

	if (size < 2)
		return 0;
	(void)setenv("HOME", "/nonexistent", 1);
	who = data[0] & 1 ? CRIU : OWN;
	switch (data[0] >> 1 & 3) {
	case 0:
		fuzz_config(who, data + 1, size - 1);
		break;
	case 1:
		fuzz_argv(who, data + 1, size - 1);
		break;
	default:
		fuzz_findings(data + 1, size - 1);
		break;
	}
	return 0;
}

/* Every option with an argument of some kind, as a file and as words. */
static size_t seed_options(uint8_t how, char separator, const char *prefix, uint8_t *buf,
			   size_t room, unsigned first)
{
	static const char *const args[] = { "1",      "mnt[/a]:b", "fd[1]:pipe:[2]", "net:1,2,3",
					    "cpu:/a", "a=b",       "\"x \\\" y\"",   "^fpu,all" };
	size_t n, len = 1;
	const struct option_row *rows = option_rows(&n);

	buf[0] = how;
	for (size_t i = first; i < n && i < first + 20; i++)
		if (rows[i].name && len < room)
			len += (size_t)snprintf((char *)buf + len, room - len, "%s%s%c%s%c", prefix,
						rows[i].name, separator == '\n' ? ' ' : '=',
						rows[i].arg[0] ? args[i % ARRAY_SIZE(args)] : "",
						separator);
	return len < room ? len : room;
}

static size_t seed_findings(uint8_t *buf, size_t room)
{
	scoped(report_done) struct report rep;
	scoped(fd_close) int fd = memfd_create("seed", MFD_CLOEXEC);
	ssize_t n;

	report_init(&rep);
	rep.quiet = true;
	(void)report_fail(&rep, -EIO, "first");
	(void)report_refuse_with(&rep, -EPERM, CODE_LIMIT, "remedy", "second");
	must(report_send(&rep, fd) == 0);
	buf[0] = 4;
	n = pread(fd, buf + 1, room - 1, 0);
	must(n > 0);
	return (size_t)n + 1;
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t room)
{
	if (n == 0)
		return seed_findings(buf, room);
	if (n <= 6)
		return seed_options(n % 2, '\n', "", buf, room, (n - 1) / 2 * 20);
	if (n <= 16)
		return seed_options(2 + n % 2, '\0', "--", buf, room, (n - 7) / 2 * 20);
	return 0;
}
