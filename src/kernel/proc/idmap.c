/* /proc/PID/uid_map and gid_map. See idmap.h. */
#include "kernel/proc/idmap.h"

int proc_idmap_parse(const char *text, size_t len, struct proc_idmap *ret)
{
	struct scan s = scan_over(text, len), line;

	ret->n = 0;
	while (scan_line(&s, &line)) {
		struct proc_id_range r;

		scan_blanks(&line);
		if (!scan_u32(&line, 10, &r.inside))
			return -EINVAL;
		scan_blanks(&line);
		if (!scan_u32(&line, 10, &r.outside))
			return -EINVAL;
		scan_blanks(&line);
		if (!scan_u32(&line, 10, &r.count) || r.count == 0)
			return -EINVAL;
		scan_blanks(&line);
		if (!scan_at_end(&line) || ret->n == PROC_IDMAP_MAX)
			return -EINVAL;
		ret->range[ret->n++] = r;
	}
	return 0;
}

int proc_idmap_read(const struct proc_pid *p, enum proc_idmap_of what, struct proc_idmap *ret)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	int r = proc_text_read(p, what == PROC_UIDS ? "uid_map" : "gid_map", &text);

	return r < 0 ? r : proc_idmap_parse(text.at, text.n, ret);
}

bool proc_idmap_out(const struct proc_idmap *m, uint32_t inside, uint32_t *ret)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct proc_id_range *r = &m->range[i];

		if (inside >= r->inside && inside - r->inside < r->count) {
			*ret = r->outside + (inside - r->inside);
			return true;
		}
	}
	return false;
}

bool proc_idmap_in(const struct proc_idmap *m, uint32_t outside, uint32_t *ret)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct proc_id_range *r = &m->range[i];

		if (outside >= r->outside && outside - r->outside < r->count) {
			*ret = r->inside + (outside - r->outside);
			return true;
		}
	}
	return false;
}
