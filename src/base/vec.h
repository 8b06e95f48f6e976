#pragma once
/*
 * Growing arrays of any element type:
 *
 *	struct { VEC(struct vma *); } vmas = { 0 };
 *	r = vec_push(&vmas, vma);         0 or -ENOMEM
 *	vec_for_each(v, &vmas) use(*v);
 *	vec_done(&vmas);                  frees the array, not what it points to
 */
#include "base/mem.h"

#define VEC(type)                                                                                  \
	type *at;                                                                                  \
	size_t n, room

int vec_grow(void **at, size_t *room, size_t need, size_t size) nodiscard;

#define vec_reserve(v, more)                                                                       \
	vec_grow((void **)&(v)->at, &(v)->room, (v)->n + (more), sizeof(*(v)->at))

#define vec_push(v, ...)                                                                           \
	({                                                                                         \
		int push_r_ = vec_reserve(v, 1);                                                   \
		if (push_r_ == 0)                                                                  \
			(v)->at[(v)->n++] = (__VA_ARGS__);                                         \
		push_r_;                                                                           \
	})

#define vec_for_each(var, v)                                                                       \
	for (__typeof__((v)->at + 0) var = (v)->at; var && var < (v)->at + (v)->n; var++)

#define vec_done(v)                                                                                \
	({                                                                                         \
		mem_free((v)->at);                                                                 \
		(v)->at = NULL;                                                                    \
		(v)->n = (v)->room = 0;                                                            \
	})
