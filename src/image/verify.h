#pragma once
/*
 * Whether the images of a directory are whole: framing, magic, every record, payload lengths, and
 * the manifest. What the records mean, and whether they fit together, is for those who load them.
 */
#include "image/dir.h"

struct image_verified {
	unsigned files;   /* images looked at */
	unsigned damaged; /* of them, or missing */
	uint64_t bytes;   /* read for sums */
	enum manifest_state manifest;
};

/* Called for each thing found: damage, or a remark (no manifest, a file of another dump). */
typedef void (*image_finding_fn)(void *ctx, bool is_damage, const struct image_error *what);

/*
 * Looks at every image of the directory (mode IMAGE_DIR_READ, not in use by others), in the order
 * of their names, and at what the manifest lists. 0 when that could be done, whatever was found;
 * -ENOMEM or the errno of reading the directory, with err filled.
 */
int image_verify(struct image_dir *dir, image_finding_fn found, void *ctx, struct image_error *err,
		 struct image_verified *ret) nodiscard;
