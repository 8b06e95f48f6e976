/* /proc/PID/limits. See limits.h. */
#include "kernel/proc/limits.h"

#include <sys/resource.h>

/* The kernel's name of each. */
static const char *const names[] = {
	[RLIMIT_CPU] = "Max cpu time",
	[RLIMIT_FSIZE] = "Max file size",
	[RLIMIT_DATA] = "Max data size",
	[RLIMIT_STACK] = "Max stack size",
	[RLIMIT_CORE] = "Max core file size",
	[RLIMIT_RSS] = "Max resident set",
	[RLIMIT_NPROC] = "Max processes",
	[RLIMIT_NOFILE] = "Max open files",
	[RLIMIT_MEMLOCK] = "Max locked memory",
	[RLIMIT_AS] = "Max address space",
	[RLIMIT_LOCKS] = "Max file locks",
	[RLIMIT_SIGPENDING] = "Max pending signals",
	[RLIMIT_MSGQUEUE] = "Max msgqueue size",
	[RLIMIT_NICE] = "Max nice priority",
	[RLIMIT_RTPRIO] = "Max realtime priority",
	[RLIMIT_RTTIME] = "Max realtime timeout",
};
static_assert(ARRAY_SIZE(names) == PROC_LIMITS, "one line each");

static bool scan_limit(struct scan *s, uint64_t *ret)
{
	scan_blanks(s);
	if (!scan_text(s, "unlimited"))
		return scan_u64(s, 10, ret);
	*ret = UINT64_MAX;
	return true;
}

int proc_limits_parse(const char *text, size_t len, struct proc_limits *ret)
{
	struct scan s = scan_over(text, len), line;
	struct proc_limits limits;
	unsigned seen = 0;

	while (scan_line(&s, &line)) {
		for (unsigned i = 0; i < PROC_LIMITS; i++) {
			struct proc_limit *l = &limits.limit[i];
			struct scan t = line;

			if (!scan_text(&t, names[i]))
				continue;
			if (!scan_limit(&t, &l->soft) || !scan_limit(&t, &l->hard))
				return -EINVAL;
			seen |= 1u << i;
			break;
		}
	}
	if (seen != (1u << PROC_LIMITS) - 1)
		return -EINVAL;
	*ret = limits;
	return 0;
}

int proc_limits_read(const struct proc_pid *p, struct proc_limits *ret)
{
	char buf[4096];
	ssize_t n = proc_file_read(p, "limits", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_limits_parse(buf, (size_t)n, ret);
}
