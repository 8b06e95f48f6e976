/* Heap memory and arenas. See mem.h. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK (64 * 1024UL)

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(16) char data[];
};

void mem_free(void *p)
{
	free(p);
}

void *mem_alloc(size_t n, size_t size)
{
	return calloc(n ? n : 1, size ? size : 1);
}

void *mem_resize(void *p, size_t n, size_t size)
{
	return reallocarray(p, n ? n : 1, size);
}

void *mem_dup(const void *p, size_t len)
{
	void *copy = malloc(len ? len : 1);

	if (copy && len)
		memcpy(copy, p, len);
	return copy;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	struct arena_block *b = a->blocks;
	size_t need;

	if (__builtin_mul_overflow(n, size, &need) || need > SIZE_MAX / 2) {
		a->failed = true;
		return NULL;
	}
	need = ROUND_UP(MAX(need, (size_t)1), (size_t)16);

	if (!b || b->size - a->used < need) {
		size_t room = MAX(need, ARENA_BLOCK);

		b = calloc(1, sizeof(*b) + room);
		if (!b) {
			a->failed = true;
			return NULL;
		}
		b->size = room;
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}

	void *p = b->data + a->used;

	a->used += need;
	return p;
}

void *arena_dup(struct arena *a, const void *p, size_t len)
{
	void *copy = arena_alloc(a, 1, len);

	if (copy && len)
		memcpy(copy, p, len);
	return copy;
}

char *arena_str(struct arena *a, const char *s)
{
	return arena_dup(a, s, strlen(s) + 1);
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	*a = (struct arena){ 0 };
}
