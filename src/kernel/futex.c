/* futex(2). See futex.h. */
#include "kernel/futex.h"

#include <linux/futex.h>

#include "kernel/sys.h"

void futex_wake_all(uint32_t *word)
{
	(void)!sys_futex(word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0); /* nobody waiting is fine */
}

void futex_wait(uint32_t *word, uint32_t seen, usec_t timeout)
{
	const struct timespec ts = { .tv_sec = (time_t)(timeout / USEC_PER_SEC),
				     .tv_nsec = (long)(timeout % USEC_PER_SEC) * 1000 };

	(void)!sys_futex(word, FUTEX_WAIT, seen, &ts, NULL, 0); /* callers look at the word again */
}
