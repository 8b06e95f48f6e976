/* Runs of pages. See run.h. */
#include "pages/run.h"

int page_runs_add(struct page_runs *runs, uint64_t va, uint64_t n, uint32_t flags)
{
	struct page_run *last = runs->n ? &runs->at[runs->n - 1] : NULL;

	if (n == 0)
		return 0;
	if (last && last->flags == flags && page_run_end(last) == va) {
		last->n += n;
		return 0;
	}
	return vec_push(runs, (struct page_run){ .va = va, .n = n, .flags = flags });
}

uint64_t page_runs_count(const struct page_runs *runs, uint32_t flags)
{
	uint64_t n = 0;

	vec_for_each(run, runs) {
		if (run->flags & flags)
			n += run->n;
	}
	return n;
}

size_t page_runs_find(const struct page_runs *runs, uint64_t va)
{
	size_t low = 0, high = runs->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (page_run_end(&runs->at[mid]) > va)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* One run of a against b from index `at` on, which is the first that can touch it. */
static int run_cut(const struct page_run *run, const struct page_runs *b, size_t at, bool with,
		   struct page_runs *ret)
{
	uint64_t va = run->va, end = page_run_end(run);
	int r = 0;

	for (; va < end && at < b->n && b->at[at].va < end && r == 0; at++) {
		uint64_t from = MAX(va, b->at[at].va);
		uint64_t to = MIN(end, page_run_end(&b->at[at]));

		if (with)
			r = page_runs_add(ret, from, (to - from) / PAGE_SIZE, run->flags);
		else
			r = page_runs_add(ret, va, (from - va) / PAGE_SIZE, run->flags);
		va = to;
	}
	if (!with && r == 0 && va < end)
		r = page_runs_add(ret, va, (end - va) / PAGE_SIZE, run->flags);
	return r;
}

int page_runs_cut(const struct page_runs *a, const struct page_runs *b, bool with,
		  struct page_runs *ret)
{
	size_t at = 0;
	int r = 0;

	vec_for_each(run, a) {
		while (at < b->n && page_run_end(&b->at[at]) <= run->va)
			at++;
		r = run_cut(run, b, at, with, ret);
		if (r < 0)
			return r;
	}
	return 0;
}

void page_runs_done(struct page_runs *runs)
{
	vec_done(runs);
}
