/*
 * Where the log goes.
 *
 * As criu: to --log-file, relative to the work directory, else to stderr. Under our own name the
 * report says what went wrong, so without --log-file a log is only written (to stderr) when
 * somebody asks for it with -v or DEBUG=.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"

static int log_file_open(const struct cli *c, const char *path)
{
	int dir = c->places.work_fd >= 0 ? c->places.work_fd : AT_FDCWD;
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* A descriptor for the log, with errors as -errno. */
static int sink_open(const struct cli *c)
{
	const struct options *o = &c->line.options;
	bool asked = c->line.who == CRIU || o->verbosity > LOG_LEVEL_DEFAULT || getenv("DEBUG");
	int fd;

	if (o->log_file && strcmp(o->log_file, "-") == 0)
		return fd_dup_above(STDOUT_FILENO, 3);
	if (o->log_file)
		return log_file_open(c, o->log_file);
	if (asked)
		return fd_dup_above(STDERR_FILENO, 3);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void log_head(const struct cli *c)
{
	struct utsname host;

	log_info("Version: %s (stasis %s)", CRIU_VERSION, STASIS_VERSION);
	if (uname(&host) == 0)
		log_info("Running on %s %s %s %s %s", host.nodename, host.sysname, host.release,
			 host.version, host.machine);
}

int cli_open_log(struct cli *c)
{
	const struct options *o = &c->line.options;
	enum log_level level = (enum log_level)MIN(o->verbosity, (int)LOG_DEBUG);
	int fd = sink_open(c), r = fd < 0 ? fd : 0;

	if (r < 0) {
		/* What follows must still be readable somewhere. */
		fd = fd_dup_above(STDERR_FILENO, 3);
		if (fd < 0 || log_open_take(fd, level) < 0)
			return r;
		return report_fail(&c->report, r, "cannot open log file %s", o->log_file ?: "");
	}
	r = log_open_take(fd, level);
	if (r < 0)
		return report_fail(&c->report, r, "cannot open the log");
	log_head(c);
	return 0;
}
