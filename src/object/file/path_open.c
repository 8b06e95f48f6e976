/*
 * Restore: opening files with a path again. What lies there is looked at before it is really
 * opened: opening a device or FIFO that happens to have the name now could do or wait for anything.
 * See path_common.h.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/ghost.h"
#include "object/file/path_check.h"
#include "object/file/path_proc.h"
#include "object/file/remap.h"
#include "object/file/scaffold.h"

struct path_file *path_file_find(const struct model *m, uint32_t id)
{
	struct file *f = model_file(m, id);

	return f && f->kind == file_kinds[FILE_KIND_reg] ? path_file_of(f) : NULL;
}

struct path_file *path_file_use_as_handle(struct model *m, uint32_t id)
{
	struct path_file *pf = path_file_find(m, id);

	if (pf)
		pf->is_handle = true;
	return pf;
}

static int open_failed(struct env *env, const char *name, int r)
{
	if (r == -ENOENT || r == -ENOTDIR)
		return report_refuse(env->report, r, CODE_FILE_MISSING, "%s does not exist", name);
	return report_fail(env->report, r, "cannot open %s", name);
}

/* Whether a probe leads to the inode that was made for a ghost, and not to another that got its
 * name meanwhile. */
static bool is_ghost(const struct ghost *g, const struct stat *st)
{
	return st->st_dev == g->made_dev && st->st_ino == g->made_ino;
}

/* Opens what lies at `name`, when it is what pf was. */
static int open_at(struct env *env, struct path_file *pf, const char *name, uint32_t flags,
		   int *ret_fd)
{
	scoped(fd_close) int probe = path_open_beneath(env->root_fd, name, O_PATH | O_NOFOLLOW);
	scoped(fd_close) int fd = -EBADF;
	struct stat there, opened;
	int r;

	if (probe < 0)
		return open_failed(env, name, probe);
	r = path_compare(env->report, env->policy, pf, probe, &there);
	if (r < 0)
		return r;
	fd = path_open_beneath(env->root_fd, name, path_open_flags(flags));
	if (fd < 0)
		return open_failed(env, name, fd);
	r = sys_fstat(fd, &opened);
	if (r < 0)
		return report_fail(env->report, r, "cannot look at %s", name);
	if (opened.st_dev != there.st_dev || opened.st_ino != there.st_ino ||
	    (pf->remap == REMAP_GHOST && !is_ghost(pf->ghost, &opened)))
		return report_refuse(env->report, -ESTALE, CODE_FILE_CHANGED,
				     "%s was exchanged while it was being opened", name);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int open_unnamed(struct env *env, struct path_file *pf, uint32_t flags, int *ret_fd)
{
	struct stat st;
	int fd, r = path_compare(env->report, env->policy, pf, pf->ghost->fd, &st);

	if (r < 0)
		return r;
	fd = path_reopen(pf->ghost->fd, flags);
	if (fd < 0)
		return open_failed(env, pf->name, fd);
	*ret_fd = fd;
	return 0;
}

static int open_remapped(struct env *env, struct path_file *pf, uint32_t flags, int *ret_fd)
{
	struct remaps *rs = remaps_of(env->model);
	const char *name = NULL;
	int r = 0;

	assert(rs); /* it was there when the file was decoded */
	if (!rs->scaffold)
		rs->scaffold = scaffold_new(env);
	if (!rs->scaffold)
		return report_fail(env->report, -ENOMEM, "cannot note temporary names");
	if (pf->remap == REMAP_LINKED)
		r = remap_appear(env, pf, pf->link->name, &name);
	else if (pf->ghost->is_unnamed)
		r = ghost_make_unnamed(env, pf);
	if (r == 0 && pf->remap == REMAP_GHOST && pf->ghost->fd < 0)
		r = ghost_appear(env, pf, &name);
	if (r == 0)
		r = name ? open_at(env, pf, name, flags, ret_fd)
			 : open_unnamed(env, pf, flags, ret_fd);
	if (r == 0)
		remap_opened(rs);
	return r;
}

static int open_dead(struct env *env, struct path_file *pf, uint32_t flags, int *ret_fd)
{
	int r = proc_stand_in(env, pf->dead_pid);

	return r < 0 ? r : open_at(env, pf, pf->name, flags, ret_fd);
}

/* What the user handed over in place of the file. An external one is opened once more, so that it
 * has its own position and flags; another is taken as it is. */
static int open_inherited(struct env *env, const struct path_file *pf, int given, uint32_t flags,
			  int *ret_fd)
{
	int fd = pf->is_external ? path_reopen(given, flags) : fd_dup_above(given, env->floor);

	if (fd < 0)
		return report_fail(env->report, fd, "cannot use descriptor %d for %s", given,
				   pf->name);
	*ret_fd = fd;
	return 0;
}

int path_file_open(struct env *env, struct path_file *pf, uint32_t flags, int *ret_fd)
{
	int given = path_file_inherited(env->policy, pf);

	if (given >= 0)
		return open_inherited(env, pf, given, flags, ret_fd);
	if (pf->is_external)
		return path_external_refuse(env->report, pf);
	switch (pf->remap) {
	case REMAP_GHOST:
	case REMAP_LINKED:
		return open_remapped(env, pf, flags, ret_fd);
	case REMAP_PROCFS:
		return open_dead(env, pf, flags, ret_fd);
	case REMAP_NONE:
		break;
	}
	return open_at(env, pf, pf->name, flags, ret_fd);
}

int path_file_handle(struct env *env, struct path_file *pf, int *ret_fd)
{
	int fd, r = 0;

	assert(pf->is_handle);
	if (pf->file.made_fd < 0) {
		r = path_file_open(env, pf, O_PATH | O_NOFOLLOW, &fd);
		if (r == 0)
			r = env_deposit_take(env, &pf->file, fd);
	}
	if (r == 0)
		*ret_fd = pf->file.made_fd;
	return r;
}
