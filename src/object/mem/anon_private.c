/*
 * Private anonymous memory: heap, stacks, malloc's arenas, reservations, hugetlb pages mapped
 * privately. Its contents are stored as pages.
 */
#include <string.h>
#include <sys/mman.h>

#include "kernel/proc/maps.h"
#include "object/env.h"
#include "object/mem/vma_common.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* Linux 6.11 */
#endif

static bool anon_private_match(const struct vma *v)
{
	if (v->shared)
		return false;
	if (v->vm_flags & PROC_VMFLAG_HUGETLB) /* shown with the name of an internal file */
		return v->map_kind == PROC_MAP_FILE && v->deleted &&
		       strcmp(v->name, "/anon_hugepage") == 0;
	return v->map_kind == PROC_MAP_ANON || v->map_kind == PROC_MAP_HEAP ||
	       v->map_kind == PROC_MAP_STACK || v->map_kind == PROC_MAP_ANON_NAMED;
}

static int anon_private_collect(struct collect *c, struct task *t, struct vma *v)
{
	(void)c;
	(void)t;
	v->flags = MAP_PRIVATE | MAP_ANONYMOUS;
	v->status = VMA_REGULAR | VMA_ANON_PRIVATE;
	v->pgoff = 0;
	if (v->map_kind == PROC_MAP_HEAP)
		v->status |= VMA_HEAP;
	if (v->map_kind == PROC_MAP_STACK)
		v->status |= VMA_STACK;
	if (v->vm_flags & PROC_VMFLAG_DROPPABLE)
		v->flags = (v->flags & ~(unsigned)MAP_PRIVATE) | MAP_DROPPABLE;
	vma_flags_collect(v);
	/* Droppable memory may vanish at any time, and what the vDSO keeps there for getrandom(2)
	 * must not live twice. */
	v->has_pages = !(v->vm_flags & PROC_VMFLAG_DROPPABLE);
	return 0;
}

static bool anon_private_match_image(const struct vma *v)
{
	return (v->status & VMA_REGULAR) && (v->status & VMA_ANON_PRIVATE);
}

static int anon_private_decode(struct model *m, struct vma *v)
{
	(void)m;
	v->has_pages = !(v->flags & MAP_DROPPABLE) || (v->flags & MAP_PRIVATE) == MAP_PRIVATE;
	return 0;
}

static int anon_private_map(struct env *env, struct vma *v, int prot)
{
	/* LOCKED comes later: pages are filled first, and locking is subject to a limit that may
	 * not be ours yet. */
	return vma_map(env, v, prot, (int)(v->flags & ~(unsigned)MAP_LOCKED), -1);
}

const struct mem_kind mem_kind_anon_private = {
	.name = "anon_private",
	.about = "private anonymous memory",
	.match = anon_private_match,
	.collect = anon_private_collect,
	.match_image = anon_private_match_image,
	.decode = anon_private_decode,
	.map = anon_private_map,
};
