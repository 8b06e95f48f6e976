#pragma once
/* Time as microseconds: CLOCK_MONOTONIC for deadlines and durations. */
#include <time.h>

#include "base/base.h"

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* Never 0, which may stand for "not yet". */
static inline usec_t usec_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000 + 1;
}

/* Sleeps; may come back early when a signal is handled. */
static inline void usec_sleep(usec_t usec)
{
	struct timespec ts = {
		.tv_sec = (time_t)(usec / USEC_PER_SEC),
		.tv_nsec = (long)(usec % USEC_PER_SEC) * 1000,
	};

	(void)nanosleep(&ts, NULL); /* EINTR: early */
}
