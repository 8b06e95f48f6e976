/* Names that exist only while open files are being made. See scaffold.h. */
#include "object/file/scaffold.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/undo.h"
#include "base/vec.h"
#include "kernel/sys.h"
#include "object/file/path_common.h"
#include "report/log.h"

struct scaffold_name {
	char *name; /* owned */
	dev_t dev;
	ino_t ino;
	bool is_dir;
};

struct scaffold {
	int root; /* borrowed */
	struct report *report;
	struct undo *undo;
	bool in_undo;
	struct {
		VEC(struct scaffold_name);
	} names;
};

struct scaffold *scaffold_new(struct env *env)
{
	struct scaffold *s = NEW(struct scaffold);

	if (s) {
		s->root = env->root_fd;
		s->report = env->report;
		s->undo = env->undo;
	}
	return s;
}

void scaffold_free(struct scaffold *s)
{
	if (!s)
		return;
	vec_for_each(n, &s->names)
		mem_free(n->name);
	vec_done(&s->names);
	mem_free(s);
}

static int name_remove(const struct scaffold *s, const struct scaffold_name *n)
{
	scoped(fd_close) int dir = -EBADF;
	const char *base;
	struct stat st;
	int r = path_open_parent(s->root, n->name, &base, &dir);

	if (r == 0)
		r = sys_fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return r;
	if (st.st_dev != n->dev || st.st_ino != n->ino)
		return 0; /* somebody else's by now */
	return sys_unlinkat(dir, base, n->is_dir ? AT_REMOVEDIR : 0);
}

static void names_remove(void *arg)
{
	struct scaffold *s = arg;

	while (s->names.n) {
		struct scaffold_name *n = &s->names.at[--s->names.n];
		int r = name_remove(s, n);

		if (r < 0 && r != -ENOENT)
			report_warn(s->report, CODE_SYSTEM,
				    "the temporary name %s stays: it cannot be removed: %s",
				    n->name, strerror(-r));
		mem_free(n->name);
	}
	s->in_undo = false;
}

void scaffold_clear(struct scaffold *s)
{
	if (s->in_undo)
		(void)undo_forget(s->undo, names_remove, s); /* one entry: known without counting */
	names_remove(s);
}

int scaffold_note(struct scaffold *s, int dir, const char *base, const char *name)
{
	struct scaffold_name n = { .name = NULL };
	struct stat st;
	int r = sys_fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r;
	n.dev = st.st_dev;
	n.ino = st.st_ino;
	n.is_dir = S_ISDIR(st.st_mode);
	n.name = mem_dup(name, strlen(name) + 1);
	r = n.name ? vec_push(&s->names, n) : -ENOMEM;
	if (r < 0) {
		mem_free(n.name);
		if (sys_unlinkat(dir, base, n.is_dir ? AT_REMOVEDIR : 0) < 0)
			log_warn("the temporary name %s stays", name);
		return r;
	}
	if (s->in_undo)
		return 0;
	s->in_undo = true;
	return undo_push(s->undo, "temporary names", names_remove, s);
}

/* Makes the directory `name`, whose parent may be missing, too. */
static int directory_make(struct scaffold *s, const char *name)
{
	scoped(fd_close) int dir = -EBADF;
	const char *base;
	int r = scaffold_parent(s, name, &base, &dir);

	if (r == 0)
		r = sys_mkdirat(dir, base, 0755);
	if (r == -EEXIST)
		return 0;
	return r < 0 ? r : scaffold_note(s, dir, base, name);
}

int scaffold_parent(struct scaffold *s, const char *name, const char **ret_base, int *ret_fd)
{
	const char *slash = strrchr(name, '/');
	int r = path_open_parent(s->root, name, ret_base, ret_fd);

	if (r != -ENOENT || !slash || slash == name)
		return r;

	scoped(mem_free) char *above = mem_dup(name, (size_t)(slash - name) + 1);

	if (!above)
		return -ENOMEM;
	above[slash - name] = '\0';
	r = directory_make(s, above);
	return r < 0 ? r : path_open_parent(s->root, name, ret_base, ret_fd);
}
