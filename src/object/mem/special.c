/*
 * Mappings that the kernel makes: the vDSO, its data pages (vvar; two mappings since Linux 6.13) and the vsyscall page.
 * Their contents belong to the running kernel: on restore the restoring process's own are moved to where the task had
 * them (restore/program).
 */
#include <sys/mman.h>

#include "kernel/proc/maps.h"
#include "object/kinds.h"

static bool special_match(const struct vma *v)
{
	return v->map_kind == PROC_MAP_VDSO || v->map_kind == PROC_MAP_VVAR ||
	       v->map_kind == PROC_MAP_VVAR_VCLOCK || v->map_kind == PROC_MAP_VSYSCALL;
}

static int special_collect(struct collect *c, struct task *t, struct vma *v)
{
	(void)c;
	(void)t;
	v->flags = MAP_PRIVATE | MAP_ANONYMOUS;
	v->pgoff = 0;
	if (v->map_kind == PROC_MAP_VDSO)
		v->status = VMA_REGULAR | VMA_VDSO | VMA_ANON_PRIVATE;
	else if (v->map_kind == PROC_MAP_VSYSCALL)
		v->status = VMA_VSYSCALL;
	else
		v->status = VMA_REGULAR | VMA_VVAR | VMA_ANON_PRIVATE;
	return 0;
}

static bool special_match_image(const struct vma *v)
{
	return v->status & (VMA_VDSO | VMA_VVAR | VMA_VSYSCALL);
}

const struct mem_kind mem_kind_special = {
	.name = "special",
	.about = "vDSO, vvar and vsyscall pages of the kernel",
	.match = special_match,
	.collect = special_collect,
	.match_image = special_match_image,
};
