/* File locks. See locks.h. */
#include "kernel/proc/locks.h"

#include <fcntl.h>

#include "base/fd.h"
#include "kernel/sys.h"

struct word_value {
	const char *word;
	int value;
};

/* Takes one of the words; its value, or -EINVAL. */
static int scan_one_of(struct scan *s, const struct word_value *words, size_t n)
{
	struct span word;

	scan_blanks(s);
	if (!scan_word(s, &word))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (span_is(word, words[i].word))
			return words[i].value;
	return -EINVAL;
}

static const struct word_value kinds[] = {
	{ "POSIX", PROC_LOCK_POSIX }, { "OFDLCK", PROC_LOCK_OFD },  { "FLOCK", PROC_LOCK_FLOCK },
	{ "LEASE", PROC_LOCK_LEASE }, { "DELEG", PROC_LOCK_DELEG }, { "ACCESS", PROC_LOCK_ACCESS },
};

/* Second column: for locks whether they bind, for leases how they stand. */
enum {
	BINDS_ADVISORY,
	BINDS_MANDATORY,
	LEASE_ACTIVE,
	LEASE_BREAKING,
	LEASE_BREAKER,
	BINDS_UNKNOWN
};
static const struct word_value manners[] = {
	{ "ADVISORY", BINDS_ADVISORY },   { "MSNFS", BINDS_MANDATORY },
	{ "MANDATORY", BINDS_MANDATORY }, { "ACTIVE", LEASE_ACTIVE },
	{ "BREAKING", LEASE_BREAKING },   { "BREAKER", LEASE_BREAKER },
	{ "*NOINODE*", BINDS_UNKNOWN },
};

static const struct word_value types[] = {
	{ "READ", PROC_LOCK_READ }, { "WRITE", PROC_LOCK_WRITE }, { "UNLCK", PROC_LOCK_UNLOCK },
	{ "RW", PROC_LOCK_RW },     { "NONE", PROC_LOCK_NONE },
};

static bool scan_range(struct scan *s, struct proc_lock *l)
{
	int64_t v;

	/* Positions are signed in the kernel; a lock never begins or ends below 0. */
	if (!scan_char(s, ' ') || !scan_i64(s, &v) || v < 0 || !scan_char(s, ' '))
		return false;
	l->start = (uint64_t)v;
	if (scan_text(s, "EOF")) {
		l->end = UINT64_MAX;
		return true;
	}
	if (!scan_i64(s, &v) || v < 0)
		return false;
	l->end = (uint64_t)v;
	return true;
}

int proc_lock_parse(const char *text, size_t len, struct proc_lock *ret)
{
	struct scan s = scan_over(text, len);
	struct proc_lock l = { 0 };
	int kind, manner, type;

	if (!scan_u64(&s, 10, &l.number) || !scan_char(&s, ':'))
		return -EINVAL;
	scan_blanks(&s);
	l.waits = scan_text(&s, "->");
	kind = scan_one_of(&s, kinds, ARRAY_SIZE(kinds));
	manner = kind < 0 ? kind : scan_one_of(&s, manners, ARRAY_SIZE(manners));
	type = manner < 0 ? manner : scan_one_of(&s, types, ARRAY_SIZE(types));
	if (type < 0)
		return type;
	l.kind = (enum proc_lock_kind)kind;
	l.type = (enum proc_lock_type)type;
	l.mandatory = manner == BINDS_MANDATORY;
	l.lease = manner == LEASE_BREAKING  ? PROC_LEASE_BREAKING
		  : manner == LEASE_BREAKER ? PROC_LEASE_BREAKER
					    : PROC_LEASE_ACTIVE;
	scan_blanks(&s);
	if (!scan_int(&s, &l.pid) || !scan_char(&s, ' '))
		return -EINVAL;
	if (!scan_text(&s, "<none>:0") &&
	    (!scan_u32(&s, 16, &l.major) || !scan_char(&s, ':') || !scan_u32(&s, 16, &l.minor) ||
	     !scan_char(&s, ':') || !scan_u64(&s, 10, &l.ino)))
		return -EINVAL;
	if (!scan_range(&s, &l))
		return -EINVAL;
	scan_blanks(&s);
	if (!scan_at_end(&s))
		return -EINVAL;
	*ret = l;
	return 0;
}

int proc_lock_next(struct scan *s, struct proc_lock *ret)
{
	struct scan line;
	int r;

	if (!scan_line(s, &line))
		return 0;
	r = proc_lock_parse(line.at, scan_left(&line), ret);
	return r < 0 ? r : 1;
}

int proc_locks_read(struct proc_text *text)
{
	scoped(fd_close) int fd = sys_openat(AT_FDCWD, "/proc/locks", O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : proc_text_read_fd(fd, text);
}
