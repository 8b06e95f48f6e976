#pragma once
/* argv as a command, its options and its other words. */
#include "request/options.h"

/* The release of CRIU whose command line we take. */
#define CRIU_VERSION "4.2"

struct command_line {
	enum personality who;
	enum command command; /* CMD_MAX: none was given (help and version need none) */
	struct options options;
	/* What stands behind the command and is no option: borrowed from argv. */
	char **args;
	size_t n_args;
	char **words; /* owned: argv in getopt's order */
};

/* Called as "criu" (by the last part of argv[0]) we are CRIU, else ourselves. */
enum personality personality_of(const char *argv0);

/*
 * Reads configuration files and then argv. Everything wrong is reported; -EINVAL then, and what
 * could be understood is filled in all the same (whom to answer, where the log goes). With --help
 * or
 * --version anywhere nothing else is looked at.
 */
int command_line_parse(int argc, char **argv, struct report *rep,
		       struct command_line *ret) nodiscard;
void command_line_done(struct command_line *cl);
SCOPED_OBJECT(struct command_line, command_line_done);
