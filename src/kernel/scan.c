/* Reading kernel text. See scan.h. */
#include "kernel/scan.h"

#include <limits.h>

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return UINT_MAX;
}

bool scan_u64(struct scan *s, unsigned base, uint64_t *ret)
{
	const char *p = s->at;
	uint64_t v = 0;

	for (; p < s->end; p++) {
		unsigned d = digit_of(*p);

		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}
	if (p == s->at)
		return false;
	s->at = p;
	*ret = v;
	return true;
}

bool scan_i64(struct scan *s, int64_t *ret)
{
	struct scan t = *s;
	bool negative = scan_char(&t, '-');
	uint64_t v;

	if (!scan_u64(&t, 10, &v) || v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return false;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	*s = t;
	return true;
}

bool scan_u32(struct scan *s, unsigned base, uint32_t *ret)
{
	struct scan t = *s;
	uint64_t v;

	if (!scan_u64(&t, base, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	*s = t;
	return true;
}

bool scan_int(struct scan *s, int *ret)
{
	struct scan t = *s;
	int64_t v;

	if (!scan_i64(&t, &v) || v < INT_MIN || v > INT_MAX)
		return false;
	*ret = (int)v;
	*s = t;
	return true;
}

bool scan_line(struct scan *s, struct scan *ret_line)
{
	const char *newline;

	if (scan_at_end(s))
		return false;
	newline = memchr(s->at, '\n', scan_left(s));
	ret_line->at = s->at;
	ret_line->end = newline ? newline : s->end;
	s->at = newline ? newline + 1 : s->end;
	return true;
}

bool scan_word(struct scan *s, struct span *ret)
{
	const char *p = s->at;

	while (p < s->end && *p != ' ' && *p != '\t' && *p != '\n')
		p++;
	if (p == s->at)
		return false;
	*ret = (struct span){ .p = s->at, .len = (size_t)(p - s->at) };
	s->at = p;
	return true;
}

bool scan_until(struct scan *s, char stop, struct span *ret)
{
	const char *p = scan_at_end(s) ? NULL : memchr(s->at, stop, scan_left(s));

	if (!p)
		return false;
	*ret = (struct span){ .p = s->at, .len = (size_t)(p - s->at) };
	s->at = p + 1;
	return true;
}

int span_copy(struct span s, char *buf, size_t room)
{
	if (s.len >= room)
		return -ENAMETOOLONG;
	if (s.len && memchr(s.p, '\0', s.len))
		return -EINVAL;
	if (s.len)
		memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	return 0;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

int span_unescape(struct span s, char *buf, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '\\' && s.len - i > 3 && s.p[i + 1] <= '3' && is_octal(s.p[i + 1]) &&
		    is_octal(s.p[i + 2]) && is_octal(s.p[i + 3])) {
			c = (char)((s.p[i + 1] - '0') << 6 | (s.p[i + 2] - '0') << 3 |
				   (s.p[i + 3] - '0'));
			i += 3;
		}
		if (c == '\0')
			return -EINVAL;
		if (n + 1 >= room)
			return -ENAMETOOLONG;
		buf[n++] = c;
	}
	if (room == 0)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return (int)n;
}
