#pragma once
/*
 * Reading kernel text: a cursor over bytes that need no NUL and may hold anything. Each scan_*()
 * gives true and moves behind what it took, or gives false and stays where it was.
 */
#include <string.h>

#include "base/base.h"

struct scan {
	const char *at, *end;
};

/* A piece of somebody else's text. */
struct span {
	const char *p;
	size_t len;
};

static inline struct scan scan_over(const char *text, size_t len)
{
	return (struct scan){ .at = text, .end = text + len };
}

static inline size_t scan_left(const struct scan *s)
{
	return (size_t)(s->end - s->at);
}

static inline bool scan_at_end(const struct scan *s)
{
	return s->at == s->end;
}

static inline bool scan_char(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static inline bool scan_text(struct scan *s, const char *text)
{
	size_t len = strlen(text);

	if (scan_left(s) < len || memcmp(s->at, text, len) != 0)
		return false;
	s->at += len;
	return true;
}

/* Passes blanks and tabs, if any. */
static inline void scan_blanks(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		s->at++;
}

/* A number without sign in base 8, 10 or 16 (lower or upper case, no 0x): false on overflow. */
bool scan_u64(struct scan *s, unsigned base, uint64_t *ret);
/* The same, with an optional minus. Decimal. */
bool scan_i64(struct scan *s, int64_t *ret);
/* The same, false when the value does not fit. */
bool scan_u32(struct scan *s, unsigned base, uint32_t *ret);
bool scan_int(struct scan *s, int *ret);

/* The rest of the line without its newline (the last line needs none); false only at the end. */
bool scan_line(struct scan *s, struct scan *ret_line);
/* Bytes up to a blank, tab, newline or the end: at least one. */
bool scan_word(struct scan *s, struct span *ret);
/* Bytes up to `stop`, maybe none; moves behind it. False when it does not come. */
bool scan_until(struct scan *s, char stop, struct span *ret);

static inline bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static inline bool span_begins(struct span s, const char *text)
{
	size_t len = strlen(text);

	return s.len >= len && memcmp(s.p, text, len) == 0;
}

static inline bool span_ends(struct span s, const char *text)
{
	size_t len = strlen(text);

	return s.len >= len && memcmp(s.p + s.len - len, text, len) == 0;
}

/* Copies into a buffer and terminates it; -ENAMETOOLONG when it does not fit, -EINVAL on a NUL. */
int span_copy(struct span s, char *buf, size_t room) nodiscard;

/*
 * Copies like span_copy() and turns the \ooo that the kernel writes for awkward bytes back into the
 * byte. Gives the length. Text where the kernel does not escape the backslash itself (maps) cannot
 * be undone reliably.
 */
int span_unescape(struct span s, char *buf, size_t room) nodiscard;
