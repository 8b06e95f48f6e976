#pragma once
/*
 * The log. Lines have CRIU's form, "(00.012345) text" with "Error (file:line): " and "Warn
 * (file:line): " before the text of those levels, because container engines grep for it; as there,
 * time stamps are left out at levels below LOG_INFO. One sink per process (the only mutable global
 * of the house), because code deep in a forked child must be able to log. A child shares its
 * parent's sink; a line is one write(2) at the end of the file, so lines of several processes and
 * threads never mix.
 *
 * No trailing newline or full stop in the text; ids as pid=812 fd=7. `error` is written by reports
 * only.
 *
 * DEBUG=file,ns in the environment writes the debug lines of these rooms (a room is any directory
 * or the bare name of the source: object, file, eventfd) at whatever level; DEBUG=all of all.
 */
#include <stdbool.h>

#include "base/base.h"

/* CRIU's -v levels. */
enum log_level { LOG_MSG = 0, LOG_ERROR = 1, LOG_WARN = 2, LOG_INFO = 3, LOG_DEBUG = 4 };

#define LOG_LEVEL_DEFAULT LOG_WARN

#define LOG_STRING_(x) #x
#define LOG_STRING(x)  LOG_STRING_(x)
/* The place in the source, as one literal: "../src/object/file/eventfd.c:42". Only what follows
 * "src/" is ever shown. */
#define LOG_HERE __FILE__ ":" LOG_STRING(__LINE__)

/* Writes one line when the level is on. `here` is LOG_HERE. Never fails visibly; errno survives. */
void log_write(enum log_level level, const char *here, const char *fmt, ...) attr_printf(3, 4);
/* Whether a line of this level from this place would be written (or kept, before log_open_take). */
bool log_is_on(enum log_level level, const char *here);

#define log_warn(...) log_write(LOG_WARN, LOG_HERE, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, LOG_HERE, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_is_on(LOG_DEBUG, LOG_HERE))                                                \
			log_write(LOG_DEBUG, LOG_HERE, __VA_ARGS__);                               \
	} while (0)

/*
 * Opens the sink on a descriptor that is taken over, also on failure (for stderr, hand in a
 * duplicate); the one before is closed. It is moved to a number above the standard ones. Lines from
 * before the first call were kept in memory, bounded, and are written now. Time counts from the
 * first line or call. 0 or -errno of fcntl(2).
 */
int log_open_take(int fd, enum log_level level) nodiscard;
/* Moves the sink's descriptor to the lowest free number >= floor (restore: above the slots of the
 * tasks to come). 0 or -errno, the sink then where it was. */
int log_move_above(int floor) nodiscard;
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* A prefix for every line from now on in this process ("   812: " in a restored task); copied, cut
 * to 15 bytes. */
void log_set_prefix(const char *prefix);
/* The sink's descriptor, or -EBADF before log_open_take(). */
int log_fd(void);
/* When no sink was ever opened: writes the early lines to stderr, for a program that ends early. */
void log_flush(void);
/* Closes the sink and forgets everything: for tests, and for a child that keeps nothing. */
void log_close(void);
