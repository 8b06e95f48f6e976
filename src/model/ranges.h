#pragma once
/*
 * Sets of address ranges: what is taken, and where a gap is. Used to place what must not collide with the mappings of a
 * task and with our own.
 */
#include "base/vec.h"

struct range {
	uint64_t start, end;
};

struct ranges {
	VEC(struct range);
};

/* Adds a range, in any order; ranges_sort() before asking. 0 or -ENOMEM. */
int ranges_add(struct ranges *r, uint64_t start, uint64_t end) nodiscard;
/* Sorts and joins what overlaps or touches. */
void ranges_sort(struct ranges *r);
/* Takes the ranges of `cut` out of r; both sorted. 0 or -ENOMEM. */
int ranges_subtract(struct ranges *r, const struct ranges *cut) nodiscard;
bool ranges_overlap(const struct ranges *r, uint64_t start, uint64_t end);
/*
 * The start of a free range of `size` bytes within [low, high), page-aligned, at least `margin` away from its neighbours
 * (stacks grow, and the kernel keeps a guard gap before them); the highest one. -ENOMEM when there is none.
 */
int ranges_gap(const struct ranges *r, uint64_t low, uint64_t high, uint64_t size, uint64_t margin,
	       uint64_t *ret) nodiscard;
void ranges_done(struct ranges *r);
SCOPED_OBJECT(struct ranges, ranges_done);
