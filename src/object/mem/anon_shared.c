/*
 * Shared anonymous memory: an unnamed file of the kernel's internal tmpfs that tasks share through
 * fork. One segment (struct shmem) however many map it; its contents are stored once.
 *
 * On restore the broker makes each segment by mapping it and keeps it through /proc/self/map_files,
 * so that the tasks' maps look as before.
 */
#include <string.h>
#include <sys/mman.h>

#include "kernel/proc/maps.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/mem/vma_common.h"

static bool anon_shared_match(const struct vma *v)
{
	const char *name = v->vm_flags & PROC_VMFLAG_HUGETLB ? "/anon_hugepage" : "/dev/zero";

	if (!v->shared)
		return false;
	return v->map_kind == PROC_MAP_SHMEM_NAMED ||
	       (v->map_kind == PROC_MAP_FILE && v->deleted && strcmp(v->name, name) == 0);
}

/* What a mapping tells of its segment. */
static void segment_note(const struct vma *v)
{
	struct shmem *s = v->shmem;

	if (v->flags & MAP_HUGETLB) {
		s->hugetlb = true;
		s->hugetlb_flag = v->flags & ((unsigned)MAP_HUGE_MASK << MAP_HUGE_SHIFT);
	}
	s->noreserve |= v->flags & MAP_NORESERVE;
}

static int anon_shared_collect(struct collect *c, struct task *t, struct vma *v)
{
	v->shmem = collect_shmem(c, t, v);
	if (!v->shmem)
		return report_fail(c->report, -ENOMEM, "cannot note a shared segment");
	v->shmid = v->shmem->shmid;
	v->flags = MAP_SHARED | MAP_ANONYMOUS;
	v->status = VMA_REGULAR | VMA_ANON_SHARED;
	vma_flags_collect(v);
	segment_note(v);
	return 0;
}

static bool anon_shared_match_image(const struct vma *v)
{
	return (v->status & VMA_ANON_SHARED) && !(v->status & VMA_SYSVIPC);
}

static int anon_shared_decode(struct model *m, struct vma *v)
{
	uint64_t end;

	if (__builtin_add_overflow(v->pgoff, v->end - v->start, &end) || end > INT64_MAX ||
	    v->segment_size > INT64_MAX - PAGE_SIZE)
		return -EUCLEAN;
	v->shmem = map_find(&m->shmem_by_id, 0, v->shmid);
	if (!v->shmem)
		v->shmem = model_add_shmem(m, v->shmid);
	if (!v->shmem)
		return -ENOMEM;
	segment_note(v);
	end = MAX(end, v->segment_size);
	if (!v->shmem->inode_id) /* an open file knows its size */
		v->shmem->size = MAX(v->shmem->size, end);
	return 0;
}

static int anon_shared_map(struct env *env, struct vma *v, int prot)
{
	return vma_map(env, v, prot,
		       (int)(v->flags & ~(unsigned)(MAP_LOCKED | MAP_ANONYMOUS | MAP_HUGETLB |
						    ((unsigned)MAP_HUGE_MASK << MAP_HUGE_SHIFT))),
		       v->shmem->made_fd);
}

const struct mem_kind mem_kind_anon_shared = {
	.name = "anon_shared",
	.about = "shared anonymous memory",
	.match = anon_shared_match,
	.collect = anon_shared_collect,
	.match_image = anon_shared_match_image,
	.decode = anon_shared_decode,
	.map = anon_shared_map,
};
