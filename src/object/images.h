#pragma once
/* The image directory as kinds see it on either side. */
#include "base/mem.h"
#include "object/policy.h"
#include "report/report.h"

struct image_dir;
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
