#pragma once
/* What the self-checking target tells on a page that the tests share with it. */
#include <stdint.h>

#define TARGET_THREADS 64
#define TARGET_BOARD   3 /* the descriptor of the page */

struct target_board {
	uint32_t ready;    /* threads that have begun */
	uint32_t failures; /* checks that went wrong, ever */
	uint32_t n;        /* threads */
	uint32_t strict;   /* set by the test: sleeps must not end with EINTR for no reason */
	uint32_t rseq_commits, rseq_aborts;
	char what[256];                  /* the first failure */
	uint64_t rounds[TARGET_THREADS]; /* each thread's progress */
	char job[TARGET_THREADS];        /* and what it does */
};
