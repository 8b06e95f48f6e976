/* Values of options. See values.h. */
#include "request/values.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The index of a word in a list, or -EINVAL. */
static int word_index(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return (int)i;
	return -EINVAL;
}

int cgroup_mode_parse(const char *text, enum cgroup_mode *ret)
{
	static const char *const words[] = { "ignore", "none", "props", "soft", "full", "strict" };
	int i = word_index(text, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	*ret = (enum cgroup_mode)i;
	return 0;
}

int pre_dump_mode_parse(const char *text, enum pre_dump_mode *ret)
{
	static const char *const words[] = { "splice", "read" };
	int i = word_index(text, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	*ret = (enum pre_dump_mode)i;
	return 0;
}

int network_lock_parse(const char *text, enum network_lock *ret)
{
	static const char *const words[] = { "iptables", "nftables", "skip" };
	int i = word_index(strcmp(text, "none") == 0 ? "skip" : text, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	*ret = (enum network_lock)i;
	return 0;
}

int validation_parse(const char *text, enum request_validation *ret)
{
	static const char *const words[] = { "filesize", "buildid" };
	int i = word_index(text, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	*ret = (enum request_validation)i;
	return 0;
}

/* One word of --cpu-cap at p; gives its length, 0 when there is none. */
static size_t cpu_cap_word(const char *p, bool inverse, unsigned *caps)
{
	static const struct {
		const char *word;
		unsigned bits;
	} words[] = {
		{ "fpu", CPU_CAP_FPU },
		{ "cpu", CPU_CAP_CPU },
		{ "ins", CPU_CAP_INS },
		{ "all", CPU_CAP_ALL },
	};

	if (str_has_prefix(p, "none", NULL)) {
		*caps = inverse ? CPU_CAP_ALL : 0;
		return 4;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!str_has_prefix(p, words[i].word, NULL))
			continue;
		*caps = inverse ? *caps & ~words[i].bits : *caps | words[i].bits;
		return strlen(words[i].word);
	}
	return 0;
}

/* "cpu,^fpu": words are added to the default, one after ^ is taken out; a comma ends the ^. */
int cpu_cap_parse(const char *text, unsigned *ret)
{
	unsigned caps = CPU_CAP_DEFAULT;
	bool inverse = false;

	while (*text) {
		size_t len = 1;

		if (*text == '^')
			inverse = !inverse;
		else if (*text == ',')
			inverse = false;
		else
			len = cpu_cap_word(text, inverse, &caps);
		if (len == 0)
			return -EINVAL;
		text += len;
	}
	*ret = caps != 0 ? caps | CPU_CAP_IMAGE : 0;
	return 0;
}

int outside_make(struct arena *a, const char *type, const char *id, const char *value,
		 struct outside *ret)
{
	size_t size = strlen(type) + strlen(id) + 3;
	char *key = arena_alloc(a, size, 1);

	if (key)
		(void)snprintf(key, size, "%s[%s]", type, id);
	*ret = (struct outside){
		.key = key,
		.type = arena_str(a, type),
		.id = arena_str(a, id),
		.value = value ? arena_str(a, value) : NULL,
	};
	return a->failed ? -ENOMEM : 0;
}

/* The bracket that ends an id: the one before the value's colon or at the end, so that ids may hold
 * brackets. */
static char *id_end(char *id)
{
	char *end = strstr(id, "]:");
	size_t len = strlen(id);

	if (end)
		return end;
	return len > 0 && id[len - 1] == ']' ? id + len - 1 : NULL;
}

int outside_parse(struct arena *a, const char *text, struct outside *ret)
{
	char *copy = arena_str(a, text), *id, *end;

	if (!copy)
		return -ENOMEM;
	id = strchr(copy, '[');
	if (!id || id == copy)
		return -EINVAL;
	*id++ = '\0';
	for (const char *p = copy; *p; p++)
		if (!islower((unsigned char)*p))
			return -EINVAL;
	end = id_end(id);
	if (!end)
		return -EINVAL;
	*end = '\0';
	return outside_make(a, copy, id, end[1] == ':' ? end + 2 : NULL, ret);
}

int inherit_parse(struct arena *a, const char *text, struct inherit *ret)
{
	const char *p, *end;
	char number[16];
	int fd, r;

	if (!str_has_prefix(text, "fd[", &p))
		return -EINVAL;
	end = strstr(p, "]:");
	if (!end || end == p || (size_t)(end - p) >= sizeof(number) || !end[2])
		return -EINVAL;
	(void)snprintf(number, sizeof(number), "%.*s", (int)(end - p), p);
	r = str_to_int(number, 10, &fd);
	if (r < 0 || fd < 0)
		return -EINVAL;
	*ret = (struct inherit){ .key = arena_str(a, end + 2), .fd = fd };
	return ret->key ? 0 : -ENOMEM;
}

/* "1000,1000" */
static int ids_parse(char *text, struct join_ns *jn)
{
	char *comma = strchr(text, ',');

	if (!comma)
		return -EINVAL;
	*comma = '\0';
	if (str_to_u32(text, 10, &jn->uid) < 0 || str_to_u32(comma + 1, 10, &jn->gid) < 0)
		return -EINVAL;
	jn->has_ids = true;
	return 0;
}

/* A pid stands for the namespace file of that process. */
static const char *ns_path(struct arena *a, const char *type, const char *where)
{
	char path[64];
	int pid;

	if (str_to_int(where, 10, &pid) < 0 || pid <= 0)
		return arena_str(a, where);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, type);
	return arena_str(a, path);
}

int join_ns_parse(struct arena *a, const char *text, struct join_ns *ret)
{
	static const char *const types[] = { "ipc", "net", "time", "user", "uts", "mnt" };
	char *copy = arena_str(a, text), *where, *ids;
	struct join_ns jn = { 0 };
	int r;

	if (!copy)
		return -ENOMEM;
	where = strchr(copy, ':');
	if (!where || !where[1])
		return -EINVAL;
	*where++ = '\0';
	ids = strchr(where, ',');
	if (ids)
		*ids++ = '\0';
	r = word_index(copy, types, ARRAY_SIZE(types));
	if (r < 0 || (ids && strcmp(copy, "user") != 0))
		return -EINVAL;
	r = ids ? ids_parse(ids, &jn) : 0;
	if (r < 0)
		return r;
	jn.type = copy;
	jn.path = ns_path(a, copy, where);
	*ret = jn;
	return jn.path ? 0 : -ENOMEM;
}

int cgroup_root_parse(struct arena *a, const char *text, struct cgroup_root *ret)
{
	char *copy = arena_str(a, text), *colon;

	if (!copy)
		return -ENOMEM;
	colon = strchr(copy, ':');
	if (colon)
		*colon = '\0';
	*ret = (struct cgroup_root){
		.controller = colon ? copy : NULL,
		.path = colon ? colon + 1 : copy,
	};
	return ret->path[0] == '/' && (!colon || colon > copy) ? 0 : -EINVAL;
}
