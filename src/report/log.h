#pragma once
/*
 * The log. Lines have CRIU's form, "(00.012345) text" with "Error (file:line): " and "Warn
 * (file:line): " before the text of those levels, because container engines grep for it. One sink
 * per process (the only mutable global of the house), because code deep in a forked child must be
 * able to log.
 *
 * No trailing newline or full stop in the text; ids as pid=812 fd=7. `error` is written by reports
 * only.
 */
#include <stdbool.h>

#include "base/base.h"

/* CRIU's -v levels. */
enum log_level { LOG_MSG = 0, LOG_ERROR = 1, LOG_WARN = 2, LOG_INFO = 3, LOG_DEBUG = 4 };

/* The room a debug line belongs to; DEBUG=file,ns in the environment selects rooms at any level. */
void log_write(enum log_level level, const char *file, int line, const char *fmt, ...)
	attr_printf(4, 5);
bool log_is_on(enum log_level level);

#define log_warn(...) log_write(LOG_WARN, __FILE_NAME__, __LINE__, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __FILE_NAME__, __LINE__, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_is_on(LOG_DEBUG))                                                          \
			log_write(LOG_DEBUG, __FILE_NAME__, __LINE__, __VA_ARGS__);                \
	} while (0)

/*
 * Opens the sink: a descriptor that is taken over (stderr is fine), level and the prefix of time
 * stamps. Early lines (before log_open) are kept in memory, bounded, and written then.
 */
int log_open_take(int fd, enum log_level level, bool stamps) nodiscard;
void log_set_level(enum log_level level);
/* A prefix for every line from now on in this process ("   812: " in a restored task); copied, cut
 * to 15 bytes. */
void log_set_prefix(const char *prefix);
int log_fd(void);
void log_flush(void);
