/* /proc/PID/ns. See ns.h. */
#include "kernel/proc/ns.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

/* Linux 5.6; not in older libc headers. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	const char *link;
	int flag;
} table[] = {
#define PROC_NS(name, link, flag, since) [PROC_NS_##name] = { link, flag },
#include "kernel/proc/ns.def"
#undef PROC_NS
};

const char *proc_ns_link(enum proc_ns ns)
{
	return table[ns].link;
}

int proc_ns_flag(enum proc_ns ns)
{
	return table[ns].flag;
}

static const char *type_name(enum proc_ns ns)
{
	return ns == PROC_NS_PID_CHILDREN    ? "pid"
	       : ns == PROC_NS_TIME_CHILDREN ? "time"
					     : table[ns].link;
}

int proc_ns_parse(const char *text, size_t len, enum proc_ns ns, uint64_t *ret_ino)
{
	struct scan s = scan_over(text, len);
	uint64_t ino;

	/* The two *_for_children links print the type of what they lead to. */
	if (!scan_text(&s, type_name(ns)))
		return -EINVAL;
	if (!scan_text(&s, ":[") || !scan_u64(&s, 10, &ino) || !scan_char(&s, ']') ||
	    !scan_at_end(&s))
		return -EINVAL;
	*ret_ino = ino;
	return 0;
}

struct ns_path {
	char text[40];
};

static struct ns_path ns_path(enum proc_ns ns)
{
	struct ns_path path;

	(void)snprintf(path.text, sizeof(path.text), "ns/%s", table[ns].link); /* fits */
	return path;
}

int proc_ns_read(const struct proc_pid *p, enum proc_ns ns, uint64_t *ret_ino)
{
	char buf[64];
	ssize_t n = proc_link_read(p, ns_path(ns).text, buf, sizeof(buf));

	return n < 0 ? (int)n : proc_ns_parse(buf, (size_t)n, ns, ret_ino);
}

int proc_ns_open(const struct proc_pid *p, enum proc_ns ns)
{
	return proc_file_open(p, ns_path(ns).text, O_RDONLY);
}
