#pragma once
/*
 * A hash map from a 128-bit key (two 64-bit numbers: device and inode, pid and 0, ...) to a
 * pointer. It owns its table, never the values. Iteration order is insertion order, so that images
 * do not depend on hashing.
 */
#include "base/mem.h"

struct map_entry {
	uint64_t hi, lo;
	void *value;
};

struct map {
	struct map_entry *entries; /* in insertion order */
	size_t n, room;
	uint32_t *slots; /* index + 1 into entries; 0 is empty */
	size_t n_slots;
};

/* The value of a key, or NULL. */
void *map_find(const struct map *m, uint64_t hi, uint64_t lo);
/* Adds or replaces. 0 or -ENOMEM. value may not be NULL. */
int map_set(struct map *m, uint64_t hi, uint64_t lo, void *value) nodiscard;
void map_done(struct map *m);
SCOPED_OBJECT(struct map, map_done);

#define map_for_each(var, m)                                                                       \
	for (struct map_entry *var = (m)->entries; var && var < (m)->entries + (m)->n; var++)
