/* Shared segments made again. See shmem.h. */
#include "object/mem/shmem.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "kernel/proc/maps.h"
#include "kernel/sys.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* ---- making ---- */

/* What memory of ours is backed by, as a file: needs CAP_CHECKPOINT_RESTORE. */
static int map_files_open(uint64_t start, uint64_t end)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	int r = proc_pid_open(0, &self);

	return r < 0 ? r : proc_map_file_open(&self, start, end, O_RDWR | O_CLOEXEC);
}

static int anon_create(struct env *env, const struct shmem *s)
{
	unsigned flags = (s->hugetlb ? MAP_HUGETLB | s->hugetlb_flag : 0) |
			 (s->noreserve ? MAP_NORESERVE : 0);
	uint64_t size = ROUND_UP(MAX(s->size, (uint64_t)1), PAGE_SIZE);
	void *at;
	int fd, r;

	r = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, (int)(MAP_SHARED | MAP_ANONYMOUS | flags),
		     -1, 0, &at);
	if (r < 0)
		return report_fail(env->report, r, "cannot map it");
	fd = map_files_open((uintptr_t)at, (uintptr_t)at + size);
	(void)!sys_munmap(at, size); /* the descriptor keeps the segment */
	if (fd < 0)
		return report_fail(env->report, fd, "cannot open it through map_files");
	return fd;
}

/* Since Linux 6.3 a memfd says whether it may be executed; before, all could. */
static int memfd_new(const struct shmem *s)
{
	unsigned exec = s->seals & F_SEAL_EXEC ? MFD_NOEXEC_SEAL : MFD_EXEC, flags = MFD_CLOEXEC;
	int fd;

	if (s->seals != F_SEAL_SEAL)
		flags |= MFD_ALLOW_SEALING;
	if (s->hugetlb)
		flags |= MFD_HUGETLB | s->hugetlb_flag;
	fd = sys_memfd_create(s->name, flags | exec);
	return fd == -EINVAL ? sys_memfd_create(s->name, flags) : fd;
}

int shmem_create(struct env *env, struct shmem *s)
{
	scoped(fd_close) int fd = -EBADF;
	int r;

	if (s->type == SHMEM_MEMFD) {
		fd = memfd_new(s);
		if (fd < 0)
			return report_fail(env->report, fd, "cannot make memfd %s", s->name);
	} else {
		fd = anon_create(env, s);
		if (fd < 0)
			return fd;
	}
	r = sys_ftruncate(fd, (int64_t)s->size);
	if (r == 0)
		r = env_lift_fd(env, &fd);
	if (r < 0)
		return report_fail(env->report, r, "cannot give it %llu bytes",
				   (unsigned long long)s->size);
	s->made_fd = fd_take(&fd);
	return 0;
}

/* ---- when it is filled ---- */

/* Whether some task is going to map it for writing. */
static bool shmem_has_writer(const struct model *m, const struct shmem *s)
{
	vec_for_each(mm, &m->mms)
		vec_for_each(v, &(*mm)->vmas)
			if ((*v)->shmem == s && !((*v)->flags & MAP_PRIVATE) &&
			    ((*v)->fdflags & O_ACCMODE) != O_RDONLY)
				return true;
	return false;
}

static int shmem_set_inode(struct env *env, const struct shmem *s)
{
	int r = s->uid || s->gid ? sys_fchown(s->made_fd, s->uid, s->gid) : 0;

	/* After the owner: that takes set-id bits away. */
	if (r == 0 && s->has_mode)
		r = sys_fchmod(s->made_fd, s->mode & 07777);
	return r < 0 ? report_fail(env->report, r, "cannot set owner and mode of memfd %s", s->name)
		     : 0;
}

static int seals_add(struct env *env, const struct shmem *s, uint32_t seals)
{
	int now = sys_fcntl(s->made_fd, F_GET_SEALS, 0), r = now;

	if (r >= 0 && (seals & ~(uint32_t)now))
		r = sys_fcntl(s->made_fd, F_ADD_SEALS, seals & ~(uint32_t)now);
	return r < 0 ? report_fail(env->report, r, "cannot seal memfd %s with %#x", s->name, seals)
		     : 0;
}

int shmem_settle(struct env *env, struct shmem *s)
{
	int r = s->inode_id ? shmem_set_inode(env, s) : 0;

	if (r < 0 || s->type != SHMEM_MEMFD)
		return r;
	/* Mappings for writing may stay when future ones are forbidden: those come first. */
	if ((s->seals & F_SEAL_FUTURE_WRITE) && shmem_has_writer(env->model, s))
		s->late_seals = s->seals & (F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	return seals_add(env, s, s->seals & ~s->late_seals);
}

int shmem_seal_late(struct env *env, struct shmem *s)
{
	return s->late_seals ? seals_add(env, s, s->late_seals) : 0;
}
