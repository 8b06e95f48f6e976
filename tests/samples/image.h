#pragma once
/* Made-up images of every type: for unit tests, as other programs' food, and as seeds for fuzzing.
 * The same seed gives the same image. */
#include "base/mem.h"
#include "image/type.h"

struct image_dir;

struct sample {
	struct arena *arena;
	uint64_t state; /* of the generator; not 0 */
	/* Whether a field of a message or a value of an enum may occur: for readers that do not
	 * know all. NULL: yes. */
	bool (*knows)(const char *outer, const char *inner, int number);
};

uint64_t sample_number(struct sample *s);

/* A message with all required fields and some of the others, in the arena. Payload lengths in it
 * are whatever came up. */
ProtobufCMessage *sample_message(struct sample *s, const ProtobufCMessageDescriptor *d);

/* Writes image number `id` of a type with `n` records and their payloads, through the writers of
 * the image room. Asserts that all goes well. */
void sample_image(struct sample *s, struct image_dir *dir, enum image_type type, uint64_t id,
		  unsigned n);
