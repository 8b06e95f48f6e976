/* Restore: ghosts come to be at their old names. See ghost.h. */
#include "object/file/ghost.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/remap.h"
#include "object/file/scaffold.h"
#include "report/log.h"

/* A fresh inode at (dir, base): gives a descriptor of it, to read and write regular files. */
static int inode_make(const struct ghost *g, int dir, const char *base)
{
	int r;

	switch (g->mode & S_IFMT) {
	case S_IFREG:
		return sys_openat(dir, base, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC,
				  0600);
	case S_IFDIR:
		r = sys_mkdirat(dir, base, 0700);
		break;
	case S_IFLNK:
		r = sys_symlinkat(g->target, dir, base);
		break;
	default:
		r = sys_mknodat(dir, base, (g->mode & S_IFMT) | 0600, (unsigned)g->rdev);
	}
	return r < 0 ? r : sys_openat(dir, base, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
}

/*
 * Through the descriptor: others may have the right to exchange names in that directory. Owner
 * before mode: the change of owner takes set-id bits away. Times last.
 */
static int attributes_set(const struct ghost *g, int fd)
{
	const struct timespec times[2] = { g->atime, g->mtime };
	char self[32];
	int r = sys_fchownat(fd, "", g->uid, g->gid, AT_EMPTY_PATH);

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (r == 0 && !S_ISLNK(g->mode))
		r = sys_fchmodat(AT_FDCWD, self, g->mode & 07777);
	if (r == 0 && g->has_times)
		r = S_ISLNK(g->mode) ? sys_utimensat(fd, "", times, AT_EMPTY_PATH)
				     : sys_utimensat(AT_FDCWD, self, times, 0);
	return r;
}

/* Gives the inode what it had, and notes which one it is. */
static int inode_fill(struct env *env, struct ghost *g, int fd, const char *name)
{
	struct stat st;
	int r = sys_fstat(fd, &st);

	if (r == 0 && ((st.st_mode ^ g->mode) & S_IFMT))
		r = -ESTALE; /* not what we just made */
	if (r == 0 && S_ISREG(g->mode)) {
		r = ghost_fill(g, env->in, fd);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = attributes_set(g, fd);
	if (r < 0)
		return report_fail(env->report, r,
				   "cannot set the attributes of the deleted file %s", name);
	g->made_dev = st.st_dev;
	g->made_ino = st.st_ino;
	return 0;
}

/* Takes the name, on failure too. -EEXIST when somebody has it (not reported), else reported. */
static int ghost_make_take(struct env *env, struct scaffold *s, struct ghost *g, char *name)
{
	scoped(mem_free) char *own = name;
	scoped(fd_close) int dir = -EBADF;
	scoped(fd_close) int fd = -EBADF;
	const char *base;
	int r = own ? scaffold_parent(s, own, &base, &dir) : -ENOMEM;

	if (r == 0)
		r = fd = inode_make(g, dir, base);
	if (r == -EEXIST)
		return r;
	if (r >= 0)
		r = scaffold_note(s, dir, base, own);
	if (r < 0)
		return report_fail(env->report, r, "cannot bring back the deleted file %s", own);
	r = inode_fill(env, g, fd, own);
	if (r == 0)
		g->name = ptr_take(&own);
	return r;
}

int ghost_make_unnamed(struct env *env, struct path_file *pf)
{
	struct remaps *rs = remaps_of(env->model);
	struct ghost *g = pf->ghost;
	scoped(fd_close) int dir = -EBADF;
	scoped(fd_close) int fd = -EBADF;
	const char *base;
	int r;

	if (g->fd >= 0 || g->name)
		return 0;
	r = scaffold_parent(rs->scaffold, pf->name, &base, &dir);
	if (r == 0)
		r = fd = sys_openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (r < 0) {
		log_debug("no unnamed file for %s: %s", pf->name, strerror(-r));
		return 0; /* one that loses its name will do */
	}
	r = inode_fill(env, g, fd, pf->name);
	if (r == 0)
		r = env_lift_fd(env, &fd);
	if (r == 0)
		g->fd = fd_take(&fd);
	return r;
}

static int ghost_make(struct env *env, struct scaffold *s, struct ghost *g, const char *name)
{
	int r = ghost_make_take(env, s, g, mem_dup(name, strlen(name) + 1));

	/* Its name has a new owner by now. Nobody sees the difference but who reads /proc/PID/fd.
	 */
	if (r == -EEXIST)
		r = ghost_make_take(env, s, g, str_format("%s.cr.%x.ghost", name, g->id));
	if (r == -EEXIST)
		return report_fail(env->report, r, "cannot bring back the deleted file %s", name);
	return r;
}

int ghost_appear(struct env *env, struct path_file *pf, const char **ret_name)
{
	struct remaps *rs = remaps_of(env->model);
	int r = pf->ghost->name ? 0 : ghost_make(env, rs->scaffold, pf->ghost, pf->name);

	return r < 0 ? r : remap_appear(env, pf, pf->ghost->name, ret_name);
}
