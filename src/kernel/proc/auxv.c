/* /proc/PID/auxv. See auxv.h. */
#include "kernel/proc/auxv.h"

int proc_auxv_parse(const void *bytes, size_t len, struct proc_auxv *ret)
{
	struct proc_auxv a = { 0 };

	while (a.n < PROC_AUXV_MAX && len - a.n * 8 >= 16) {
		uint64_t *pair = &a.word[a.n];

		memcpy(pair, (const char *)bytes + a.n * 8, 16);
		a.n += 2;
		if (pair[0] == 0) {
			*ret = a;
			return 0;
		}
	}
	return -EINVAL;
}

int proc_auxv_read(const struct proc_pid *p, struct proc_auxv *ret)
{
	char buf[PROC_AUXV_MAX * 8 + 1];
	ssize_t n = proc_file_read(p, "auxv", buf, sizeof(buf));

	if (n <= 0)
		return n == 0 ? -ENODATA : (int)n;
	return proc_auxv_parse(buf, (size_t)n, ret);
}

bool proc_auxv_find(const struct proc_auxv *a, uint64_t type, uint64_t *ret)
{
	for (size_t i = 0; i + 1 < a->n; i += 2) {
		if (a->word[i] == type) {
			*ret = a->word[i + 1];
			return true;
		}
	}
	return false;
}
