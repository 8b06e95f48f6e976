#pragma once
/*
 * Heap memory. Everything that can run out says so with NULL; callers answer -ENOMEM.
 *
 * An arena hands out zeroed memory that is freed all at once: for records that live as long as one
 * encode or one load, made of many small pieces.
 */
#include "base/base.h"
#include "base/scope.h"

/* Frees p; NULL is fine. (A name of its own so that scoped() can use it.) */
void mem_free(void *p);
static inline void scoped_mem_free(void *p)
{
	mem_free(*(void **)p);
}

/* Gives zeroed memory for n objects of `size` bytes, owned by the caller, or NULL. Checks the
 * product. */
void *mem_alloc(size_t n, size_t size) nodiscard;
/* Grows or shrinks an array; new bytes are not cleared. NULL on failure, the old array then still
 * valid. */
void *mem_resize(void *p, size_t n, size_t size) nodiscard;
/* A copy of len bytes, or NULL. */
void *mem_dup(const void *p, size_t len) nodiscard;

#define NEW(type)          ((type *)mem_alloc(1, sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)mem_alloc((n), sizeof(type)))

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used; /* of the newest block */
	bool failed; /* an allocation failed: check once at the end instead of at each piece */
};

/* Zeroed memory from the arena, aligned to 16 bytes; NULL when out of memory (and `failed` is set).
 */
void *arena_alloc(struct arena *a, size_t n, size_t size) nodiscard;
/* Copies into the arena; NULL as above. */
void *arena_dup(struct arena *a, const void *p, size_t len) nodiscard;
char *arena_str(struct arena *a, const char *s) nodiscard;
/* Frees every block. The arena is empty and usable afterwards. */
void arena_done(struct arena *a);
SCOPED_OBJECT(struct arena, arena_done);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), 1, sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))
