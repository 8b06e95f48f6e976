#pragma once
/* The images that are in a directory, by their names. Other files there are none of our business.
 */
#include "base/vec.h"
#include "image/type.h"

struct image_dir;

struct listed {
	char *name;
	enum image_type type;
	uint64_t id;
};

struct listing {
	VEC(struct listed); /* in the order of names, as strcmp(3) has it */
};

/* Reads the directory. 0, -ENOMEM, errno of readdir(3); *ret then holds what was read so far. */
int listing_read(const struct image_dir *dir, struct listing *ret) nodiscard;
bool listing_has(const struct listing *list, const char *name);
void listing_done(struct listing *list);
SCOPED_OBJECT(struct listing, listing_done);
