/*
 * Dump: from the text of /proc/PID/fd/N to a name that leads back to the same inode, or the way
 * around when there is none. The text is the path that the kernel knows, with " (deleted)" behind
 * it when the name is gone; a file can really be called so, and then the whole text leads to it.
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/fs.h"
#include "kernel/sys.h"
#include "object/file/ghost.h"
#include "object/file/path_proc.h"
#include "object/file/remap.h"
#include "report/log.h"

#define DELETED_SUFFIX " (deleted)"
#define BLOCK_BYTES    512 /* the unit of st_blocks, whatever st_blksize says */

static int root_open(const struct ns *ns)
{
	if (!ns || ns->place == NS_OURS)
		return sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return proc_file_open(&live_of(ns->task)->proc, "root", O_PATH | O_CLOEXEC);
}

int path_root(struct collect *c, const struct task *t, int *ret_fd)
{
	struct remaps *rs = remaps_of(c->model);
	int fd;

	if (!rs)
		return -ENOMEM;
	if (!rs->has_root || rs->root_ns != t->ns[NS_MNT]) {
		fd = root_open(t->ns[NS_MNT]);
		if (fd < 0)
			return fd;
		if (rs->has_root)
			fd_close(rs->root);
		rs->root = fd;
		rs->root_ns = t->ns[NS_MNT];
		rs->has_root = true;
	}
	*ret_fd = rs->root;
	return 0;
}

/* 0 when the name leads to the inode, -ENOENT when it leads nowhere, -EEXIST when somebody else has
 * it now (then *ret_there is that one). */
static int name_leads_to(int root, const char *name, const struct stat *st, struct stat *ret_there)
{
	int r = sys_fstatat(root, name[1] ? name + 1 : ".", ret_there, AT_SYMLINK_NOFOLLOW);

	if (r == -ENOTDIR)
		return -ENOENT;
	if (r < 0)
		return r;
	return ret_there->st_dev == st->st_dev && ret_there->st_ino == st->st_ino ? 0 : -EEXIST;
}

/* Takes the mark of deleted files off. */
static bool name_strip_deleted(char *name)
{
	const size_t n = strlen(DELETED_SUFFIX);
	size_t len = strlen(name);

	if (len <= n || strcmp(name + len - n, DELETED_SUFFIX) != 0)
		return false;
	name[len - n] = '\0';
	return true;
}

/* An NFS client keeps a deleted file that is open under such a name, and removes it with the last
 * close. */
static bool name_is_nfs_silly(const struct fd_view *v, const char *name)
{
	const char *base = strrchr(name, '/'), *hex;

	return v->fs_magic == FS_MAGIC_NFS && base && str_has_prefix(base + 1, ".nfs", &hex) &&
	       strlen(hex) == 24 && strspn(hex, "0123456789abcdefABCDEF") == 24;
}

/* ---- ways around ---- */

static int remap_note(struct collect *c, struct remaps *rs, const struct path_file *pf, uint32_t id)
{
	int r = remap_add(rs, pf, id);

	return r < 0 ? report_fail(c->report, r, "cannot note a deleted file") : 0;
}

static int ghost_check_size(struct collect *c, const struct fd_view *v, const char *name)
{
	uint64_t bytes = (uint64_t)v->st->st_blocks * BLOCK_BYTES;
	char remedy[96];

	if (!c->policy->ghost_limit || !S_ISREG(v->st->st_mode) || bytes <= c->policy->ghost_limit)
		return 0;
	(void)snprintf(remedy, sizeof(remedy), "use --ghost-limit %" PRIu64 " or more", bytes);
	return report_refuse_with(c->report, -EFBIG, CODE_GHOST_LIMIT, remedy,
				  "%s is deleted but open, and holds %" PRIu64
				  " bytes; the limit is %" PRIu64,
				  name, bytes, c->policy->ghost_limit);
}

static int ghost_collect(struct collect *c, struct path_file *pf, const struct fd_view *v)
{
	uint64_t dev = fs_dev_from_stat(v->st->st_dev);
	struct remaps *rs = remaps_of(c->model);
	int r = ghost_check_size(c, v, pf->name);

	if (r < 0)
		return r;
	if (!rs)
		return report_fail(c->report, -ENOMEM, "cannot note a deleted file");
	pf->remap = REMAP_GHOST;
	pf->ghost = map_find(&rs->ghosts, dev, v->st->st_ino);
	if (!pf->ghost) {
		pf->ghost = ghost_new(v->st, v->fd);
		r = pf->ghost ? map_set(&rs->ghosts, dev, v->st->st_ino, pf->ghost) : -ENOMEM;
		if (r < 0) {
			ghost_free(ptr_take(&pf->ghost));
			return report_fail(c->report, r, "cannot note a deleted file");
		}
		pf->ghost->id = ++rs->last_ghost;
		pf->ghost->first = &pf->file;
	}
	return remap_note(c, rs, pf, pf->ghost->id);
}

/* A free name for a link: beside the old one, or as near as a directory is left. */
static char *link_name(int root, const char *name, uint32_t id)
{
	size_t dir = (size_t)(strrchr(name, '/') - name);
	char *link = str_format("%.*s/link_remap.%u", (int)dir, name, id);
	struct stat st;

	while (link && dir > 0) {
		scoped(mem_free) char *above = mem_dup(name, dir + 1);

		if (!above)
			break;
		above[dir] = '\0';
		if (sys_fstatat(root, above + 1, &st, AT_SYMLINK_NOFOLLOW) == 0)
			break;
		while (dir > 0 && name[--dir] != '/')
			;
		mem_free(link);
		link = str_format("%.*s/link_remap.%u", (int)dir, name, id);
	}
	/* What an earlier dump left behind is not ours to take away. */
	for (unsigned i = 1; link && sys_fstatat(root, link + 1, &st, AT_SYMLINK_NOFOLLOW) == 0;
	     i++) {
		mem_free(link);
		link = str_format("%.*s/link_remap.%u.%u", (int)dir, name, id, i);
	}
	return link;
}

/* The file in the images that stands for the temporary link. The link itself is made when all is
 * known to go well. */
static int link_add(struct collect *c, struct remaps *rs, struct path_file *pf,
		    const struct fd_view *v, int root)
{
	struct file *f = file_new(pf->file.kind);
	int r = f ? model_add_file_take(c->model, f) : -ENOMEM;

	if (r < 0)
		return r;
	pf->link = path_file_of(f);
	f->task = pf->file.task;
	f->fd = pf->file.fd;
	f->map_start = pf->file.map_start;
	f->map_end = pf->file.map_end;
	pf->link->is_link = true;
	pf->link->name = link_name(root, pf->name, f->id);
	if (!pf->link->name)
		return -ENOMEM;
	return map_set(&rs->links, fs_dev_from_stat(v->st->st_dev), v->st->st_ino, pf->link);
}

static int linked_collect(struct collect *c, struct path_file *pf, const struct fd_view *v,
			  int root)
{
	struct remaps *rs = remaps_of(c->model);
	int r = 0;

	if (!c->policy->link_remap)
		return report_refuse(c->report, -ENOTSUP, CODE_LINK_REMAP,
				     "%s is gone, but the file has %lu other names", pf->name,
				     (unsigned long)v->st->st_nlink);
	if (!rs)
		return report_fail(c->report, -ENOMEM, "cannot note a deleted file");
	pf->link = map_find(&rs->links, fs_dev_from_stat(v->st->st_dev), v->st->st_ino);
	if (!pf->link)
		r = link_add(c, rs, pf, v, root);
	if (r < 0)
		return report_fail(c->report, r, "cannot note a temporary link");
	pf->remap = REMAP_LINKED;
	return remap_note(c, rs, pf, pf->link->file.id);
}

/* One entry per pid is enough: the restore goes by the name. */
static bool procfs_is_noted(const struct remaps *rs, pid_t pid)
{
	vec_for_each(e, &rs->entries)
		if (e->type == REMAP_PROCFS && e->remap_id == (uint32_t)pid)
			return true;
	return false;
}

static int procfs_collect(struct collect *c, struct path_file *pf)
{
	struct remaps *rs = remaps_of(c->model);
	size_t len;
	pid_t pid = proc_name_pid(pf->name, &len);

	if (pid == 0 || str_has_prefix(pf->name + len, "/task/", NULL))
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_UNREACHABLE,
				     "%s does not exist any more", pf->name);
	if (model_task(c->model, pid))
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_UNREACHABLE,
				     "%s is of a task that ended, and now task %d of the tree has "
				     "its pid",
				     pf->name, pid);
	if (!rs)
		return report_fail(c->report, -ENOMEM, "cannot note a file of a dead task");
	pf->remap = REMAP_PROCFS;
	pf->dead_pid = pid;
	return procfs_is_noted(rs, pid) ? 0 : remap_note(c, rs, pf, (uint32_t)pid);
}

/*
 * On overlayfs a deleted file of a lower layer shows the links that it has there, though it has
 * none above: only trying tells.
 */
static bool overlay_is_unlinked(const struct fd_view *v, int root, const char *name)
{
	scoped(mem_free) char *probe = NULL;
	char self[32];
	int r;

	if (v->fs_magic != FS_MAGIC_OVERLAY)
		return false;
	probe = link_name(root, name, (uint32_t)v->st->st_ino);
	if (!probe)
		return false;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", v->fd);
	r = sys_linkat(AT_FDCWD, self, root, probe + 1, AT_SYMLINK_FOLLOW);
	if (r == 0 && sys_unlinkat(root, probe + 1, 0) < 0)
		log_warn("the name %s stays: it was just made, but cannot be removed", probe);
	return r == -ENOENT;
}

static int name_lost(struct collect *c, struct path_file *pf, const struct fd_view *v, int root,
		     const struct stat *there)
{
	bool deleted = name_strip_deleted(pf->name);

	if (v->fs_magic == FS_MAGIC_PROC)
		return procfs_collect(c, pf);
	if (v->st->st_nlink == 0 || (deleted && S_ISDIR(v->st->st_mode)))
		return ghost_collect(c, pf, v);
	if (deleted && overlay_is_unlinked(v, root, pf->name))
		return ghost_collect(c, pf, v);
	if (deleted)
		return linked_collect(c, pf, v, root);
	if (there && c->policy->evasive_devices && there->st_rdev == v->st->st_rdev &&
	    (S_ISCHR(v->st->st_mode) || S_ISBLK(v->st->st_mode)))
		return 0;
	return report_refuse_with(
		c->report, -ENOTSUP, CODE_FILE_UNREACHABLE,
		there ? "unmount what lies over it" : "make its mount visible from the task's root",
		there ? "%s is another file than the one that is open: something lies over it"
		      : "%s does not exist: the file lies on a mount that cannot be seen",
		pf->name);
}

static int name_collect(struct collect *c, struct path_file *pf, const struct fd_view *v)
{
	struct stat there;
	int root, r = path_root(c, pf->file.task, &root);

	if (r < 0)
		return report_fail(c->report, r, "cannot open the root of its mount namespace");
	pf->name = mem_dup(v->link, strlen(v->link) + 1);
	if (!pf->name)
		return report_fail(c->report, -ENOMEM, "cannot note a path");
	r = name_leads_to(root, pf->name, v->st, &there);
	if (r == 0 && name_is_nfs_silly(v, pf->name))
		return linked_collect(c, pf, v, root);
	if (r == -ENOENT || r == -EEXIST)
		return name_lost(c, pf, v, root, r == -EEXIST ? &there : NULL);
	return r < 0 ? report_fail(c->report, r, "cannot look at %s", v->link) : 0;
}

/* ---- what must be the same at restore ---- */

/* Not of a log that others may append to. */
static bool size_is_comparable(const struct file *f)
{
	return S_ISREG(f->mode) && !((f->flags & O_ACCMODE) == O_WRONLY && (f->flags & O_APPEND));
}

/* Where reading has no side effects and cannot block. */
static bool fs_keeps_files(uint64_t fs_magic)
{
	return fs_magic != FS_MAGIC_PROC && fs_magic != FS_MAGIC_SYSFS &&
	       fs_magic != FS_MAGIC_TRACEFS && fs_magic != FS_MAGIC_DEBUGFS &&
	       fs_magic != FS_MAGIC_CGROUP && fs_magic != FS_MAGIC_CGROUP2 &&
	       fs_magic != FS_MAGIC_SECURITYFS && fs_magic != FS_MAGIC_BPF &&
	       fs_magic != FS_MAGIC_CONFIGFS && fs_magic != FS_MAGIC_MQUEUE;
}

/*
 * Read through the task's own descriptor where that can be: opening the file once more would break
 * a lease. What is open for writing only is no program.
 */
static void build_id_collect(struct path_file *pf, const struct fd_view *v)
{
	scoped(fd_close) int own = -EBADF;
	int fd = v->fd;

	if (pf->size < sizeof(Elf32_Ehdr) || !fs_keeps_files(v->fs_magic) || v->is_opath ||
	    (pf->file.flags & O_ACCMODE) == O_WRONLY)
		return;
	if (pf->file.fd < 0)
		fd = own = path_reopen(v->fd, O_RDONLY);
	if (fd < 0 || build_id_read(fd, &pf->build_id) < 0)
		pf->build_id.len = 0; /* the size alone is compared then */
}

/* Slots have it from fdinfo; mappings, directories and programs do not. */
static void mnt_id_collect(struct collect *c, struct path_file *pf, const struct fd_view *v)
{
	const struct ns *ns = pf->file.task->ns[NS_MNT];
	struct statx sx = { 0 };

	pf->has_mnt_id = ns && ns->place != NS_OURS;
	if (pf->file.mnt_id >= 0 || (!pf->has_mnt_id && !c->policy->n_externals))
		return;
	if (sys_statx(v->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 &&
	    (sx.stx_mask & STATX_MNT_ID))
		pf->file.mnt_id = (int)sx.stx_mnt_id;
	pf->has_mnt_id = pf->has_mnt_id && pf->file.mnt_id >= 0;
}

static bool external_collect(struct collect *c, struct path_file *pf, const struct fd_view *v)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "file[%x:%" PRIx64 "]", (unsigned)pf->file.mnt_id,
		       (uint64_t)v->st->st_ino);
	for (unsigned i = 0; i < c->policy->n_externals; i++) {
		if (strcmp(c->policy->externals[i].key, key) != 0)
			continue;
		pf->name = mem_dup(key, strlen(key) + 1);
		pf->is_external = true;
		return true;
	}
	return false;
}

int path_file_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct path_file *pf = path_file_of(f);
	int r;

	mnt_id_collect(c, pf, v);
	r = external_collect(c, pf, v) ? 0 : name_collect(c, pf, v);
	if (r < 0)
		return r;
	if (!pf->name)
		return report_fail(c->report, -ENOMEM, "cannot note a path");
	pf->has_size = size_is_comparable(f);
	if (pf->has_size) {
		pf->size = (uint64_t)v->st->st_size;
		if (c->policy->file_validation == VALIDATE_BUILD_ID && pf->remap != REMAP_GHOST)
			build_id_collect(pf, v);
	}
	return 0;
}

int path_file_add(struct collect *c, const struct file *f, const struct fd_view *v,
		  struct path_file **ret)
{
	struct file *reg = file_new(file_kinds[FILE_KIND_reg]);
	int r = reg ? model_add_file_take(c->model, reg) : -ENOMEM;

	if (r < 0)
		return report_fail(c->report, r, "cannot note an open file");
	reg->dev = f->dev;
	reg->ino = f->ino;
	reg->mode = f->mode;
	reg->mnt_id = f->mnt_id;
	reg->task = f->task;
	reg->fd = f->fd;
	reg->flags = f->flags;
	reg->pos = f->pos;
	reg->fown = f->fown;
	r = path_file_collect(c, reg, v);
	if (r < 0)
		return r;
	*ret = path_file_of(reg);
	return 0;
}
