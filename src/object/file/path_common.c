/*
 * Dump side of files with a path: from the text of /proc/PID/fd/N to a name that leads back to the
 * same inode. See path_common.h.
 */
#include "object/file/path_common.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/fs.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "schema/regfile.pb-c.h"

#define DELETED_SUFFIX " (deleted)"

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * The directory that the kernel's paths of a task's files begin at: the root of its mount
 * namespace, not of its chroot. Ours is the same in the plain case.
 */
static int root_open(const struct task *t, int *ret_fd)
{
	const struct ns *ns = t->ns[NS_MNT];
	int fd;

	if (!ns || ns->place == NS_OURS)
		fd = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	else
		fd = proc_file_open(&live_of(ns->task)->proc, "root", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* Whether the path leads to the inode: 0 when it does, -ENOENT when it leads nowhere, -EEXIST when
 * somebody else has the name now. */
static int path_leads_to(int root, const char *path, const struct stat *st)
{
	struct stat there;
	int r = sys_fstatat(root, path[1] ? path + 1 : ".", &there, AT_SYMLINK_NOFOLLOW);

	if (r == -ENOTDIR)
		return -ENOENT;
	if (r < 0)
		return r;
	return same_inode(&there, st) ? 0 : -EEXIST;
}

/* What must be the same again at restore: not of a log that is only appended to. */
static bool size_is_comparable(const struct file *f)
{
	return S_ISREG(f->mode) && !((f->flags & O_ACCMODE) == O_WRONLY && (f->flags & O_APPEND));
}

/* The build-id, of files that can be read and have one. */
static void build_id_collect(struct path_file *pf, int fd)
{
	scoped(fd_close) int own = -EBADF;
	char self[32];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	own = sys_openat(AT_FDCWD, self, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	if (own < 0 || build_id_read(own, &pf->build_id) < 0)
		pf->build_id.len = 0; /* the size alone is compared then */
}

static int name_collect(struct collect *c, struct path_file *pf, const struct fd_view *v)
{
	scoped(fd_close) int root = -EBADF;
	int r = root_open(pf->file.task, &root);

	if (r < 0)
		return report_fail(c->report, r, "cannot open the root of its mount namespace");
	pf->name = mem_dup(v->link, strlen(v->link) + 1);
	if (!pf->name)
		return report_fail(c->report, -ENOMEM, "cannot note a path");
	r = path_leads_to(root, pf->name, v->st);
	if (r == 0)
		return 0;
	if (r == -ENOENT || r == -EEXIST)
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_UNREACHABLE,
				     "%s does not lead to the file any more", v->link);
	return report_fail(c->report, r, "cannot look at %s", v->link);
}

int path_file_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct path_file *pf = path_file_of(f);
	int r = name_collect(c, pf, v);

	if (r < 0)
		return r;
	pf->has_size = size_is_comparable(f);
	if (pf->has_size) {
		pf->size = (uint64_t)v->st->st_size;
		if (c->policy->file_validation == VALIDATE_BUILD_ID)
			build_id_collect(pf, v->fd);
	}
	return 0;
}

/* ---- images ---- */

int path_file_encode(const struct path_file *pf, struct arena *arena, struct RegFileEntry **ret)
{
	size_t words = ROUND_UP(pf->build_id.len, sizeof(uint32_t)) / sizeof(uint32_t);
	RegFileEntry *re = ARENA_NEW(arena, RegFileEntry);

	if (!re)
		return -ENOMEM;
	reg_file_entry__init(re);
	re->id = pf->file.id;
	re->flags = pf->file.flags;
	re->pos = pf->file.pos;
	re->fown = fown_encode(&pf->file.fown, arena);
	re->name = arena_str(arena, pf->name);
	re->has_mode = true;
	re->mode = pf->file.mode;
	re->has_size = pf->has_size;
	re->size = pf->size;
	re->has_ext = re->ext = pf->is_external;
	if (words) {
		re->n_build_id = words;
		re->build_id = ARENA_ARRAY(arena, uint32_t, words);
		if (re->build_id)
			memcpy(re->build_id, pf->build_id.bytes, pf->build_id.len);
	}
	if (!re->fown || !re->name || (words && !re->build_id))
		return -ENOMEM;
	*ret = re;
	return 0;
}

int path_file_decode(struct path_file *pf, const struct RegFileEntry *re)
{
	size_t id_len = re->n_build_id * sizeof(uint32_t);

	if (!re->name[0] || id_len > sizeof(pf->build_id.bytes))
		return -EUCLEAN;
	pf->is_external = re->has_ext && re->ext;
	/* Images of old versions have paths without the leading slash. */
	pf->name = str_format("%s%s", pf->is_external || re->name[0] == '/' ? "" : "/", re->name);
	if (!pf->name)
		return -ENOMEM;
	pf->file.flags = re->flags;
	pf->file.pos = re->pos;
	pf->file.fown = fown_decode(re->fown);
	pf->file.mnt_id = re->has_mnt_id ? re->mnt_id : -1;
	pf->file.mode = re->has_mode ? re->mode : 0;
	pf->has_size = re->has_size;
	pf->size = re->size;
	pf->build_id.len = id_len;
	memcpy(pf->build_id.bytes, re->build_id, id_len);
	return 0;
}

void path_file_done(struct path_file *pf)
{
	mem_free(pf->name);
}
