/*
 * Names made for remapped files: the temporary links that a dump leaves beside the old names, and
 * the old names as they appear again while files are opened. See remap.h.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/undo.h"
#include "kernel/sys.h"
#include "object/file/remap.h"
#include "object/file/scaffold.h"

/* One that this dump made: for undoing it. */
struct made_link {
	struct collect *c;
	const struct path_file *link;
};

static void link_undo(void *arg)
{
	const struct made_link *l = arg;
	scoped(fd_close) int dir = -EBADF;
	const char *base;
	int root, r = path_root(l->c, l->link->file.task, &root);

	if (r == 0)
		r = path_open_parent(root, l->link->name, &base, &dir);
	if (r == 0)
		r = sys_unlinkat(dir, base, 0);
	if (r < 0 && r != -ENOENT)
		report_warn(l->c->report, CODE_SYSTEM, "the temporary link %s stays: %s",
			    l->link->name, strerror(-r));
}

/* A name for the inode behind a descriptor. The way through procfs needs no privilege. */
static int fd_link(int fd, int dir, const char *base)
{
	char self[32];
	int r = sys_linkat(fd, "", dir, base, AT_EMPTY_PATH);

	if (r != -ENOENT && r != -EPERM)
		return r;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return sys_linkat(AT_FDCWD, self, dir, base, AT_SYMLINK_FOLLOW);
}

static int link_make(struct collect *c, const struct path_file *link)
{
	scoped(fd_close) int dir = -EBADF;
	scoped(fd_close) int fd = -EBADF;
	struct made_link *l = ARENA_NEW(&c->arena, struct made_link);
	const char *base;
	int root, r = l ? file_borrow_fd(&link->file, &fd) : -ENOMEM;

	if (r < 0)
		return report_fail(c->report, r, "cannot borrow the file behind %s", link->name);
	*l = (struct made_link){ .c = c, .link = link };
	r = path_root(c, link->file.task, &root);
	if (r == 0)
		r = path_open_parent(root, link->name, &base, &dir);
	if (r == 0)
		r = fd_link(fd, dir, base);
	if (r < 0)
		return report_fail(c->report, r, "cannot make the temporary link %s", link->name);
	r = undo_push(c->undo, "temporary link", link_undo, l);
	if (r == 0 && c->policy->leave_running)
		report_note(c->report,
			    "the link %s belongs to the images; remove it together with them",
			    link->name);
	return r < 0 ? report_fail(c->report, r, "cannot note the link %s", link->name) : 0;
}

int remaps_make_links(struct collect *c, struct remaps *rs)
{
	map_for_each(e, &rs->links) {
		int r = link_make(c, e->value);

		if (r < 0)
			return r;
	}
	return 0;
}

static int link_remove(struct env *env, const struct path_file *link)
{
	scoped(fd_close) int dir = -EBADF;
	const char *base;
	int r = path_open_parent(env->root_fd, link->name, &base, &dir);

	return r < 0 ? r : sys_unlinkat(dir, base, 0);
}

void remaps_remove_links(struct env *env, struct remaps *rs)
{
	vec_for_each(e, &rs->entries) {
		struct path_file *pf =
			e->type == REMAP_LINKED ? path_file_find(env->model, e->orig_id) : NULL;
		int r;

		if (!pf || !pf->link || !pf->link->is_link)
			continue;
		pf->link->is_link = false; /* others may have it, too */
		r = link_remove(env, pf->link);
		if (r < 0 && r != -ENOENT)
			report_warn(env->report, CODE_SYSTEM,
				    "the temporary link %s stays: it cannot be removed: %s",
				    pf->link->name, strerror(-r));
	}
}

/* ---- old names ---- */

/* Gives the inode at `from` a second name. -EEXIST when that is not free; not reported. */
static int name_add(struct scaffold *s, int root, const char *from, const char *to)
{
	scoped(fd_close) int from_dir = -EBADF;
	scoped(fd_close) int to_dir = -EBADF;
	const char *from_base, *to_base;
	int r = path_open_parent(root, from, &from_base, &from_dir);

	if (r == 0)
		r = scaffold_parent(s, to, &to_base, &to_dir);
	if (r == 0)
		r = sys_linkat(from_dir, from_base, to_dir, to_base, 0);
	return r < 0 ? r : scaffold_note(s, to_dir, to_base, to);
}

static bool names_one_inode(int root, const char *a, const char *b)
{
	scoped(fd_close) int fa = path_open_beneath(root, a, O_PATH | O_NOFOLLOW);
	scoped(fd_close) int fb = path_open_beneath(root, b, O_PATH | O_NOFOLLOW);
	struct stat sa, sb;

	return fa >= 0 && fb >= 0 && sys_fstat(fa, &sa) == 0 && sys_fstat(fb, &sb) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

int remap_appear(struct env *env, struct path_file *pf, const char *at, const char **ret_name)
{
	struct remaps *rs = remaps_of(env->model);
	int r;

	if (strcmp(at, pf->name) == 0) {
		*ret_name = at;
		return 0;
	}
	r = name_add(rs->scaffold, env->root_fd, at, pf->name);
	/* A directory has one name, and a name that is taken stays with whoever has it. */
	if (r == 0 || (r == -EEXIST && names_one_inode(env->root_fd, at, pf->name)))
		*ret_name = pf->name;
	else if (r == -EEXIST || r == -EPERM || r == -EXDEV)
		*ret_name = at;
	else
		return report_fail(env->report, r, "cannot link %s to %s", at, pf->name);
	return 0;
}

void remap_opened(struct remaps *rs)
{
	if (rs->pending > 0 && --rs->pending == 0)
		scaffold_clear(rs->scaffold);
}
