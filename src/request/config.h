#pragma once
/*
 * Configuration files, in CRIU's format: a line is empty, a comment (# to its end), or the long
 * name of an option without dashes, followed by its argument if it has one. An argument with blanks
 * stands in double quotes; \" is a quote in it. "name=argument" is taken as well.
 */
#include "request/options.h"

/* One line, taken apart in place: *ret_name NULL for an empty one, *ret_arg NULL when there is
 * none. -EINVAL when it has another form. */
int config_line_parse(char *line, char **ret_name, char **ret_arg) nodiscard;

/*
 * Sets the options that a file names. `must_exist`: a missing file is an error, else it is none.
 * Everything wrong in the file is reported with its line. 0 or -errno.
 */
int config_read(struct options *o, enum personality who, const char *path, bool must_exist,
		struct report *rep) nodiscard;

/*
 * Reads the files that hold without being named: the system's and the user's default.conf, unless
 * `no_defaults`, and the one named in the environment (CRIU_CONFIG_FILE, STASIS_CONFIG_FILE).
 */
int config_read_defaults(struct options *o, enum personality who, bool no_defaults,
			 struct report *rep) nodiscard;
