/* Strings. See str.h. */
#include "base/str.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int str_reserve(struct str *s, size_t more)
{
	size_t need = s->len + more + 1;

	if (s->failed)
		return -ENOMEM;
	if (need <= s->room)
		return 0;

	size_t room = MAX(need, s->room * 2);
	char *p = mem_resize(s->p, MAX(room, (size_t)64), 1);

	if (!p) {
		s->failed = true;
		return -ENOMEM;
	}
	s->p = p;
	s->room = MAX(room, (size_t)64);
	return 0;
}

int str_vaddf(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	int n, r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return -EINVAL;
	r = str_reserve(s, (size_t)n);
	if (r < 0)
		return r;
	(void)vsnprintf(s->p + s->len, (size_t)n + 1, fmt, ap); /* measured above */
	s->len += (size_t)n;
	return 0;
}

int str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = str_vaddf(s, fmt, ap);
	va_end(ap);
	return r;
}

int str_add(struct str *s, const char *bytes, size_t len)
{
	int r = str_reserve(s, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(s->p + s->len, bytes, len);
	s->len += len;
	s->p[s->len] = '\0';
	return 0;
}

void str_cut(struct str *s, size_t len)
{
	assert(len <= s->len);
	s->len = len;
	if (s->p)
		s->p[len] = '\0';
}

const char *str_get(const struct str *s)
{
	return s->p ? s->p : "";
}

char *str_take(struct str *s)
{
	char *p;

	if (s->failed || str_reserve(s, 0) < 0)
		return NULL;
	s->p[s->len] = '\0';
	p = s->p;
	*s = (struct str){ 0 };
	return p;
}

void str_done(struct str *s)
{
	mem_free(s->p);
	*s = (struct str){ 0 };
}

char *str_format(const char *fmt, ...)
{
	scoped(str_done) struct str s = { 0 };
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = str_vaddf(&s, fmt, ap);
	va_end(ap);
	return r < 0 ? NULL : str_take(&s);
}

bool str_has_prefix(const char *s, const char *prefix, const char **ret_rest)
{
	size_t n = strlen(prefix);

	if (strncmp(s, prefix, n) != 0)
		return false;
	if (ret_rest)
		*ret_rest = s + n;
	return true;
}

int str_to_u64(const char *s, int base, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	if (!isxdigit((unsigned char)*s)) /* strtoull would take blanks and signs */
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, base);
	if (errno)
		return -errno;
	if (end == s || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int str_to_i64(const char *s, int base, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v;
	int r = str_to_u64(s + (negative ? 1 : 0), base, &v);

	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int str_to_u32(const char *s, int base, uint32_t *ret)
{
	uint64_t v;
	int r = str_to_u64(s, base, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int str_to_int(const char *s, int base, int *ret)
{
	int64_t v;
	int r = str_to_i64(s, base, &v);

	if (r < 0)
		return r;
	if (v > INT_MAX || v < INT_MIN)
		return -ERANGE;
	*ret = (int)v;
	return 0;
}

int str_to_size(const char *s, uint64_t *ret)
{
	static const char units[] = "KMGT";
	size_t len = strlen(s);
	unsigned shift = 0;
	char digits[24];
	uint64_t v;
	int r;

	if (len > 1) {
		const char *unit = strchr(units, toupper((unsigned char)s[len - 1]));

		if (unit) {
			shift = 10 * (unsigned)(unit - units + 1);
			len--;
		}
	}
	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, s, len);
	digits[len] = '\0';
	r = str_to_u64(digits, 10, &v);
	if (r < 0)
		return r;
	if (shift && v > (UINT64_MAX >> shift))
		return -ERANGE;
	*ret = v << shift;
	return 0;
}
