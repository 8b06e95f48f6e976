/* Growing arrays. See vec.h. */
#include "base/vec.h"

int vec_grow(void **at, size_t *room, size_t need, size_t size)
{
	size_t bigger;
	void *p;

	if (need <= *room)
		return 0;
	bigger = MAX(*room * 2, (size_t)8);
	bigger = MAX(bigger, need);
	p = mem_resize(*at, bigger, size);
	if (!p)
		return -ENOMEM;
	*at = p;
	*room = bigger;
	return 0;
}
