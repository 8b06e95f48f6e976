/* /proc/PID/cgroup. See cgroup.h. */
#include "kernel/proc/cgroup.h"

int proc_cgroup_next(struct scan *s, struct proc_cgroup *ret)
{
	static const char gone[] = " (deleted)";
	struct proc_cgroup c = { 0 };
	struct scan line;

	if (!scan_line(s, &line))
		return 0;
	if (!scan_u32(&line, 10, &c.hierarchy) || !scan_char(&line, ':') ||
	    !scan_until(&line, ':', &c.controllers))
		return -EINVAL;
	/* The kernel lets no group's name hold a newline; a colon is possible. */
	c.path = (struct span){ .p = line.at, .len = scan_left(&line) };
	if (c.path.len == 0 || c.path.p[0] != '/')
		return -EINVAL;
	if (span_ends(c.path, gone)) {
		c.path.len -= sizeof(gone) - 1;
		c.deleted = true;
	}
	*ret = c;
	return 1;
}

int proc_cgroup_read(const struct proc_pid *p, struct proc_text *text)
{
	return proc_text_read(p, "cgroup", text);
}
