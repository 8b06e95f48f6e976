/*
 * Restore side of files with a path: opening it again, and making sure that it is the same. See
 * path_common.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/path_common.h"

/* The kernel's numbers: they hold on all architectures that we know but a few. */
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

/* Flags that open(2) obeys once and that would do harm a second time. */
#define FLAGS_ONCE (O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | FASYNC)

static uint32_t open_flags(uint32_t flags)
{
	flags &= ~(uint32_t)FLAGS_ONCE;
	if (flags & TMPFILE_BIT) /* the file is there by now: as a ghost, or linked somewhere */
		flags &= ~(uint32_t)O_TMPFILE;
	return flags;
}

static const char *type_text(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "something unknown";
	}
}

/* Beneath the tree's root: absolute links do not lead out of it. */
static int open_beneath(const struct env *env, const char *name, uint32_t flags)
{
	const struct open_how how = { .flags = flags | O_CLOEXEC | O_NOCTTY,
				      .resolve = RESOLVE_IN_ROOT };
	const char *path = name[1] ? name + 1 : ".";
	int fd = sys_openat2(env->root_fd, path, &how, sizeof(how));

	return fd == -ENOSYS ? sys_openat(env->root_fd, path, (int)how.flags, 0) : fd;
}

static int size_compare(struct report *rep, const struct path_file *pf, const struct stat *st)
{
	if (!pf->has_size || (uint64_t)st->st_size == pf->size)
		return 0;
	return report_refuse(rep, -ESTALE, CODE_FILE_CHANGED,
			     "%s has %" PRIu64 " bytes, at the time of the dump it had %" PRIu64,
			     pf->name, (uint64_t)st->st_size, pf->size);
}

static int type_compare(struct report *rep, const struct path_file *pf, const struct stat *st)
{
	if (pf->file.mode == 0 || ((st->st_mode ^ pf->file.mode) & S_IFMT) == 0)
		return 0;
	return report_refuse(rep, -ESTALE, CODE_FILE_CHANGED,
			     "%s is %s, at the time of the dump it was %s", pf->name,
			     type_text(st->st_mode), type_text(pf->file.mode));
}

static int mode_compare(struct report *rep, const struct path_file *pf, const struct stat *st)
{
	const mode_t mask = 07777;

	if (pf->file.mode == 0 || ((st->st_mode ^ pf->file.mode) & mask) == 0)
		return 0;
	return report_refuse_with(rep, -ESTALE, CODE_FILE_CHANGED,
				  "give it its mode back with chmod, or use --skip-file-rwx-check",
				  "%s has mode %04o, at the time of the dump it had %04o", pf->name,
				  (unsigned)(st->st_mode & mask), (unsigned)(pf->file.mode & mask));
}

/* All that differs is reported. */
static int stat_compare(struct report *rep, const struct policy *policy, const struct path_file *pf,
			const struct stat *st)
{
	int r = type_compare(rep, pf, st), one;

	if (r < 0)
		return r;
	r = size_compare(rep, pf, st);
	one = policy->skip_file_rwx_check ? 0 : mode_compare(rep, pf, st);
	return one < 0 ? one : r;
}

static int open_failed(struct env *env, const struct path_file *pf, int r)
{
	if (r == -ENOENT || r == -ENOTDIR)
		return report_refuse(env->report, r, CODE_FILE_MISSING, "%s does not exist",
				     pf->name);
	return report_fail(env->report, r, "cannot open %s", pf->name);
}

int path_file_open(struct env *env, struct path_file *pf, uint32_t flags, int *ret_fd)
{
	/* Looked at before it is really opened: opening a device or FIFO that happens to have the
	 * name now could do or wait for anything. */
	scoped(fd_close) int probe = open_beneath(env, pf->name, O_PATH | O_NOFOLLOW);
	scoped(fd_close) int fd = -EBADF;
	struct stat there, opened;
	int r;

	if (probe < 0)
		return open_failed(env, pf, probe);
	r = sys_fstat(probe, &there);
	if (r < 0)
		return report_fail(env->report, r, "cannot look at %s", pf->name);
	r = stat_compare(env->report, env->policy, pf, &there);
	if (r < 0)
		return r;
	fd = open_beneath(env, pf->name, open_flags(flags));
	if (fd < 0)
		return open_failed(env, pf, fd);
	r = sys_fstat(fd, &opened);
	if (r < 0)
		return report_fail(env->report, r, "cannot look at %s", pf->name);
	if (opened.st_dev != there.st_dev || opened.st_ino != there.st_ino)
		return report_refuse(env->report, -ESTALE, CODE_FILE_CHANGED,
				     "%s was exchanged while it was being opened", pf->name);
	*ret_fd = fd_take(&fd);
	return 0;
}
