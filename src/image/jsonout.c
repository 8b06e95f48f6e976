/* A JSON writer. See jsonout.h. */
#include "image/jsonout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static void line(struct jsonout *j)
{
	if (!j->pretty)
		return;
	fputc('\n', j->f);
	for (unsigned i = 0; i < j->depth; i++)
		fputs("    ", j->f);
}

/* Before each key and each value that has none. */
static void item(struct jsonout *j)
{
	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (j->has_items)
		fputs(j->pretty ? "," : ", ", j->f);
	if (j->depth)
		line(j);
	j->has_items = true;
}

void jsonout_open(struct jsonout *j, char bracket)
{
	item(j);
	fputc(bracket, j->f);
	j->depth++;
	j->has_items = false;
}

void jsonout_close(struct jsonout *j, char bracket)
{
	j->depth--;
	if (j->has_items)
		line(j);
	fputc(bracket, j->f);
	j->has_items = true;
}

void jsonout_key(struct jsonout *j, const char *key)
{
	jsonout_string(j, key, strlen(key));
	fputs(": ", j->f);
	j->after_key = true;
}

void jsonout_u64(struct jsonout *j, uint64_t v)
{
	item(j);
	fprintf(j->f, "%" PRIu64, v);
}

void jsonout_i64(struct jsonout *j, int64_t v)
{
	item(j);
	fprintf(j->f, "%" PRId64, v);
}

void jsonout_bool(struct jsonout *j, bool v)
{
	item(j);
	fputs(v ? "true" : "false", j->f);
}

/* ---- strings ---- */

/* The length of the UTF-8 sequence at s, and its character; 0 when it is none. */
static size_t utf8_next(const uint8_t *s, size_t len, uint32_t *ret_c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80         ? 1
		   : s[0] >> 5 == 0x6  ? 2
		   : s[0] >> 4 == 0xe  ? 3
		   : s[0] >> 3 == 0x1e ? 4
				       : 0;
	uint32_t c;

	if (!n || n > len)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 0x2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	/* Not in their shortest form, halves of a pair, or beyond the last. */
	if (c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 0;
	*ret_c = c;
	return n;
}

static void escape(struct jsonout *j, uint32_t c)
{
	static const char shorts[] = "\"\"\\\\\nn\tt\rr\bb\ff";

	for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
		if (c == (uint32_t)shorts[i]) {
			fprintf(j->f, "\\%c", shorts[i + 1]);
			return;
		}
	}
	if (c >= ' ' && c <= '~')
		fputc((int)c, j->f);
	else if (c < 0x10000)
		fprintf(j->f, "\\u%04" PRIx32, c);
	else
		fprintf(j->f, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
}

void jsonout_string(struct jsonout *j, const char *s, size_t len)
{
	item(j);
	fputc('"', j->f);
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_next((const uint8_t *)s + i, len - i, &c);

		escape(j, n ? c : 0xdc00u + (uint8_t)s[i]);
		i += n ? n : 1;
	}
	fputc('"', j->f);
}

void jsonout_stringf(struct jsonout *j, const char *fmt, ...)
{
	va_list ap;

	item(j);
	fputc('"', j->f);
	va_start(ap, fmt);
	vfprintf(j->f, fmt, ap);
	va_end(ap);
	fputc('"', j->f);
}

/* Whether quoted-printable must write a byte as =XX, being the `at`th of the text. Python does not
 * quote a carriage return at the end of a line and so may lose it; the quoted form it reads as
 * well. */
static bool must_quote(const uint8_t *bytes, size_t len, size_t at, size_t column)
{
	uint8_t c = bytes[at], next = at + 1 < len ? bytes[at + 1] : '\n';

	if (c == ' ' || c == '\t')
		return next == '\n';
	if (c == '.')
		return column == 0 && (next == '\n' || next == '\r' || next == '\0');
	if (c == '\r')
		return at + 1 < len && next == '\n';
	return c == '=' || c > 126 || (c < 33 && c != '\n');
}

void jsonout_quoted(struct jsonout *j, const uint8_t *bytes, size_t len)
{
	size_t column = 0;

	item(j);
	fputc('"', j->f);
	for (size_t i = 0; i < len; i++) {
		bool quote = must_quote(bytes, len, i, column);
		bool last = i + 1 == len || bytes[i + 1] == '\n';

		if (bytes[i] == '\n') {
			escape(j, '\n');
			column = 0;
			continue;
		}
		/* A line has 76 characters at most, the last one for the sign that it goes on. */
		if (column + (quote ? 3 : 1) >= 76 && (quote || !last)) {
			fputs("=\\n", j->f);
			column = 0;
		}
		if (quote)
			fprintf(j->f, "=%02X", bytes[i]);
		else
			escape(j, bytes[i]);
		column += quote ? 3 : 1;
	}
	fputc('"', j->f);
}

/* ---- base64 ---- */

static void base64_line(FILE *f, const uint8_t *in, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	char out[80];
	size_t n = 0;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < len)
			v |= in[i + 2];
		out[n++] = digits[v >> 18];
		out[n++] = digits[v >> 12 & 63];
		out[n++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
		out[n++] = i + 2 < len ? digits[v & 63] : '=';
	}
	fwrite(out, 1, n, f);
	fputs("\\n", f);
}

void jsonout_base64_begin(struct jsonout *j)
{
	item(j);
	fputc('"', j->f);
}

void jsonout_base64_piece(struct jsonout *j, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += JSONOUT_BASE64_LINE)
		base64_line(j->f, bytes + i, MIN(len - i, (size_t)JSONOUT_BASE64_LINE));
}

void jsonout_base64_end(struct jsonout *j)
{
	fputc('"', j->f);
}

void jsonout_base64(struct jsonout *j, const uint8_t *bytes, size_t len)
{
	jsonout_base64_begin(j);
	jsonout_base64_piece(j, bytes, len);
	jsonout_base64_end(j);
}
