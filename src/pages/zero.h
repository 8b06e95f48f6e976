#pragma once
/* Pages of zeros. */
#include <string.h>

#include "base/base.h"

/* Whether a page, aligned to 8 bytes, holds nothing but zeros. Cheap when it does not. */
static inline bool page_is_zero(const void *page)
{
	const uint64_t *words = page;

	if (words[0] | words[PAGE_SIZE / 16] | words[PAGE_SIZE / 8 - 1])
		return false;
	/* All bytes equal their neighbours, and the first is zero. */
	return memcmp(words, words + 1, PAGE_SIZE - 8) == 0;
}
