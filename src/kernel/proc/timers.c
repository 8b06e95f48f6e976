/* /proc/PID/timers. See timers.h. */
#include "kernel/proc/timers.h"

#include <signal.h>

static int parse_notify(struct scan s, struct proc_timer *t)
{
	struct span how, whom;

	if (!scan_until(&s, '/', &how) || !scan_until(&s, '.', &whom) || !scan_int(&s, &t->target))
		return -EINVAL;
	if (span_is(how, "signal"))
		t->notify = SIGEV_SIGNAL;
	else if (span_is(how, "none"))
		t->notify = SIGEV_NONE;
	else if (span_is(how, "thread"))
		t->notify = SIGEV_THREAD;
	else
		return -EINVAL;
	if (span_is(whom, "tid"))
		t->notify |= SIGEV_THREAD_ID;
	else if (!span_is(whom, "pid"))
		return -EINVAL;
	return scan_at_end(&s) ? 0 : -EINVAL;
}

int proc_timers_next(struct scan *s, struct proc_timer *ret)
{
	struct proc_timer t = { 0 };
	struct scan line;
	int r;

	if (!scan_line(s, &line))
		return 0;
	if (!scan_text(&line, "ID: ") || !scan_int(&line, &t.id) || !scan_at_end(&line))
		return -EINVAL;
	if (!scan_line(s, &line) || !scan_text(&line, "signal: ") || !scan_int(&line, &t.signal) ||
	    !scan_char(&line, '/') || !scan_u64(&line, 16, &t.value))
		return -EINVAL;
	if (!scan_line(s, &line) || !scan_text(&line, "notify: "))
		return -EINVAL;
	r = parse_notify(line, &t);
	if (r < 0)
		return r;
	if (!scan_line(s, &line) || !scan_text(&line, "ClockID: ") || !scan_int(&line, &t.clock))
		return -EINVAL;
	*ret = t;
	return 1;
}

int proc_timers_read(const struct proc_pid *p, struct proc_text *text)
{
	return proc_text_read(p, "timers", text);
}
