#pragma once
/* Strings: a growing buffer, and parsing of numbers that says what is wrong instead of guessing. */
#include <stdarg.h>

#include "base/mem.h"

/* A growing, always NUL-terminated string. Zero-initialised is empty and valid. */
struct str {
	char *p; /* NULL only while empty: read it through str_get() */
	size_t len;
	size_t room;
	bool failed; /* out of memory; later appends do nothing */
};

/* Appends formatted text; -ENOMEM also sets `failed`. */
int str_addf(struct str *s, const char *fmt, ...) attr_printf(2, 3);
int str_vaddf(struct str *s, const char *fmt, va_list ap) attr_printf(2, 0);
int str_add(struct str *s, const char *bytes, size_t len);
/* Cuts to len (not longer than now). */
void str_cut(struct str *s, size_t len);
/* The text, never NULL; valid until the next change. */
const char *str_get(const struct str *s);
/* Moves the text out (caller frees); NULL when out of memory. */
char *str_take(struct str *s) nodiscard;
void str_done(struct str *s);
SCOPED_OBJECT(struct str, str_done);

/* A formatted heap string, owned by the caller; NULL when out of memory. */
char *str_format(const char *fmt, ...) attr_printf(1, 2) nodiscard;

/* Whether s begins with prefix; *ret_rest (may be NULL) then points behind it. */
bool str_has_prefix(const char *s, const char *prefix, const char **ret_rest);

/* The whole of s as a number in base 10 (or 16 / 8 as given); -EINVAL on anything else, -ERANGE
 * beyond. */
int str_to_u64(const char *s, int base, uint64_t *ret) nodiscard;
int str_to_i64(const char *s, int base, int64_t *ret) nodiscard;
int str_to_u32(const char *s, int base, uint32_t *ret) nodiscard;
int str_to_int(const char *s, int base, int *ret) nodiscard;
/* "10", "64K", "1M", "2G": bytes. */
int str_to_size(const char *s, uint64_t *ret) nodiscard;
