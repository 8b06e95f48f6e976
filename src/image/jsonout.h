#pragma once
/*
 * Writing JSON as it comes, byte for byte like Python's json.dump(): either on one line or indented
 * by four. Unlike a library with a tree of values it knows 64-bit unsigned numbers and needs no
 * memory for a large image. (Its names begin with jsonout because those of jansson begin with
 * json.) Errors are those of the stream: see ferror(3) at the end.
 */
#include <stdio.h>

#include "base/base.h"

struct jsonout {
	FILE *f;
	bool pretty;
	unsigned depth;
	bool has_items; /* the innermost container does */
	bool after_key;
};

/* { or [, and its end. */
void jsonout_open(struct jsonout *j, char bracket);
void jsonout_close(struct jsonout *j, char bracket);
void jsonout_key(struct jsonout *j, const char *key);

void jsonout_u64(struct jsonout *j, uint64_t v);
void jsonout_i64(struct jsonout *j, int64_t v);
void jsonout_bool(struct jsonout *j, bool v);
/* UTF-8; bytes that are not become U+DC80..U+DCFF, from which Python makes the same bytes again. */
void jsonout_string(struct jsonout *j, const char *s, size_t len);
/* printf into a string; the text must be ASCII. */
void jsonout_stringf(struct jsonout *j, const char *fmt, ...) attr_printf(2, 3);
/* Quoted-printable, as Python's quopri does it. */
void jsonout_quoted(struct jsonout *j, const uint8_t *bytes, size_t len);

/* Base64 in lines of 76, as Python's base64.encodebytes(). In pieces: all but the last one must be
 * a multiple of JSONOUT_BASE64_LINE. */
#define JSONOUT_BASE64_LINE 57
void jsonout_base64_begin(struct jsonout *j);
void jsonout_base64_piece(struct jsonout *j, const uint8_t *bytes, size_t len);
void jsonout_base64_end(struct jsonout *j);
void jsonout_base64(struct jsonout *j, const uint8_t *bytes, size_t len);
