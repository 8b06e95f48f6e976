#pragma once
/*
 * All options of all commands as read from the command line, configuration files or, later, the
 * RPC: a struct with one field for each row of options.def, and the table of the rows.
 *
 * Requests (request.h) are made from it. It owns every text that a request points to, so it must
 * live as long.
 */
#include "report/report.h"
#include "request/values.h"

/* Who takes a command or an option, and as whom we were called. */
enum personality { OWN = 1 << 0, CRIU = 1 << 1, BOTH = OWN | CRIU };

enum command {
#define COMMAND(id, ...) CMD_##id,
#include "request/commands.def"
#undef COMMAND
	CMD_MAX,
};

enum built { BUILT, PERMITS, NEUTRAL, LATER, OLD };

struct command_row {
	enum command id;
	const char *word; /* "dump"; two words for cpuinfo */
	enum personality who;
	enum built state;
	const char *args;
	const char *about;
};

/* TYPE, C type of the field, whether an argument follows (getopt's word for it). */
#define OPTION_TYPES(X)                                                                            \
	X(BOOL, bool, no_argument)                                                                 \
	X(FLAG, bool, no_argument)                                                                 \
	X(PID, pid_t, required_argument)                                                           \
	X(NUMBER, int, required_argument)                                                          \
	X(FD, int, required_argument)                                                              \
	X(SIZE, uint64_t, required_argument)                                                       \
	X(SECONDS, unsigned, required_argument)                                                    \
	X(TEXT, const char *, required_argument)                                                   \
	X(TEXTS, struct text_list, required_argument)                                              \
	X(LEAVE_RUNNING, enum final_state, no_argument)                                            \
	X(LEAVE_STOPPED, enum final_state, no_argument)                                            \
	X(VALIDATION, enum request_validation, required_argument)                                  \
	X(NETWORK_LOCK, enum network_lock, required_argument)                                      \
	X(CGROUPS, enum cgroup_mode, optional_argument)                                            \
	X(PRE_DUMP, enum pre_dump_mode, required_argument)                                         \
	X(CPU_CAP, unsigned, optional_argument)                                                    \
	X(UNIX_SK, bool, optional_argument)                                                        \
	X(OUTSIDE, struct outside_list, required_argument)                                         \
	X(EXT_MOUNT, struct outside_list, required_argument)                                       \
	X(VETH, struct outside_list, required_argument)                                            \
	X(INHERIT, struct inherit_list, required_argument)                                         \
	X(JOIN_NS, struct join_ns_list, required_argument)                                         \
	X(CGROUP_ROOT, struct cgroup_root_list, required_argument)                                 \
	X(EMPTY_NS, unsigned, required_argument)                                                   \
	X(VERBOSITY, int, optional_argument)                                                       \
	X(CLOSE, struct number_list, required_argument)                                            \
	X(REMOVED, bool, no_argument)

enum option_type {
#define X(type, ctype, has_arg) TYPE_##type,
	OPTION_TYPES(X)
#undef X
};

#define X(type, ctype, has_arg) typedef ctype field_##type;
OPTION_TYPES(X)
#undef X

/* The rows of options.def, aliases included, by number. */
enum option_id {
#define GROUP(title)
#define OPTION(field, ...) OPTION_##field,
#define ALIAS(field, ...)
#include "request/options.def"
#undef OPTION
#undef ALIAS
	OPTION_FIELDS, /* how many fields there are */
#undef GROUP
};

struct option_row {
	const char *name; /* NULL in a row that starts a group: then `help` is its title */
	char letter;
	enum option_type type;
	uint32_t commands; /* 1u << enum command */
	enum personality who;
	enum built state;
	const char *arg;
	const char *help;
	size_t offset;        /* of the field in struct options */
	enum option_id field; /* which OPTION(...) the field is of */
};

enum given { GIVEN_NOT, GIVEN_CONFIG, GIVEN_ARGV };

#define OPTION_ROWS_MAX 128

struct options {
#define GROUP(title)
#define OPTION(field, name, letter, type, ...) field_##type field;
#define ALIAS(field, ...)
#include "request/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
	bool mounts_auto;                  /* --external mnt[] or --ext-mount-map auto */
	enum given given[OPTION_ROWS_MAX]; /* by row: where it was asked for last */
	struct arena arena;                /* of all texts */
};

/* Defaults everywhere. */
void options_init(struct options *o, enum personality who);
void options_done(struct options *o);
SCOPED_OBJECT(struct options, options_done);

/* The table; *ret_n rows. */
const struct option_row *option_rows(size_t *ret_n);
/* The row of a long name that `who` takes, or NULL. A "no-" form gives the row and *ret_negated. */
const struct option_row *option_find(enum personality who, const char *name, bool *ret_negated);
/* getopt's no_argument, required_argument or optional_argument. */
int option_has_arg(const struct option_row *row);

/*
 * Sets one option. `arg` is NULL when there is none; it is copied. `negated` is for the --no- form
 * of BOOL. 0, or -EINVAL, reported with the option's name (the caller's frame says where it
 * stands).
 */
int option_set(struct options *o, const struct option_row *row, const char *arg, bool negated,
	       enum given given, struct report *rep) nodiscard;

/*
 * Whether everything that was given can be had with this command: what is not built yet is refused
 * by name, and under our own name also what belongs to other commands (on the command line; a
 * configuration file is for all commands). 0 or -ENOTSUP or -EINVAL, everything reported.
 */
int options_check(const struct options *o, enum personality who, enum command command,
		  struct report *rep) nodiscard;

const struct command_row *command_row(enum command c);
/* The command of a word (and the next, for cpuinfo; *ret_words says how many were used), or NULL.
 */
const struct command_row *command_find(enum personality who, const char *word, const char *next,
				       size_t *ret_words);
