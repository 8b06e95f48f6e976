#pragma once
/* What the kinds of the family `task` have in common. */
#include "object/kinds.h"

struct ThreadInfoX86;

/* The thread's part of a record that holds CPU state: made on first use, empty (the kinds that own
 * its fields fill it). NULL when out of memory. */
struct ThreadInfoX86 *core_thread_info(struct core_record *out);

/* Whether the thread is its task's leader: the record has the task's part then. */
static inline bool thread_is_leader(const struct thread *th)
{
	return task_leader(th->task) == th;
}

/* Bytes for the answer to a question in a program: reads the u32 or u64 at its start. */
struct piece;
uint32_t piece_u32(const struct piece *p);
uint64_t piece_u64(const struct piece *p);
