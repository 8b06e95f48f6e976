#pragma once
/* Core images of a task with two threads as a dump writes them: every field that a kind of the
 * family `task` owns is there. */
#include "base/mem.h"

struct CoreEntry;

/* A new message in the arena; memory is there. */
#define NEW_MESSAGE(a, type, init)                                                                 \
	({                                                                                         \
		type *m_ = ARENA_NEW(a, type);                                                     \
		assert(m_);                                                                        \
		init(m_);                                                                          \
		m_;                                                                                \
	})

/* The image of thread SAMPLE_PID, the leader, or of thread SAMPLE_PID + 1. Everything is in the
 * arena. */
#define SAMPLE_PID 812
struct CoreEntry *sample_core(struct arena *a, bool leader);
