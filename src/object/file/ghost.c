/* Restore: ghosts come to be at their old names. See ghost.h. */
#include "object/file/ghost.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/remap.h"
#include "object/file/scaffold.h"

static int inode_make(const struct ghost *g, int dir, const char *base)
{
	scoped(fd_close) int fd = -EBADF;

	switch (g->mode & S_IFMT) {
	case S_IFREG:
		fd = sys_openat(dir, base, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC,
				0600);
		return fd < 0 ? fd : 0;
	case S_IFDIR:
		return sys_mkdirat(dir, base, 0700);
	case S_IFLNK:
		return sys_symlinkat(g->target, dir, base);
	default:
		return sys_mknodat(dir, base, (g->mode & S_IFMT) | 0600, (unsigned)g->rdev);
	}
}

/* Owner before mode: the change of owner takes set-id bits away. Times last. */
static int attributes_set(const struct ghost *g, int dir, const char *base)
{
	const struct timespec times[2] = { g->atime, g->mtime };
	int r = sys_fchownat(dir, base, g->uid, g->gid, AT_SYMLINK_NOFOLLOW);

	if (r == 0 && !S_ISLNK(g->mode))
		r = sys_fchmodat(dir, base, g->mode & 07777);
	if (r == 0 && g->has_times)
		r = sys_utimensat(dir, base, times, AT_SYMLINK_NOFOLLOW);
	return r;
}

static int content_set(struct env *env, const struct ghost *g, int dir, const char *base)
{
	scoped(fd_close) int fd = -EBADF;

	if (!S_ISREG(g->mode))
		return 0;
	fd = sys_openat(dir, base, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	return fd < 0 ? report_fail(env->report, fd, "cannot write the deleted file")
		      : ghost_fill(g, env->in, fd);
}

/* Takes the name, on failure too. -EEXIST when somebody has it (not reported), else reported. */
static int ghost_make_take(struct env *env, struct scaffold *s, struct ghost *g, char *name)
{
	scoped(mem_free) char *own = name;
	scoped(fd_close) int dir = -EBADF;
	const char *base;
	int r = own ? scaffold_parent(s, own, &base, &dir) : -ENOMEM;

	if (r == 0)
		r = inode_make(g, dir, base);
	if (r == -EEXIST)
		return r;
	if (r == 0)
		r = scaffold_note(s, dir, base, own);
	if (r < 0)
		return report_fail(env->report, r, "cannot bring back the deleted file %s", own);
	r = content_set(env, g, dir, base);
	if (r < 0)
		return r;
	r = attributes_set(g, dir, base);
	if (r < 0)
		return report_fail(env->report, r,
				   "cannot set the attributes of the deleted file %s", own);
	g->name = ptr_take(&own);
	return 0;
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
