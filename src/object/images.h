#pragma once
/* The image directory as kinds see it on either side. */
#include "base/mem.h"
#include "object/policy.h"
#include "report/report.h"

struct image_dir;
struct image_error;
struct model;

struct dump_images {
	struct image_dir *dir;
	struct model *model;
	struct report *report;
};

struct load_images {
	struct image_dir *dir;
	struct report *report;
	const struct policy *policy;
	struct arena arena; /* lives as long as the model: strings and payloads may stay in it */
};

/*
 * Reports that an image could not be written, or not be read, as the image room says (e), and gives
 * err back. Reading: E-IMAGE-MISSING for -ENOENT, E-IMAGE-DAMAGED for -EUCLEAN; writing:
 * E-DISK-FULL.
 */
int images_write_failed(struct report *rep, int err, const struct image_error *e);
int images_load_failed(struct report *rep, int err, const struct image_error *e);
