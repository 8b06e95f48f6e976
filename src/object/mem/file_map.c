/*
 * Mappings of files, shared or private. The file is an open file description of the model like any
 * other, opened through /proc/PID/map_files so that deleted, renamed and overmounted files are
 * found. Of a private mapping only the pages that the task has changed are stored.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "kernel/proc/maps.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/mem/vma_common.h"

static bool file_map_match(const struct vma *v)
{
	return v->map_kind == PROC_MAP_FILE;
}

static int file_map_collect(struct collect *c, struct task *t, struct vma *v)
{
	int r = collect_path_file(c, t, FILE_USER_MAP, v, &v->file);

	if (r < 0)
		return r;
	v->shmid = v->file->id;
	v->flags = v->shared ? MAP_SHARED : MAP_PRIVATE;
	v->status = VMA_REGULAR | (v->shared ? VMA_FILE_SHARED : VMA_FILE_PRIVATE);
	if (v->file->kind == file_kinds[FILE_KIND_memfd])
		v->status |= VMA_MEMFD;
	v->has_pages = !v->shared;
	/* Write access of a shared mapping comes from the file's mode, also where it is not
	 * writable now. */
	v->fdflags = v->shared && (v->vm_flags & PROC_VMFLAG_MAYWRITE) ? O_RDWR : O_RDONLY;
	v->has_fdflags = true;
	vma_flags_collect(v);
	return 0;
}

static bool file_map_match_image(const struct vma *v)
{
	return v->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED);
}

static int file_map_decode(struct model *m, struct vma *v)
{
	v->file = model_file(m, (uint32_t)v->shmid);
	v->has_pages = v->status & VMA_FILE_PRIVATE;
	return v->file && v->shmid <= UINT32_MAX ? 0 : -EUCLEAN;
}

/* The file, open in the way that the mapping needs. Images may have it open in another one. */
static int file_map_fd(struct env *env, const struct vma *v, int *ret_fd, bool *ret_owned)
{
	unsigned access = v->fdflags & O_ACCMODE;
	int fd, r = env_file_fd(env, v->file, ret_fd, ret_owned);

	if (r < 0 || !v->has_fdflags || access == (v->file->flags & O_ACCMODE))
		return r;
	if (v->shmem && v->shmem->type == SHMEM_MEMFD && access == O_RDWR)
		fd = fd_dup_above(v->shmem->made_fd, env->floor);
	else
		fd = env_reopen(env, *ret_fd, access);
	if (*ret_owned)
		fd_close(*ret_fd);
	if (fd < 0)
		return report_fail(env->report, fd, "cannot open the mapped file again");
	*ret_fd = fd;
	*ret_owned = true;
	return 0;
}

static int file_map_map(struct env *env, struct vma *v, int prot)
{
	bool owned;
	int fd, r = file_map_fd(env, v, &fd, &owned);

	if (r < 0)
		return r;
	r = vma_map(env, v, prot, (int)(v->flags & ~(unsigned)MAP_LOCKED), fd);
	if (owned)
		fd_close(fd);
	return r;
}

const struct mem_kind mem_kind_file_map = {
	.name = "file_map",
	.about = "mappings of files, shared or private",
	.match = file_map_match,
	.collect = file_map_collect,
	.match_image = file_map_match_image,
	.decode = file_map_decode,
	.map = file_map_map,
};
