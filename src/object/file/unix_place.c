/*
 * Names of unix sockets at restore. The text of a name is fixed by bind(2); where the file is, is
 * another matter: it may have been renamed, deleted, or lie where 108 bytes do not reach.
 *
 *	bind		in a directory of ours beside the place, made the root for the while: so any
 *			text can be bound, and nothing that is there is touched
 *	move		the file gets its owner and mode and is renamed into its place, over what an
 *			earlier run left there; one that was deleted is deleted again
 *	connect		through /proc/self/fd, by the inode
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/undo.h"
#include "kernel/sys.h"
#include "object/file/path_common.h"
#include "object/file/unix_common.h"

static socklen_t address_of(const uint8_t *name, size_t len, struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, name, MIN(len, sizeof(ret->sun_path)));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

int unix_final_place(const struct unix_sock *s, char **ret_dir, const char **ret_base)
{
	const char *slash;
	char *path;

	if (s->path)
		path = str_format("%s", s->path);
	else if (s->name[0] == '/')
		path = str_format("%.*s", (int)s->name_len, (const char *)s->name);
	else
		path = str_format("%s/%.*s", s->name_dir ? s->name_dir : "", (int)s->name_len,
				  (const char *)s->name);
	if (!path)
		return -ENOMEM;
	slash = strrchr(path, '/');
	if (!slash[1]) {
		mem_free(path);
		return -EUCLEAN;
	}
	*ret_dir = path;
	*ret_base = slash + 1;
	path[slash - path] = '\0';
	return 0;
}

/* ---- a root of our own ---- */

struct cell {
	int parent; /* the directory that it was made in */
	int root, cwd;
	bool inside;
	char name[48];
};

static void cell_leave(struct cell *c)
{
	int r = 0;

	if (c->inside) {
		r = sys_fchdir(c->root);
		if (r == 0)
			r = sys_chroot(".");
		if (r == 0)
			r = sys_fchdir(c->cwd);
		assert(r == 0); /* we were there a moment ago, with the same privileges */
		c->inside = false;
	}
	if (c->name[0])
		(void)!sys_unlinkat(c->parent, c->name, AT_REMOVEDIR);
	fd_close(c->root);
	fd_close(c->cwd);
	c->root = c->cwd = -EBADF;
	c->name[0] = '\0';
}
SCOPED_OBJECT(struct cell, cell_leave);

static int cell_enter(struct cell *c, uint32_t ino)
{
	scoped(fd_close) int dir = -EBADF;
	int r;

	(void)snprintf(c->name, sizeof(c->name), ".stasis-%d-%u", getpid(), ino);
	c->root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	c->cwd = sys_openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	r = c->root < 0 ? c->root : MIN(c->cwd, 0);
	if (r == 0)
		r = sys_mkdirat(c->parent, c->name, 0700);
	if (r < 0) {
		c->name[0] = '\0';
		return r;
	}
	dir = sys_openat(c->parent, c->name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (dir < 0)
		return dir;
	r = sys_fchdir(dir);
	if (r == 0)
		r = sys_chroot(".");
	if (r == 0)
		c->inside = true;
	else
		(void)!sys_fchdir(c->cwd);
	return r;
}

/* The directories of a name, inside: made, or removed from the last to the first. */
static int dirs_make(const char *name)
{
	char part[SK_NAME_MAX + 1];

	for (size_t i = 1; name[i]; i++) {
		int r;

		if (name[i] != '/')
			continue;
		(void)snprintf(part, sizeof(part), "%.*s", (int)i, name);
		r = sys_mkdirat(AT_FDCWD, part, 0700);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

static void dirs_remove(const char *name)
{
	char part[SK_NAME_MAX + 1];

	for (size_t i = strlen(name); i > 0; i--) {
		if (name[i] != '/')
			continue;
		(void)snprintf(part, sizeof(part), "%.*s", (int)i, name);
		(void)!sys_unlinkat(AT_FDCWD, part, AT_REMOVEDIR);
	}
}

/* ---- undoing ---- */

static void placed_remove(void *arg)
{
	struct unix_all *all = arg;

	vec_for_each(p, &all->placed) {
		scoped(fd_close) int dir = -EBADF;
		const char *base;
		struct stat st;
		int r = path_open_parent(all->root_fd, p->name, &base, &dir);

		if (r == 0)
			r = sys_fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW);
		if (r == 0 && st.st_dev == p->dev && st.st_ino == p->ino)
			(void)!sys_unlinkat(dir, base, 0);
		mem_free(p->name);
	}
	vec_done(&all->placed);
}

static int placed_note(struct env *env, const struct unix_sock *s, const char *dir,
		       const char *base)
{
	struct unix_all *all = unix_all_of(env->model);
	struct unix_placed p = { .name = str_format("%s/%s", dir, base) };
	bool first = !all->placed.n;
	struct stat st;
	int r;

	if (!p.name)
		return -ENOMEM;
	r = fstat(s->place, &st) < 0 ? -errno : 0;
	p.dev = st.st_dev;
	p.ino = st.st_ino;
	if (r == 0)
		r = vec_push(&all->placed, p);
	if (r < 0) {
		mem_free(p.name);
		return r;
	}
	all->root_fd = env->root_fd;
	return first ? undo_push(env->undo, "names of sockets", placed_remove, all) : 0;
}

/* ---- binding ---- */

static int inside_bind(struct unix_sock *s, int fd, const char *name)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(s->name, s->name_len, &addr);
	int r = dirs_make(name);

	if (r == 0)
		r = sys_bind(fd, (const struct sockaddr *)&addr, len);
	if (r < 0)
		return r;
	s->place = sys_openat(AT_FDCWD, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (s->place < 0)
		return s->place;
	if (!s->has_perms)
		return 0;
	r = sys_fchownat(AT_FDCWD, name, s->perm_uid, s->perm_gid, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? r : sys_fchmodat(AT_FDCWD, name, s->perm_mode & 07777);
}

/* What lies in the place may be a socket that nobody needs any more, but nothing else. */
static int inside_move(struct unix_sock *s, const char *name, int parent, const char *base)
{
	struct stat st;

	if (s->deleted)
		return sys_unlinkat(AT_FDCWD, name, 0);
	if (sys_fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	return sys_renameat(AT_FDCWD, name, parent, base, 0);
}

static int path_place(struct env *env, struct unix_sock *s, int fd, int parent, const char *base)
{
	scoped(cell_leave) struct cell cell = { .parent = parent, .root = -EBADF, .cwd = -EBADF };
	char name[SK_NAME_MAX + 1];
	int r = cell_enter(&cell, s->ino);

	(void)snprintf(name, sizeof(name), "%.*s", (int)s->name_len, (const char *)s->name);
	if (r < 0)
		return r;
	r = inside_bind(s, fd, name);
	if (r == 0)
		r = inside_move(s, name, parent, base);
	if (r < 0)
		(void)!sys_unlinkat(AT_FDCWD, name, 0);
	dirs_remove(name);
	return r == 0 ? env_lift_fd(env, &s->place) : r;
}

/* The directory of a name that was deleted may be gone, too: then the next one above. */
static int parent_open(struct env *env, const struct unix_sock *s, char *dir)
{
	int fd = path_open_beneath(env->root_fd, dir[0] ? dir : "/", O_PATH | O_DIRECTORY);

	while (fd == -ENOENT && s->deleted && dir[0]) {
		*strrchr(dir, '/') = '\0';
		fd = path_open_beneath(env->root_fd, dir[0] ? dir : "/", O_PATH | O_DIRECTORY);
	}
	return fd;
}

static int file_place(struct env *env, struct unix_sock *s, int fd)
{
	scoped(mem_free) char *dir = NULL;
	scoped(fd_close) int parent = -EBADF;
	const char *base;
	char text[UNIX_TEXT_MAX];
	int r = unix_final_place(s, &dir, &base);

	if (r < 0)
		return report_fail(env->report, r, "%s: its place is not possible",
				   unix_text(s, text));
	parent = parent_open(env, s, dir);
	if (parent == -ENOENT || parent == -ENOTDIR)
		return report_refuse(env->report, parent, CODE_FILE_MISSING,
				     "%s: the directory %s is not there", unix_text(s, text), dir);
	if (parent < 0)
		return report_fail(env->report, parent, "cannot open directory %s", dir);
	r = path_place(env, s, fd, parent, base);
	if (r == -EEXIST)
		return report_refuse(env->report, r, CODE_FILE_CHANGED,
				     "%s/%s, where a socket was, is something else now", dir, base);
	if (r == 0 && !s->deleted)
		r = placed_note(env, s, dir, base);
	return r < 0 ? report_fail(env->report, r, "cannot bind %s in %s", unix_text(s, text), dir)
		     : 0;
}

int unix_place(struct env *env, struct unix_sock *s, int fd)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(s->name, s->name_len, &addr);
	char text[UNIX_TEXT_MAX];
	int r;

	if (unix_has_path(s))
		return file_place(env, s, fd);
	r = sys_bind(fd, (const struct sockaddr *)&addr, len);
	if (r == -EADDRINUSE)
		return report_refuse_with(env->report, r, CODE_SYSTEM,
					  "end the process that has the name",
					  "%s: somebody else has this name", unix_text(s, text));
	return r < 0 ? report_fail(env->report, r, "cannot bind %s", unix_text(s, text)) : 0;
}

/* ---- connecting ---- */

static int place_connect(int place, int fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", place);
	return sys_connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

int unix_connect_to(const struct unix_sock *s, int fd)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(s->name, s->name_len, &addr);

	if (unix_has_path(s))
		return place_connect(s->place, fd);
	return sys_connect(fd, (const struct sockaddr *)&addr, len);
}

int unix_connect_outside(struct env *env, const struct unix_sock *s, int fd)
{
	scoped(mem_free) char *dir = NULL;
	scoped(fd_close) int place = -EBADF;
	char text[UNIX_TEXT_MAX];
	const char *base;
	int r;

	if (!unix_has_path(s)) {
		r = unix_connect_to(s, fd);
	} else {
		r = unix_final_place(s, &dir, &base);
		if (r == 0) {
			dir[strlen(dir)] = '/'; /* together again */
			place = path_open_beneath(env->root_fd, dir, O_PATH);
			r = place < 0 ? place : place_connect(place, fd);
		}
	}
	return r < 0 ? report_refuse_with(env->report, r, CODE_UNIX_OUTSIDE,
					  "start the program that listens there",
					  "cannot connect to %s, which is outside of the tree: %s",
					  unix_text(s, text), strerror(-r))
		     : 0;
}
