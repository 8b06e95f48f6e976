/*
 * Everything that is opened by path and restored by opening the path: regular files, directories,
 * symbolic links (O_PATH), devices without a state of their own; the targets of mappings, exe, cwd
 * and root. What has a path but a state beside it (FIFOs, terminals) is another kind that has one
 * of these beside it.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "object/check.h"
#include "object/file/path_common.h"
#include "schema/fdinfo.pb-c.h"

/* Character devices of the major number 1 that behave the same in every opening. */
static bool device_is_stateless(const struct stat *st)
{
	if (!S_ISCHR(st->st_mode) || major(st->st_rdev) != 1)
		return false;
	switch (minor(st->st_rdev)) {
	case 3: /* null */
	case 5: /* zero */
	case 7: /* full */
	case 8: /* random */
	case 9: /* urandom */
		return true;
	default:
		return false;
	}
}

static bool reg_match(const struct fd_view *v)
{
	if (v->link[0] != '/')
		return false;
	switch (v->st->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
		return true;
	case S_IFCHR:
		return device_is_stateless(v->st);
	default:
		return false;
	}
}

static int reg_encode(const struct file *f, struct file_record *out)
{
	return path_file_encode(path_file_of_const(f), out->arena, &out->fe->reg);
}

static int reg_decode(struct model *m, struct file *f, const struct file_record *in)
{
	return in->fe->reg ? path_file_decode(path_file_of(f), in->fe->reg) : -EUCLEAN;
}

static int reg_create(struct env *env, struct file *f, int *ret_fd)
{
	/* A position of -1 is how images say "none". */
	bool seek = !(f->flags & O_PATH) && f->pos != UINT64_MAX;
	int fd, r = path_file_open(env, path_file_of(f), f->flags, &fd);

	if (r < 0)
		return r;
	if (!(f->flags & O_PATH))
		r = env_apply_common(env, f, fd, seek);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static void reg_done(struct file *f)
{
	path_file_done(path_file_of(f));
}

const struct file_kind file_kind_reg = {
	.name = "reg",
	.about = "regular files, directories, links and simple devices, opened by path",
	.tag = FD_TYPES__REG,
	.size = sizeof(struct path_file),
	.match = reg_match,
	.collect = path_file_collect,
	.encode = reg_encode,
	.decode = reg_decode,
	.create = reg_create,
	.done = reg_done,
};
