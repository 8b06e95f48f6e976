#pragma once
/* What a host has, asked before anything is created. Obstacles are reported, all of them. */
#include "object/images.h"
#include "object/kinds.h"

struct features;

struct check {
	struct model *model;
	struct report *report;
	const struct policy *policy;
	const struct features *features;
	int root_fd; /* the directory that paths in images are relative to */
};
