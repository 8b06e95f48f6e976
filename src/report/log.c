/*
 * The log's sink. See log.h.
 *
 * Early lines are kept as {level, length, text} one after the other in a fixed buffer: the level
 * that decides about them is known only when the command line has been read. They are collected
 * before the program has a second thread.
 */
#include "report/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define LINE_SIZE  2048
#define EARLY_SIZE 16384
#define FD_FLOOR   3

struct early_line {
	uint8_t level;
	uint8_t debug_filter; /* was asked for by DEBUG= */
	uint16_t len;
};

static struct sink {
	int fd;
	bool opened;
	enum log_level level;
	char prefix[16];
	struct timespec start;
	char rooms[256]; /* of DEBUG=, ",file,ns," */
	bool rooms_read;
	char early[EARLY_SIZE];
	size_t early_len;
	size_t early_lost;
} sink = { .fd = -EBADF, .level = LOG_LEVEL_DEFAULT };

/* Without the way from the build directory that the compiler puts before it. */
static const char *here_shown(const char *here)
{
	const char *src = strstr(here, "src/");

	if (src)
		return src + 4;
	while (strncmp(here, "../", 3) == 0)
		here += 3;
	return here;
}

static void rooms_read(void)
{
	const char *env = getenv("DEBUG");

	sink.rooms_read = true;
	if (env && *env)
		(void)snprintf(sink.rooms, sizeof(sink.rooms), ",%s,", env); /* cut when longer */
}

/* Whether DEBUG= names a directory of the place or its file's bare name. */
static bool room_is_on(const char *here)
{
	char word[64];

	if (!sink.rooms_read)
		rooms_read();
	if (!sink.rooms[0])
		return false;
	if (strstr(sink.rooms, ",all,"))
		return true;

	here = here_shown(here);
	while (*here && *here != ':') {
		size_t len = strcspn(here, "/.:");

		(void)snprintf(word, sizeof(word), ",%.*s,", (int)MIN(len, (size_t)48), here);
		if (strstr(sink.rooms, word))
			return true;
		if (here[len] != '/')
			return false;
		here += len + 1;
	}
	return false;
}

bool log_is_on(enum log_level level, const char *here)
{
	if (!sink.opened || level <= sink.level)
		return true;
	return level >= LOG_DEBUG && room_is_on(here);
}

static size_t stamp(char *line)
{
	struct timespec now;
	long us;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	if (sink.start.tv_sec == 0 && sink.start.tv_nsec == 0)
		sink.start = now;
	us = (now.tv_sec - sink.start.tv_sec) * 1000000L +
	     (now.tv_nsec - sink.start.tv_nsec) / 1000;
	return (size_t)snprintf(line, LINE_SIZE, "(%02ld.%06ld) ", us / 1000000, us % 1000000);
}

static const char *level_word(enum log_level level)
{
	return level == LOG_ERROR ? "Error" : level == LOG_WARN ? "Warn" : NULL;
}

/* Makes the line with its newline; a longer one is cut and says so. Gives its length. */
static size_t line_make(char *line, enum log_level level, const char *here, const char *fmt,
			va_list ap) attr_printf(4, 0);
static size_t line_make(char *line, enum log_level level, const char *here, const char *fmt,
			va_list ap)
{
	const char *word = level_word(level);
	size_t at = 0;
	int n;

	if (!sink.opened || sink.level >= LOG_INFO)
		at = stamp(line);
	at += (size_t)snprintf(line + at, LINE_SIZE - at, "%s", sink.prefix);
	if (word) {
		n = snprintf(line + at, LINE_SIZE / 2, "%s (%s): ", word, here_shown(here));
		at += MIN((size_t)n, (size_t)LINE_SIZE / 2 - 1);
	}
	n = vsnprintf(line + at, LINE_SIZE - 1 - at, fmt, ap);
	if (n > 0 && (size_t)n >= LINE_SIZE - 1 - at) {
		at = LINE_SIZE - 5;
		memcpy(line + at, "...", 3);
		at += 3;
	} else if (n > 0) {
		at += (size_t)n;
	}
	line[at++] = '\n';
	return at;
}

static void early_keep(enum log_level level, const char *here, const char *line, size_t len)
{
	struct early_line head = {
		.level = (uint8_t)level,
		.debug_filter = level >= LOG_DEBUG && room_is_on(here),
		.len = (uint16_t)len,
	};

	if (sink.early_len + sizeof(head) + len > EARLY_SIZE) {
		sink.early_lost++;
		return;
	}
	memcpy(sink.early + sink.early_len, &head, sizeof(head));
	memcpy(sink.early + sink.early_len + sizeof(head), line, len);
	sink.early_len += sizeof(head) + len;
}

void log_write(enum log_level level, const char *here, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[LINE_SIZE];
	size_t len;
	va_list ap;

	if (!log_is_on(level, here))
		return;
	va_start(ap, fmt);
	len = line_make(line, level, here, fmt, ap);
	va_end(ap);

	if (sink.opened)
		(void)!fd_write_all(sink.fd, line, len); /* nobody could be told */
	else
		early_keep(level, here, line, len);
	errno = saved_errno;
}

/* The stamp "(00.000123) " is left out below LOG_INFO. */
static size_t early_skip(const char *text, size_t len)
{
	const char *end = sink.level < LOG_INFO ? memchr(text, ')', len) : NULL;

	return end ? (size_t)(end - text) + 2 : 0;
}

static void early_write(int fd)
{
	struct early_line head;

	for (size_t at = 0; at < sink.early_len; at += sizeof(head) + head.len) {
		const char *text = sink.early + at + sizeof(head);
		size_t skip;

		memcpy(&head, sink.early + at, sizeof(head));
		if (head.level > sink.level && !head.debug_filter)
			continue;
		skip = early_skip(text, head.len);
		(void)!fd_write_all(fd, text + skip, head.len - skip);
	}
	sink.early_len = 0;
	if (sink.early_lost > 0)
		log_warn("%zu early log lines did not fit and are lost", sink.early_lost);
	sink.early_lost = 0;
}

int log_open_take(int fd, enum log_level level)
{
	scoped(fd_close) int owned = fd;
	char line[LINE_SIZE];

	if (owned < FD_FLOOR) {
		owned = fd_dup_above(fd, FD_FLOOR);
		fd_close(fd);
		if (owned < 0)
			return owned;
	}
	if (sink.opened)
		fd_close(sink.fd);
	sink.fd = fd_take(&owned);
	sink.level = level;
	sink.opened = true;
	(void)stamp(line); /* starts the clock */
	early_write(sink.fd);
	return 0;
}

int log_move_above(int floor)
{
	int fd;

	if (!sink.opened || sink.fd >= floor)
		return 0;
	fd = fd_dup_above(sink.fd, floor);
	if (fd < 0)
		return fd;
	fd_close(sink.fd);
	sink.fd = fd;
	return 0;
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

enum log_level log_get_level(void)
{
	return sink.level;
}

void log_set_prefix(const char *prefix)
{
	(void)snprintf(sink.prefix, sizeof(sink.prefix), "%s", prefix); /* cut on purpose */
}

int log_fd(void)
{
	return sink.fd;
}

void log_flush(void)
{
	if (!sink.opened)
		early_write(STDERR_FILENO);
}

void log_close(void)
{
	if (sink.opened)
		fd_close(sink.fd);
	memset(&sink, 0, sizeof(sink));
	sink.fd = -EBADF;
	sink.level = LOG_LEVEL_DEFAULT;
}
