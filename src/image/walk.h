#pragma once
/*
 * Walking past everything that is in an image: records and the raw bytes between them. For what
 * treats all images alike (verifying, showing); who wants one image's contents reads them with
 * reader.h.
 */
#include "image/reader.h"

/*
 * What the walk calls, in the order of the file; NULL: not interested. A negative answer ends the
 * walk and is given back. Messages live until the next record.
 */
struct image_visit {
	int (*record)(void *ctx, const ProtobufCMessage *msg);
	/* A record within the payload of the last one: a message of a queue. */
	int (*inner)(void *ctx, const ProtobufCMessage *msg);
	/* `len` raw bytes come next, to be taken from `in` with image_read_raw() or
	 * image_skip_raw(); `what` is a word for them: "data", "inq", "outq". */
	int (*bytes)(void *ctx, const char *what, struct image_reader *in, uint64_t len);
	/* The payload of the last record is over. */
	int (*end)(void *ctx);
};

/*
 * Walks to the end of the file. 0, or -EUCLEAN and the like with the reader's error filled. Also
 * finds payloads that are shorter than their record says.
 */
int image_walk(struct image_reader *in, const struct image_visit *v, void *ctx) nodiscard;
