#pragma once
/* What kinds of mappings have in common: flags as smaps shows them, mapping with a descriptor. */
#include "object/kinds.h"

/*
 * MAP_* and madvise bits that every kind derives in the same way from smaps' VmFlags: GROWSDOWN, NORESERVE, LOCKED,
 * HUGETLB with its size; advice. Adds to v->flags and v->madv.
 */
void vma_flags_collect(struct vma *v);

/* mmap at v->at, which must be free: 0 or -errno, reported. Length and offset are the vma's. */
int vma_map(struct env *env, const struct vma *v, int prot, int flags, int fd) nodiscard;
