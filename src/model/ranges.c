/* Sets of address ranges. See ranges.h. */
#include "model/ranges.h"

#include <stdlib.h>

int ranges_add(struct ranges *r, uint64_t start, uint64_t end)
{
	assert(start <= end);
	return vec_push(r, (struct range){ .start = start, .end = end });
}

static int range_cmp(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void ranges_sort(struct ranges *r)
{
	size_t n = 0;

	if (!r->n)
		return;
	qsort(r->at, r->n, sizeof(r->at[0]), range_cmp);
	for (size_t i = 1; i < r->n; i++) {
		if (r->at[i].start <= r->at[n].end)
			r->at[n].end = MAX(r->at[n].end, r->at[i].end);
		else
			r->at[++n] = r->at[i];
	}
	r->n = n + 1;
}

int ranges_subtract(struct ranges *r, const struct ranges *cut)
{
	struct ranges left = { 0 };
	size_t c = 0;
	int rc = 0;

	for (size_t i = 0; i < r->n && rc == 0; i++) {
		uint64_t start = r->at[i].start, end = r->at[i].end;

		while (c < cut->n && cut->at[c].end <= start)
			c++;
		for (size_t k = c; k < cut->n && cut->at[k].start < end && rc == 0; k++) {
			if (cut->at[k].start > start)
				rc = ranges_add(&left, start, cut->at[k].start);
			start = MAX(start, cut->at[k].end);
		}
		if (start < end && rc == 0)
			rc = ranges_add(&left, start, end);
	}
	if (rc < 0) {
		ranges_done(&left);
		return rc;
	}
	ranges_done(r);
	*r = left;
	return 0;
}

bool ranges_overlap(const struct ranges *r, uint64_t start, uint64_t end)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) { /* the first that ends behind start */
		size_t mid = lo + (hi - lo) / 2;

		if (r->at[mid].end <= start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n && r->at[lo].start < end;
}

int ranges_gap(const struct ranges *r, uint64_t low, uint64_t high, uint64_t size, uint64_t margin,
	       uint64_t *ret)
{
	uint64_t need = size + 2 * margin, top = high;

	if (need < size)
		return -ENOMEM;
	for (size_t i = r->n + 1; i-- > 0;) {
		uint64_t bottom = i > 0 ? MAX(r->at[i - 1].end, low) : low;

		if (top > bottom && top - bottom >= need) {
			*ret = ROUND_DOWN(top - margin - size, PAGE_SIZE);
			return 0;
		}
		if (i > 0)
			top = MIN(top, r->at[i - 1].start);
	}
	return -ENOMEM;
}

void ranges_done(struct ranges *r)
{
	vec_done(r);
}
