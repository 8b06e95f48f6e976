/* What kinds of mappings have in common. See vma_common.h. */
#include "object/mem/vma_common.h"

#include <inttypes.h>
#include <linux/mman.h>
#include <sys/mman.h>

#include "kernel/proc/maps.h"
#include "kernel/sys.h"
#include "object/env.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static uint64_t advice(const struct vma *v, uint64_t vm_flag, unsigned madvise)
{
	return v->vm_flags & vm_flag ? UINT64_C(1) << madvise : 0;
}

void vma_flags_collect(struct vma *v)
{
	if (v->vm_flags & PROC_VMFLAG_GROWSDOWN)
		v->flags |= MAP_GROWSDOWN;
	if (v->vm_flags & PROC_VMFLAG_LOCKED)
		v->flags |= MAP_LOCKED;
	if ((v->vm_flags & PROC_VMFLAG_NORESERVE) && !(v->vm_flags & PROC_VMFLAG_HUGETLB))
		v->flags |= MAP_NORESERVE;
	if (v->vm_flags & PROC_VMFLAG_HUGETLB)
		v->flags |= MAP_HUGETLB |
			    (unsigned)(__builtin_ctzll(v->page_size) << MAP_HUGE_SHIFT);

	v->madv |= advice(v, PROC_VMFLAG_RAND_READ, MADV_RANDOM) |
		   advice(v, PROC_VMFLAG_SEQ_READ, MADV_SEQUENTIAL) |
		   advice(v, PROC_VMFLAG_DONTCOPY, MADV_DONTFORK) |
		   advice(v, PROC_VMFLAG_MERGEABLE, MADV_MERGEABLE) |
		   advice(v, PROC_VMFLAG_HUGEPAGE, MADV_HUGEPAGE) |
		   advice(v, PROC_VMFLAG_NOHUGEPAGE, MADV_NOHUGEPAGE) |
		   advice(v, PROC_VMFLAG_DONTDUMP, MADV_DONTDUMP) |
		   advice(v, PROC_VMFLAG_WIPEONFORK, MADV_WIPEONFORK);
}

int vma_map(struct env *env, const struct vma *v, int prot, int flags, int fd)
{
	void *at = (void *)(uintptr_t)v->at, *got;
	int r = sys_mmap(at, v->end - v->start, prot, flags | MAP_FIXED_NOREPLACE, fd,
			 fd >= 0 ? v->pgoff : 0, &got);

	if (r < 0)
		return report_fail(env->report, r, "cannot map %" PRIx64 "-%" PRIx64, v->start, v->end);
	return 0;
}
