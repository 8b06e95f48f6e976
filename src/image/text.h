#pragma once
/*
 * Images as JSON, in the form of CRIU's tool: {"magic": "CORE", "entries": [{...}, ...]}, raw bytes
 * as "extra" of their entry. Covers everything in images.def but raw files.
 */
#include <stdio.h>

#include "image/reader.h"

struct image_text_options {
	bool pretty;     /* for people: indented, flags and addresses as words */
	bool no_payload; /* sizes in place of raw bytes */
};

/*
 * Writes the whole image and a newline. Fields that our schema does not know appear by number only,
 * as "unknown_fields". 0; -EIO or the like for `out`; else as image_walk(), and what was written is
 * then cut off in the middle.
 */
int image_text(struct image_reader *in, const struct image_text_options *how, FILE *out) nodiscard;

/* Writes one message, without a newline. 0, -ENOMEM, -EIO. */
int message_text(const ProtobufCMessage *msg, const struct image_text_options *how,
		 FILE *out) nodiscard;
