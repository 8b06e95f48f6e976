/* Helpers of the task kinds. See task_common.h. */
#include "object/task/task_common.h"

#include <string.h>

#include "inject/batch.h"
#include "schema/core.pb-c.h"

struct ThreadInfoX86 *core_thread_info(struct core_record *out)
{
	ThreadInfoX86 *ti = out->core->thread_info;

	if (ti)
		return ti;
	ti = ARENA_NEW(out->arena, ThreadInfoX86);
	if (!ti)
		return NULL;
	thread_info_x86__init(ti);
	out->core->thread_info = ti;
	return ti;
}

uint32_t piece_u32(const struct piece *p)
{
	uint32_t v = 0;

	assert(p->p && p->len >= sizeof(v));
	memcpy(&v, p->p, sizeof(v));
	return v;
}

uint64_t piece_u64(const struct piece *p)
{
	uint64_t v = 0;

	assert(p->p && p->len >= sizeof(v));
	memcpy(&v, p->p, sizeof(v));
	return v;
}
