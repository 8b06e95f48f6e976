/* Signals that end an operation early. See interrupt.h. */
#include "report/interrupt.h"

#include <time.h>

static sigset_t interrupt_set(void)
{
	sigset_t set;

	(void)sigemptyset(&set); /* these cannot fail with valid numbers */
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	return set;
}

void interrupt_begin(struct interrupt *i)
{
	sigset_t set = interrupt_set();

	(void)sigprocmask(SIG_BLOCK, &set, &i->before);
}

int interrupt_check(struct report *rep)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t pending;

	(void)sigpending(&pending);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigismember(&pending, signals[i]))
			return report_refuse(rep, -EINTR, CODE_INTERRUPTED, "interrupted by SIG%s",
					     sigabbrev_np(signals[i]));
	return 0;
}

void interrupt_end(const struct interrupt *i)
{
	const struct timespec now = { 0 };
	sigset_t set = interrupt_set();

	while (sigtimedwait(&set, NULL, &now) > 0)
		continue;
	(void)sigprocmask(SIG_SETMASK, &i->before, NULL);
}
