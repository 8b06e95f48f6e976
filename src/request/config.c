/* Configuration files. See config.h. */
#include "request/config.h"

#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define CONFIG_LIMIT (1 << 20)

static char *skip_blanks(char *p)
{
	while (*p && isspace((unsigned char)*p))
		p++;
	return p;
}

/* Only blanks and a comment may follow. */
static bool is_end(const char *p)
{
	while (*p && isspace((unsigned char)*p))
		p++;
	return *p == '\0' || *p == '#';
}

/* The text between quotes, \" made " in place; p is behind the first quote. */
static int quoted_parse(char *p, char **ret_arg)
{
	char *out = p;

	*ret_arg = p;
	for (; *p && *p != '"'; p++) {
		if (p[0] == '\\' && p[1] == '"')
			p++;
		*out++ = *p;
	}
	if (*p != '"' || !is_end(p + 1))
		return -EINVAL;
	*out = '\0';
	return 0;
}

static int arg_parse(char *p, char **ret_arg)
{
	char *end;

	p = skip_blanks(p);
	*ret_arg = NULL;
	if (*p == '\0' || *p == '#')
		return 0;
	if (*p == '"')
		return quoted_parse(p + 1, ret_arg);
	end = p + strcspn(p, " \t\r\n#");
	if (!is_end(end))
		return -EINVAL;
	*end = '\0';
	*ret_arg = p;
	return 0;
}

int config_line_parse(char *line, char **ret_name, char **ret_arg)
{
	char *name = skip_blanks(line), *end;
	bool more;

	*ret_name = *ret_arg = NULL;
	if (*name == '\0' || *name == '#')
		return 0;
	end = name + strcspn(name, " \t\r\n=#");
	if (end == name || *name == '-')
		return -EINVAL;
	more = *end != '\0' && *end != '#';
	*end = '\0';
	*ret_name = name;
	return more ? arg_parse(end + 1, ret_arg) : 0;
}

static int line_apply(struct options *o, enum personality who, char *line, struct report *rep)
{
	const struct option_row *row;
	char *name, *arg;
	bool negated;

	if (config_line_parse(line, &name, &arg) < 0)
		return report_refuse(rep, -EINVAL, CODE_CONFIG,
				     "is not one option with at most one argument");
	if (!name)
		return 0;
	row = option_find(who, name, &negated);
	if (!row)
		return report_refuse(rep, -EINVAL, CODE_CONFIG, "there is no option %s", name);
	if (row->field == OPTION_config || row->field == OPTION_no_default_config)
		return 0; /* only the command line chooses files; CRIU lets it pass, too */
	if (arg && option_has_arg(row) == no_argument)
		return report_refuse(rep, -EINVAL, CODE_CONFIG, "%s takes no argument", name);
	return option_set(o, row, arg, negated, GIVEN_CONFIG, rep);
}

static int text_apply(struct options *o, enum personality who, char *text, struct report *rep)
{
	int ret = 0, number = 1;
	char *line;

	for (; (line = strsep(&text, "\n")); number++) {
		REPORT_FRAME(rep, "line %d", number);
		int r = line_apply(o, who, line, rep);

		ret = r < 0 ? r : ret;
	}
	return ret;
}

int config_read(struct options *o, enum personality who, const char *path, bool must_exist,
		struct report *rep)
{
	REPORT_FRAME(rep, "%s", path);
	scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	scoped(mem_free) char *text = NULL;
	size_t len;
	int r;

	if (fd < 0 && !must_exist && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (fd < 0)
		return report_fail(rep, -errno, "cannot open the configuration file");
	r = fd_read_to_end(fd, CONFIG_LIMIT, &text, &len);
	if (r < 0)
		return report_fail(rep, r, "cannot read the configuration file");
	if (memchr(text, '\0', len))
		return report_refuse(rep, -EINVAL, CODE_CONFIG, "is no text");
	log_debug("reading options from %s", path);
	return text_apply(o, who, text, rep);
}

int config_read_defaults(struct options *o, enum personality who, bool no_defaults,
			 struct report *rep)
{
	const char *name = who == CRIU ? "criu" : "stasis";
	const char *home = getenv("HOME");
	const char *named = getenv(who == CRIU ? "CRIU_CONFIG_FILE" : "STASIS_CONFIG_FILE");
	scoped(str_done) struct str path = { 0 };
	int r = 0;

	if (!no_defaults) {
		str_addf(&path, "/etc/%s/default.conf", name);
		r = config_read(o, who, str_get(&path), false, rep);
	}
	if (r == 0 && !no_defaults && home) {
		str_cut(&path, 0);
		str_addf(&path, "%s/.%s/default.conf", home, name);
		r = config_read(o, who, str_get(&path), false, rep);
	}
	if (r == 0 && named)
		r = config_read(o, who, named, who != CRIU, rep);
	return path.failed ? -ENOMEM : r;
}
