#pragma once
/*
 * A round trip of open files without a tree: descriptors of this very process are collected,
 * written to a directory of images and closed; then the images are loaded into a second model, the
 * files are made again and put back under their numbers. What stands between is all that kinds do;
 * the engines, freezing and forking are left out.
 */
#include "unit/check.h"

#include "object/collect.h"
#include "object/env.h"
#include "object/images.h"

#define TRIP_FLOOR 300

struct trip {
	struct report report;
	struct policy policy;
	char dir[32];

	/* Dump. */
	struct model from;
	struct task *task;
	struct live_task live;
	struct undo undo;
	struct collect collect;
	struct image_dir *out;

	/* Restore. */
	struct model to;
	struct task *new_task;
	struct load_images in;
	struct env env;
};

/* Begins with nothing collected. Failures of all of these functions fail the test. */
void trip_begin(struct trip *t);
/* Notes a descriptor that is to make the trip. */
void trip_add(struct trip *t, int fd);
/* Collects what was noted; the descriptors stay. 0, or what collecting or resolving refused. */
int trip_collect(struct trip *t);
/* Writes, closes, loads, makes, places, settles. */
void trip_run(struct trip *t);
void trip_end(struct trip *t);
/* Instead of trip_run() and trip_end(): closes what was noted. */
void trip_give_up(struct trip *t);

/* begin, add, collect, run. */
#define TRIP(t, ...)                                                                               \
	do {                                                                                       \
		trip_begin(t);                                                                     \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(((int[]){ __VA_ARGS__ })); i_++)               \
			trip_add(t, ((int[]){ __VA_ARGS__ })[i_]);                                 \
		assert_int_equal(trip_collect(t), 0);                                              \
		trip_run(t);                                                                       \
	} while (0)
