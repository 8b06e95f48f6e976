/* /proc/PID/syscall. See syscall.h. */
#include "kernel/proc/syscall.h"

static bool scan_hex(struct scan *s, uint64_t *ret)
{
	return scan_text(s, " 0x") && scan_u64(s, 16, ret);
}

int proc_syscall_parse(const char *text, size_t len, struct proc_syscall *ret)
{
	struct scan s = scan_over(text, len), line;
	struct proc_syscall sc = { .nr = -1 };

	if (!scan_line(&s, &line))
		return -EINVAL;
	if (scan_text(&line, "running")) {
		sc.running = true;
		*ret = sc;
		return 0;
	}
	if (!scan_i64(&line, &sc.nr))
		return -EINVAL;
	for (int i = 0; sc.nr >= 0 && i < 6; i++)
		if (!scan_hex(&line, &sc.args[i]))
			return -EINVAL;
	if (!scan_hex(&line, &sc.sp) || !scan_hex(&line, &sc.ip) || !scan_at_end(&line))
		return -EINVAL;
	*ret = sc;
	return 0;
}

int proc_syscall_read(const struct proc_pid *p, struct proc_syscall *ret)
{
	char buf[256];
	ssize_t n = proc_file_read(p, "syscall", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_syscall_parse(buf, (size_t)n, ret);
}
