/* The tables of commands and options, and how a value gets into its field. See options.h. */
#include "request/options.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* Sets of commands, for options.def. */
#define ON(command) (1u << CMD_##command)
#define ON_ANY      UINT32_MAX
#define ON_MAKE     (ON(DUMP) | ON(PRE_DUMP) | ON(RESTORE))
#define ON_TREE     (ON_MAKE | ON(CHECK) | ON(TREE))
#define ON_NET      (ON(DUMP) | ON(PRE_DUMP) | ON(PAGE_SERVER) | ON(LAZY_PAGES) | ON(SERVICE))

/* What CRIU stores of a deleted file when nothing else is said. */
#define CRIU_GHOST_LIMIT (UINT64_C(1) << 20)

static_assert(CMD_MAX <= 32, "commands are bits of a word");

static const struct command_row commands[] = {
#define COMMAND(id, word, who, state, args, about) { CMD_##id, word, who, state, args, about },
#include "request/commands.def"
#undef COMMAND
};

static const struct option_row rows[] = {
#define GROUP(title) { .help = title },
#define ROW(field, name, letter, type, commands, who, state, arg, help)                            \
	{ name,          letter, TYPE_##type,                                                      \
	  commands,      who,    state,                                                            \
	  arg,           help,   offsetof(struct options, field),                                  \
	  OPTION_##field },
#define OPTION ROW
#define ALIAS  ROW
#include "request/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
};

static_assert(ARRAY_SIZE(rows) <= OPTION_ROWS_MAX, "struct options has a place for each row");

/* An alias writes the field of its option: the two types must be the same to C. */
#define GROUP(title)
#define OPTION(...)
#define ALIAS(field, name, letter, type, ...)                                                      \
	static_assert(__builtin_types_compatible_p(__typeof__(((struct options *)NULL)->field),    \
						   field_##type),                                  \
		      "--" name " and the option it stands for differ in type");
#include "request/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS

const struct command_row *command_row(enum command c)
{
	return c < CMD_MAX ? &commands[c] : NULL;
}

/* Whether `word` is the first word of the command and, where there are two, `next` the second. */
static size_t command_words(const struct command_row *row, const char *word, const char *next)
{
	size_t len = strcspn(row->word, " ");

	if (strlen(word) != len || strncmp(row->word, word, len) != 0)
		return 0;
	if (!row->word[len])
		return 1;
	return next && strcmp(row->word + len + 1, next) == 0 ? 2 : 0;
}

const struct command_row *command_find(enum personality who, const char *word, const char *next,
				       size_t *ret_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t n = command_words(&commands[i], word, next);

		if (n == 0 || !(commands[i].who & who))
			continue;
		*ret_words = n;
		return &commands[i];
	}
	return NULL;
}

const struct option_row *option_rows(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(rows);
	return rows;
}

const struct option_row *option_find(enum personality who, const char *name, bool *ret_negated)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *bare;

		if (!rows[i].name || !(rows[i].who & who))
			continue;
		*ret_negated = false;
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
		*ret_negated = true;
		if (rows[i].type == TYPE_BOOL && str_has_prefix(name, "no-", &bare) &&
		    strcmp(rows[i].name, bare) == 0)
			return &rows[i];
	}
	return NULL;
}

int option_has_arg(const struct option_row *row)
{
	static const int has_arg[] = {
#define X(type, ctype, arg) [TYPE_##type] = arg,
		OPTION_TYPES(X)
#undef X
	};

	return has_arg[row->type];
}

void options_init(struct options *o, enum personality who)
{
	memset(o, 0, sizeof(*o));
	o->status_fd = -1;
	o->ps_socket = -1;
	o->timeout = 10;
	o->ghost_limit = who == CRIU ? CRIU_GHOST_LIMIT : UINT64_MAX;
	o->verbosity = LOG_LEVEL_DEFAULT;
	o->cpu_cap = CPU_CAP_DEFAULT;
	o->file_validation = REQUEST_VALIDATE_BUILD_ID;
	o->ghost_fiemap = true;
}

void options_done(struct options *o)
{
	vec_done(&o->irmap_scan_paths);
	vec_done(&o->skip_mnt);
	vec_done(&o->enable_fs);
	vec_done(&o->cgroup_controllers);
	vec_done(&o->scripts);
	vec_done(&o->features);
	vec_done(&o->externals);
	vec_done(&o->inherits);
	vec_done(&o->join_ns);
	vec_done(&o->cgroup_roots);
	vec_done(&o->close_fds);
	arena_done(&o->arena);
}

static int text_add(struct options *o, struct text_list *list, const char *arg)
{
	const char *copy = arena_str(&o->arena, arg);

	return copy ? vec_push(list, copy) : -ENOMEM;
}

static int fd_parse(const char *arg, int *ret)
{
	int fd, r = str_to_int(arg, 10, &fd);

	if (r < 0 || fd < 0)
		return -EINVAL;
	*ret = fd;
	return 0;
}

/* -v is one more, -vvv three more; -v3 and --verbosity=3 say it. "-verbosity=3" with one dash,
 * which getopt takes for -v with the rest as its argument, means the same. */
static int verbosity_set(int *level, const char *arg)
{
	if (!arg) {
		*level += 1;
		return 0;
	}
	if (arg[0] == 'v' && strspn(arg, "v") == strlen(arg)) {
		*level += (int)strlen(arg) + 1;
		return 0;
	}
	(void)str_has_prefix(arg, "erbosity=", &arg);
	return fd_parse(arg, level); /* any number that is not negative */
}

static int outside_add(struct options *o, int r, const struct outside *x)
{
	if (r < 0)
		return r;
	if (strcmp(x->type, "mnt") == 0 && x->id[0] == '\0') {
		o->mounts_auto = true;
		o->mounts_masters |= x->value && strchr(x->value, 'm');
		o->mounts_sharing |= x->value && strchr(x->value, 's');
	}
	return vec_push(&o->externals, *x);
}

/* "KEY:VALUE" or "IN=OUT", older spellings of an external. */
static int outside_add_pair(struct options *o, const char *type, const char *arg, char separator)
{
	struct outside x = { 0 };
	char *copy = arena_str(&o->arena, arg);
	char *at = copy ? strchr(copy, separator) : NULL;

	if (!at)
		return copy ? -EINVAL : -ENOMEM;
	*at = '\0';
	return outside_add(o, outside_make(&o->arena, type, copy, at + 1, &x), &x);
}

static int ext_mount_set(struct options *o, const char *arg)
{
	struct outside x = { 0 };

	if (strcmp(arg, "auto") == 0)
		return outside_add(o, outside_make(&o->arena, "mnt", "", NULL, &x), &x);
	return outside_add_pair(o, "mnt", arg, ':');
}

/* -x, or -x12,34: the inodes are externals of type unix. */
static int unix_sk_set(struct options *o, const char *arg)
{
	char *copy = arg ? arena_str(&o->arena, arg) : NULL, *rest = copy, *word;

	o->ext_unix_sk = true;
	while (rest && (word = strsep(&rest, ","))) {
		struct outside x = { 0 };
		uint64_t inode;
		int r = str_to_u64(word, 10, &inode);

		if (r == 0)
			r = outside_make(&o->arena, "unix", word, NULL, &x);
		r = outside_add(o, r, &x);
		if (r < 0)
			return r;
	}
	return arg && !copy ? -ENOMEM : 0;
}

static int cpu_cap_set(unsigned *caps, const char *arg)
{
	if (arg)
		return cpu_cap_parse(arg, caps);
	*caps |= CPU_CAP_ALL | CPU_CAP_IMAGE;
	return 0;
}

static int cgroups_set(enum cgroup_mode *mode, const char *arg)
{
	return cgroup_mode_parse(arg ?: "soft", mode);
}

static int empty_ns_set(unsigned *flags, const char *arg)
{
	if (strcmp(arg, "net") != 0)
		return -EINVAL;
	*flags |= CLONE_NEWNET;
	return 0;
}

static int text_set(struct options *o, const char **field, const char *arg)
{
	*field = arena_str(&o->arena, arg);
	return *field ? 0 : -ENOMEM;
}

/* Lists: the types whose options may be repeated. */
static int list_set(struct options *o, const struct option_row *row, void *field, const char *arg)
{
	struct outside outside = { 0 };
	struct inherit inherit = { 0 };
	struct join_ns join = { 0 };
	struct cgroup_root root = { 0 };
	int r, fd;

	if (row->type == TYPE_TEXTS)
		return text_add(o, field, arg);
	if (row->type == TYPE_OUTSIDE)
		return outside_add(o, outside_parse(&o->arena, arg, &outside), &outside);
	if (row->type == TYPE_EXT_MOUNT)
		return ext_mount_set(o, arg);
	if (row->type == TYPE_VETH)
		return outside_add_pair(o, "veth", arg, '=');
	if (row->type == TYPE_INHERIT) {
		r = inherit_parse(&o->arena, arg, &inherit);
		return r < 0 ? r : vec_push(&o->inherits, inherit);
	}
	if (row->type == TYPE_JOIN_NS) {
		r = join_ns_parse(&o->arena, arg, &join);
		return r < 0 ? r : vec_push(&o->join_ns, join);
	}
	if (row->type == TYPE_CGROUP_ROOT) {
		r = cgroup_root_parse(&o->arena, arg, &root);
		return r < 0 ? r : vec_push(&o->cgroup_roots, root);
	}
	r = fd_parse(arg, &fd);
	return r < 0 ? r : vec_push(&o->close_fds, fd);
}

/* One case for each type: a table in the form of a switch. */
static int field_set(struct options *o, const struct option_row *row, const char *arg, bool negated)
{
	void *field = (char *)o + row->offset;
	int r;

	switch (row->type) {
	case TYPE_BOOL:
	case TYPE_FLAG:
		*(bool *)field = !negated;
		return 0;
	case TYPE_PID:
		r = str_to_int(arg, 10, field);
		return r < 0 ? r : *(pid_t *)field > 0 ? 0 : -EINVAL;
	case TYPE_NUMBER:
		r = str_to_int(arg, 10, field);
		return r < 0 ? r : *(int *)field > 0 ? 0 : -EINVAL;
	case TYPE_FD:
		return fd_parse(arg, field);
	case TYPE_SIZE:
		return str_to_size(arg, field);
	case TYPE_SECONDS:
		return str_to_u32(arg, 10, field);
	case TYPE_TEXT:
		return text_set(o, field, arg);
	case TYPE_LEAVE_RUNNING:
		*(enum final_state *)field = FINAL_RUNNING;
		return 0;
	case TYPE_LEAVE_STOPPED:
		*(enum final_state *)field = FINAL_STOPPED;
		return 0;
	case TYPE_VALIDATION:
		return validation_parse(arg, field);
	case TYPE_NETWORK_LOCK:
		return network_lock_parse(arg, field);
	case TYPE_CGROUPS:
		return cgroups_set(field, arg);
	case TYPE_PRE_DUMP:
		return pre_dump_mode_parse(arg, field);
	case TYPE_CPU_CAP:
		return cpu_cap_set(field, arg);
	case TYPE_UNIX_SK:
		return unix_sk_set(o, arg);
	case TYPE_EMPTY_NS:
		return empty_ns_set(field, arg);
	case TYPE_VERBOSITY:
		return verbosity_set(field, arg);
	case TYPE_REMOVED:
		return -EOPNOTSUPP;
	case TYPE_TEXTS:
	case TYPE_OUTSIDE:
	case TYPE_EXT_MOUNT:
	case TYPE_VETH:
	case TYPE_INHERIT:
	case TYPE_JOIN_NS:
	case TYPE_CGROUP_ROOT:
	case TYPE_CLOSE:
		break;
	}
	return list_set(o, row, field, arg);
}

int option_set(struct options *o, const struct option_row *row, const char *arg, bool negated,
	       enum given given, struct report *rep)
{
	REPORT_FRAME(rep, "option --%s%s", negated ? "no-" : "", row->name);
	int r;

	if (!arg && option_has_arg(row) == required_argument)
		return report_refuse(rep, -EINVAL, CODE_USAGE, "needs an argument (%s)", row->arg);
	r = field_set(o, row, arg, negated);
	if (r == -ENOMEM)
		return report_fail(rep, r, "cannot keep its argument");
	if (r == -EOPNOTSUPP)
		return report_refuse(rep, -EINVAL, CODE_DEPRECATED, "%s", row->help);
	if (r < 0)
		return report_refuse(rep, -EINVAL, CODE_OPTION_VALUE,
				     "cannot read \"%s\", which should be %s", arg ?: "", row->arg);
	o->given[row - rows] = negated ? GIVEN_NOT : given;
	return 0;
}

/* Control groups are left alone in this version: that is what "ignore" asks for. */
static bool row_is_built(const struct options *o, const struct option_row *row)
{
	if (row->type == TYPE_CGROUPS)
		return o->manage_cgroups == CGROUP_IGNORE;
	return row->state != LATER;
}

static int externals_check(const struct options *o, struct report *rep)
{
	/* Those that a kind of open file answers for. Namespaces, mounts and devices come later. */
	static const char *const built[] = { "file", "tty", "unix" };
	static const char *const later[] = {
		"mnt", "dev", "veth", "macvlan", "netdev", "net", "pid"
	};
	int ret = 0;

	vec_for_each(x, &o->externals) {
		bool ok = false, known = false;

		for (size_t i = 0; i < ARRAY_SIZE(built); i++)
			ok |= strcmp(x->type, built[i]) == 0;
		for (size_t i = 0; i < ARRAY_SIZE(later); i++)
			known |= strcmp(x->type, later[i]) == 0;
		if (ok)
			continue;
		if (known)
			ret = report_refuse(rep, -ENOTSUP, CODE_OPTION_NOT_BUILT,
					    "option --external: type %s is not built yet", x->type);
		else
			ret = report_refuse(rep, -EINVAL, CODE_OPTION_VALUE,
					    "option --external: there is no type %s", x->type);
	}
	return ret;
}

int options_check(const struct options *o, enum personality who, enum command command,
		  struct report *rep)
{
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool belongs = rows[i].commands & (1u << command);

		if (o->given[i] == GIVEN_NOT)
			continue;
		if (belongs && !row_is_built(o, &rows[i]))
			ret = report_refuse(rep, -ENOTSUP, CODE_OPTION_NOT_BUILT,
					    "option --%s is not built yet", rows[i].name);
		if (!belongs && who == OWN && o->given[i] == GIVEN_ARGV)
			ret = report_refuse(rep, -EINVAL, CODE_OPTION_COMMAND,
					    "option --%s does not belong to the command %s",
					    rows[i].name, commands[command].word);
	}
	if ((1u << command) & ON_TREE) {
		int r = externals_check(o, rep);

		ret = r < 0 ? r : ret;
	}
	return ret;
}
