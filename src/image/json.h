#pragma once
/*
 * Writing JSON as it comes, byte for byte like Python's json.dump(): either on one line or indented
 * by four. Unlike a library with a tree of values it knows 64-bit unsigned numbers and needs no
 * memory for a large image. Errors are those of the stream: see ferror(3) at the end.
 */
#include <stdio.h>

#include "base/base.h"

struct json_out {
	FILE *f;
	bool pretty;
	unsigned depth;
	bool has_items; /* the innermost container does */
	bool after_key;
};

/* { or [, and its end. */
void json_open(struct json_out *j, char bracket);
void json_close(struct json_out *j, char bracket);
void json_key(struct json_out *j, const char *key);

void json_u64(struct json_out *j, uint64_t v);
void json_i64(struct json_out *j, int64_t v);
void json_bool(struct json_out *j, bool v);
/* UTF-8; bytes that are not become U+DC80..U+DCFF, from which Python makes the same bytes again. */
void json_string(struct json_out *j, const char *s, size_t len);
/* printf into a string; the text must be ASCII. */
void json_stringf(struct json_out *j, const char *fmt, ...) attr_printf(2, 3);
/* Quoted-printable, as Python's quopri does it. */
void json_quoted(struct json_out *j, const uint8_t *bytes, size_t len);

/* Base64 in lines of 76, as Python's base64.encodebytes(). In pieces: all but the last one must be
 * a multiple of JSON_BASE64_LINE. */
#define JSON_BASE64_LINE 57
void json_base64_begin(struct json_out *j);
void json_base64_piece(struct json_out *j, const uint8_t *bytes, size_t len);
void json_base64_end(struct json_out *j);
void json_base64(struct json_out *j, const uint8_t *bytes, size_t len);
