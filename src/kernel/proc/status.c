/* /proc/PID/status. See status.h. */
#include "kernel/proc/status.h"

#include <string.h>

#include "base/mem.h"

enum value_kind {
	VALUE_U32,   /* decimal */
	VALUE_OCTAL, /* u32 */
	VALUE_INT,
	VALUE_BOOL,
	VALUE_MASK, /* 64 bits, hexadecimal */
	VALUE_KB,   /* "12 kB", kept as bytes */
	VALUE_IDS4,
	VALUE_NS_IDS,
	VALUE_STATE,
	VALUE_NAME,
	VALUE_GROUPS,
};

struct row {
	const char *key;
	enum value_kind kind;
	size_t offset;
	bool needed; /* in every kernel since 4.4 */
};

#define ROW(key, kind, field, needed)                                                              \
	{                                                                                          \
		key, kind, offsetof(struct proc_status, field), needed                             \
	}

/* In the kernel's order, so that the search for the next line's row is one step. */
static const struct row rows[] = {
	ROW("Name", VALUE_NAME, name, true),
	ROW("Umask", VALUE_OCTAL, umask, false),
	ROW("State", VALUE_STATE, state, true),
	ROW("Tgid", VALUE_INT, tgid, true),
	ROW("Pid", VALUE_INT, pid, true),
	ROW("PPid", VALUE_INT, ppid, true),
	ROW("TracerPid", VALUE_INT, tracer, true),
	ROW("Uid", VALUE_IDS4, uid, true),
	ROW("Gid", VALUE_IDS4, gid, true),
	ROW("Groups", VALUE_GROUPS, groups, true),
	ROW("NStgid", VALUE_NS_IDS, ns_tgid, false),
	ROW("NSpid", VALUE_NS_IDS, ns_pid, false),
	ROW("NSpgid", VALUE_NS_IDS, ns_pgid, false),
	ROW("NSsid", VALUE_NS_IDS, ns_sid, false),
	ROW("Kthread", VALUE_BOOL, kthread, false),
	ROW("VmLck", VALUE_KB, vm_locked, false),
	ROW("RssShmem", VALUE_KB, rss_shmem, false),
	ROW("CoreDumping", VALUE_BOOL, core_dumping, false),
	ROW("THP_enabled", VALUE_BOOL, thp_enabled, false),
	ROW("Threads", VALUE_U32, threads, false),
	ROW("SigPnd", VALUE_MASK, sig_pending, true),
	ROW("ShdPnd", VALUE_MASK, sig_shared_pending, true),
	ROW("SigBlk", VALUE_MASK, sig_blocked, true),
	ROW("SigIgn", VALUE_MASK, sig_ignored, true),
	ROW("SigCgt", VALUE_MASK, sig_caught, true),
	ROW("CapInh", VALUE_MASK, caps.inheritable, true),
	ROW("CapPrm", VALUE_MASK, caps.permitted, true),
	ROW("CapEff", VALUE_MASK, caps.effective, true),
	ROW("CapBnd", VALUE_MASK, caps.bounding, true),
	ROW("CapAmb", VALUE_MASK, caps.ambient, true),
	ROW("NoNewPrivs", VALUE_BOOL, no_new_privs, false),
	ROW("Seccomp", VALUE_U32, seccomp, false),
	ROW("Seccomp_filters", VALUE_U32, seccomp_filters, false),
};

static int parse_groups(struct scan *s, struct proc_status *st)
{
	struct {
		VEC(uint32_t);
	} groups = { 0 };
	uint32_t gid;
	int r = 0;

	if (st->groups)
		return -EINVAL;
	for (;;) {
		scan_blanks(s);
		if (scan_at_end(s))
			break;
		r = scan_u32(s, 10, &gid) ? vec_push(&groups, gid) : -EINVAL;
		if (r < 0) {
			vec_done(&groups);
			return r;
		}
	}
	st->groups = groups.at;
	st->n_groups = groups.n;
	return 0;
}

static int parse_ns_ids(struct scan *s, struct proc_ns_ids *ret)
{
	ret->n = 0;
	for (;;) {
		scan_blanks(s);
		if (scan_at_end(s))
			return ret->n > 0 ? 0 : -EINVAL;
		if (ret->n == PROC_PID_LEVELS || !scan_int(s, &ret->id[ret->n]))
			return -EINVAL;
		ret->n++;
	}
}

static bool scan_end_of_value(struct scan *s)
{
	scan_blanks(s);
	return scan_at_end(s);
}

static int parse_ids4(struct scan *s, uint32_t *ret)
{
	for (int i = 0; i < 4; i++) {
		scan_blanks(s);
		if (!scan_u32(s, 10, &ret[i]))
			return -EINVAL;
	}
	return scan_end_of_value(s) ? 0 : -EINVAL;
}

static int parse_number(struct scan *s, unsigned base, uint64_t max, uint64_t *ret)
{
	return scan_u64(s, base, ret) && *ret <= max && scan_end_of_value(s) ? 0 : -EINVAL;
}

static int parse_kb(struct scan *s, uint64_t *ret)
{
	if (!scan_u64(s, 10, ret) || *ret > UINT64_MAX >> 10 || !scan_text(s, " kB"))
		return -EINVAL;
	*ret <<= 10;
	return scan_end_of_value(s) ? 0 : -EINVAL;
}

static int parse_value(struct scan *s, const struct row *row, struct proc_status *st)
{
	void *field = (char *)st + row->offset;
	struct span name = { .p = s->at, .len = scan_left(s) };
	uint64_t v = 0;
	int r;

	switch (row->kind) {
	case VALUE_NAME:
		return span_copy(name, field, sizeof(st->name)) < 0 ? -EINVAL : 0;
	case VALUE_STATE:
		if (scan_at_end(s))
			return -EINVAL;
		*(char *)field = *s->at;
		return 0;
	case VALUE_GROUPS:
		return parse_groups(s, st);
	case VALUE_IDS4:
		return parse_ids4(s, field);
	case VALUE_NS_IDS:
		return parse_ns_ids(s, field);
	case VALUE_INT:
		return scan_int(s, field) && scan_end_of_value(s) ? 0 : -EINVAL;
	case VALUE_U32:
	case VALUE_OCTAL:
		r = parse_number(s, row->kind == VALUE_OCTAL ? 8 : 10, UINT32_MAX, &v);
		*(uint32_t *)field = (uint32_t)v;
		return r;
	case VALUE_BOOL:
		r = parse_number(s, 10, 1, &v);
		*(bool *)field = v != 0;
		return r;
	case VALUE_MASK:
		return parse_number(s, 16, UINT64_MAX, field);
	case VALUE_KB:
		return parse_kb(s, field);
	}
	return -EINVAL;
}

/* The row of a key, searched from *at on and around; NULL for lines that we do not keep. */
static const struct row *row_find(struct span key, size_t *at)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t k = (*at + i) % ARRAY_SIZE(rows);

		if (span_is(key, rows[k].key)) {
			*at = k + 1;
			return &rows[k];
		}
	}
	return NULL;
}

static int status_parse(const char *text, size_t len, struct proc_status *st)
{
	struct scan s = scan_over(text, len), line;
	uint64_t seen = 0;
	size_t at = 0;

	static_assert(ARRAY_SIZE(rows) <= 64, "a bit per row");
	while (scan_line(&s, &line)) {
		const struct row *row;
		struct span key;
		int r;

		if (!scan_until(&line, ':', &key))
			continue;
		row = row_find(key, &at);
		if (!row)
			continue;
		(void)scan_char(&line, '\t'); /* what stands before every value */
		if (row->kind != VALUE_NAME)
			scan_blanks(&line);
		r = parse_value(&line, row, st);
		if (r < 0)
			return r;
		seen |= UINT64_C(1) << (row - rows);
		st->has_umask |= row->offset == offsetof(struct proc_status, umask);
		st->has_seccomp_filters |=
			row->offset == offsetof(struct proc_status, seccomp_filters);
		st->has_thp_enabled |= row->offset == offsetof(struct proc_status, thp_enabled);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].needed && !(seen & (UINT64_C(1) << i)))
			return -EINVAL;
	return 0;
}

int proc_status_parse(const char *text, size_t len, struct proc_status *ret)
{
	struct proc_status st = { .umask = UINT32_MAX, .thp_enabled = true };
	int r = status_parse(text, len, &st);

	if (r < 0) {
		proc_status_done(&st);
		return r;
	}
	*ret = st;
	return 0;
}

int proc_status_read(const struct proc_pid *p, struct proc_status *ret)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	char buf[8192];
	ssize_t n = proc_file_read(p, "status", buf, sizeof(buf));
	int r;

	if (n >= 0)
		return proc_status_parse(buf, (size_t)n, ret);
	if (n != -EFBIG)
		return (int)n;
	r = proc_text_read(p, "status", &text); /* tens of thousands of groups */
	return r < 0 ? r : proc_status_parse(text.at, text.n, ret);
}

void proc_status_done(struct proc_status *st)
{
	mem_free(st->groups);
	*st = (struct proc_status){ 0 };
}
