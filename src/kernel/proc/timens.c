/* /proc/PID/timens_offsets. See timens.h. */
#include "kernel/proc/timens.h"

static void take_clock(struct span clock, struct timespec offset, struct proc_timens *ret)
{
	/* Names since 5.7, numbers before. */
	if (span_is(clock, "monotonic") || span_is(clock, "1"))
		ret->monotonic = offset;
	else if (span_is(clock, "boottime") || span_is(clock, "7"))
		ret->boottime = offset;
}

int proc_timens_parse(const char *text, size_t len, struct proc_timens *ret)
{
	struct scan s = scan_over(text, len), line;
	struct proc_timens offsets = { 0 };

	while (scan_line(&s, &line)) {
		struct span clock;
		int64_t sec, nsec;

		if (!scan_word(&line, &clock))
			return -EINVAL;
		scan_blanks(&line);
		if (!scan_i64(&line, &sec))
			return -EINVAL;
		scan_blanks(&line);
		if (!scan_i64(&line, &nsec) || nsec < 0 || nsec >= 1000000000)
			return -EINVAL;
		take_clock(clock, (struct timespec){ sec, nsec }, &offsets);
	}
	*ret = offsets;
	return 0;
}

int proc_timens_read(const struct proc_pid *p, struct proc_timens *ret)
{
	char buf[256];
	ssize_t n = proc_file_read(p, "timens_offsets", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_timens_parse(buf, (size_t)n, ret);
}
