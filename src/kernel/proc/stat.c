/* /proc/PID/stat. See stat.h. */
#include "kernel/proc/stat.h"

#include <string.h>

/* Field numbers of proc(5). The name is 2; those from 3 on follow its closing parenthesis. */
enum {
	STAT_PPID = 4,
	STAT_PGRP = 5,
	STAT_SESSION = 6,
	STAT_TTY_NR = 7,
	STAT_TPGID = 8,
	STAT_FLAGS = 9,
	STAT_PRIORITY = 18,
	STAT_NICE = 19,
	STAT_THREADS = 20,
	STAT_START_TIME = 22,
	STAT_VSIZE = 23,
	STAT_RSS = 24,
	STAT_START_CODE = 26,
	STAT_END_CODE = 27,
	STAT_START_STACK = 28,
	STAT_EXIT_SIGNAL = 38,
	STAT_PROCESSOR = 39,
	STAT_RT_PRIORITY = 40,
	STAT_POLICY = 41,
	STAT_START_DATA = 45,
	STAT_END_DATA = 46,
	STAT_START_BRK = 47,
	STAT_ARG_START = 48,
	STAT_ARG_END = 49,
	STAT_ENV_START = 50,
	STAT_ENV_END = 51,
	STAT_EXIT_CODE = 52,
	STAT_FIELDS,
};

/* Every field is a number of up to 64 bits, signed or not: kept as its bits. */
static bool scan_field(struct scan *s, uint64_t *ret)
{
	int64_t v;

	if (s->at < s->end && *s->at == '-') {
		if (!scan_i64(s, &v))
			return false;
		*ret = (uint64_t)v;
		return true;
	}
	return scan_u64(s, 10, ret);
}

static void stat_take_fields(const uint64_t *f, struct proc_stat *ret)
{
	ret->ppid = (pid_t)f[STAT_PPID];
	ret->pgrp = (pid_t)f[STAT_PGRP];
	ret->session = (pid_t)f[STAT_SESSION];
	ret->tty_nr = (int)f[STAT_TTY_NR];
	ret->tty_pgrp = (pid_t)f[STAT_TPGID];
	ret->flags = (uint32_t)f[STAT_FLAGS];
	ret->priority = (int64_t)f[STAT_PRIORITY];
	ret->nice = (int64_t)f[STAT_NICE];
	ret->threads = (int)f[STAT_THREADS];
	ret->start_time = f[STAT_START_TIME];
	ret->vsize = f[STAT_VSIZE];
	ret->rss = f[STAT_RSS];
	ret->exit_signal = (int)f[STAT_EXIT_SIGNAL];
	ret->processor = (int)f[STAT_PROCESSOR];
	ret->rt_priority = (uint32_t)f[STAT_RT_PRIORITY];
	ret->policy = (uint32_t)f[STAT_POLICY];
	ret->start_code = f[STAT_START_CODE];
	ret->end_code = f[STAT_END_CODE];
	ret->start_stack = f[STAT_START_STACK];
	ret->start_data = f[STAT_START_DATA];
	ret->end_data = f[STAT_END_DATA];
	ret->start_brk = f[STAT_START_BRK];
	ret->arg_start = f[STAT_ARG_START];
	ret->arg_end = f[STAT_ARG_END];
	ret->env_start = f[STAT_ENV_START];
	ret->env_end = f[STAT_ENV_END];
	ret->exit_code = (int)f[STAT_EXIT_CODE];
}

int proc_stat_parse(const char *text, size_t len, struct proc_stat *ret)
{
	const char *name_end = len ? memrchr(text, ')', len) : NULL;
	struct proc_stat st = { 0 };
	uint64_t f[STAT_FIELDS] = { 0 };
	struct scan s = scan_over(text, len);
	struct span name;

	/* The name may hold anything, ") " and newlines too: it ends at the last parenthesis. */
	if (!name_end || !scan_int(&s, &st.pid) || !scan_text(&s, " (") || s.at > name_end)
		return -EINVAL;
	name = (struct span){ .p = s.at, .len = (size_t)(name_end - s.at) };
	if (span_copy(name, st.comm, sizeof(st.comm)) < 0)
		return -EINVAL;
	s.at = name_end + 1;

	if (!scan_char(&s, ' ') || scan_at_end(&s))
		return -EINVAL;
	st.state = *s.at++;
	for (int i = STAT_PPID; i < STAT_FIELDS; i++)
		if (!scan_char(&s, ' ') || !scan_field(&s, &f[i]))
			return -EINVAL;
	stat_take_fields(f, &st);
	*ret = st;
	return 0;
}

int proc_stat_read(const struct proc_pid *p, struct proc_stat *ret)
{
	char buf[2048];
	ssize_t n = proc_file_read(p, "stat", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_stat_parse(buf, (size_t)n, ret);
}
