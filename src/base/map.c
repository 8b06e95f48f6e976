/* Hash map with stable order. See map.h. Open addressing, load at most one half. */
#include "base/map.h"

static size_t map_hash(uint64_t hi, uint64_t lo)
{
	uint64_t h = (lo ^ (hi * 0x9e3779b97f4a7c15ULL)) * 0xbf58476d1ce4e5b9ULL;

	return (size_t)(h ^ (h >> 29));
}

static uint32_t *map_slot(const struct map *m, uint64_t hi, uint64_t lo)
{
	size_t i = map_hash(hi, lo) & (m->n_slots - 1);

	while (m->slots[i]) {
		const struct map_entry *e = &m->entries[m->slots[i] - 1];

		if (e->hi == hi && e->lo == lo)
			break;
		i = (i + 1) & (m->n_slots - 1);
	}
	return &m->slots[i];
}

void *map_find(const struct map *m, uint64_t hi, uint64_t lo)
{
	uint32_t *slot;

	if (!m->n_slots)
		return NULL;
	slot = map_slot(m, hi, lo);
	return *slot ? m->entries[*slot - 1].value : NULL;
}

static int map_grow(struct map *m)
{
	size_t n_slots = m->n_slots ? m->n_slots * 2 : 32;
	struct map_entry *entries = mem_resize(m->entries, n_slots / 2, sizeof(*entries));
	uint32_t *slots;

	if (!entries)
		return -ENOMEM;
	m->entries = entries;
	slots = mem_alloc(n_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;

	mem_free(m->slots);
	m->slots = slots;
	m->n_slots = n_slots;
	m->room = n_slots / 2;
	for (size_t i = 0; i < m->n; i++)
		*map_slot(m, m->entries[i].hi, m->entries[i].lo) = (uint32_t)(i + 1);
	return 0;
}

int map_set(struct map *m, uint64_t hi, uint64_t lo, void *value)
{
	uint32_t *slot;

	assert(value);
	if (m->n == m->room) {
		int r = map_grow(m);

		if (r < 0)
			return r;
	}
	slot = map_slot(m, hi, lo);
	if (*slot) {
		m->entries[*slot - 1].value = value;
		return 0;
	}
	m->entries[m->n] = (struct map_entry){ .hi = hi, .lo = lo, .value = value };
	*slot = (uint32_t)++m->n;
	return 0;
}

void map_done(struct map *m)
{
	mem_free(m->entries);
	mem_free(m->slots);
	*m = (struct map){ 0 };
}
