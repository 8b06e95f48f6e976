/* /proc/PID/mountinfo. See mountinfo.h. */
#include "kernel/proc/mountinfo.h"

/* Blanks inside fields are escaped, so a blank always ends one; a field may be empty. */
static bool scan_field(struct scan *s, struct span *ret)
{
	return scan_until(s, ' ', ret);
}

static bool parse_optional(struct span field, struct proc_mount *m)
{
	struct scan s = scan_over(field.p, field.len);

	if (span_is(field, "unbindable")) {
		m->unbindable = true;
		return true;
	}
	if (scan_text(&s, "shared:"))
		return scan_int(&s, &m->shared) && scan_at_end(&s);
	if (scan_text(&s, "master:"))
		return scan_int(&s, &m->master) && scan_at_end(&s);
	if (scan_text(&s, "propagate_from:"))
		return scan_int(&s, &m->propagate_from) && scan_at_end(&s);
	return true;
}

int proc_mount_next(struct scan *s, struct proc_mount *ret)
{
	struct proc_mount m = { 0 };
	struct scan line;
	struct span field;

	if (!scan_line(s, &line))
		return 0;
	if (!scan_int(&line, &m.id) || !scan_char(&line, ' ') || !scan_int(&line, &m.parent) ||
	    !scan_char(&line, ' ') || !scan_u32(&line, 10, &m.major) || !scan_char(&line, ':') ||
	    !scan_u32(&line, 10, &m.minor) || !scan_char(&line, ' ') ||
	    !scan_field(&line, &m.root) || !scan_field(&line, &m.mountpoint) ||
	    !scan_field(&line, &m.options))
		return -EINVAL;
	for (;;) {
		if (!scan_field(&line, &field))
			return -EINVAL;
		if (span_is(field, "-"))
			break;
		if (!parse_optional(field, &m))
			return -EINVAL;
	}
	if (!scan_field(&line, &m.type) || !scan_field(&line, &m.source))
		return -EINVAL;
	m.super_options = (struct span){ .p = line.at, .len = scan_left(&line) };
	*ret = m;
	return 1;
}

int proc_mountinfo_read(const struct proc_pid *p, struct proc_text *text)
{
	int r = proc_text_read(p, "mountinfo", text);

	/* Quirk: a zombie's has no namespace to show, and open says so with EINVAL. */
	return r == -EINVAL ? -ESRCH : r;
}

bool proc_mount_option(struct span options, const char *word)
{
	struct scan s = scan_over(options.p, options.len);
	struct span one;

	while (scan_until(&s, ',', &one))
		if (span_is(one, word))
			return true;
	one = (struct span){ .p = s.at, .len = scan_left(&s) };
	return span_is(one, word);
}
