#pragma once
/*
 * The manifest: names, sizes and sums of the files of a dump. Owned by an image directory, which
 * writes it when a dump is complete and loads it before a restore.
 */
#include "base/map.h"
#include "image/sum.h"

struct image_error;
struct image_reader;
struct image_writer;

struct manifest_file {
	char *name;
	uint64_t size;
	struct sums sums;
};

struct manifest {
	VEC(struct manifest_file *); /* in the order of their making */
	struct map by_name;
};

/* The file of that name, or NULL. */
const struct manifest_file *manifest_find(const struct manifest *m, const char *name);

/* Adds a file, or replaces what was known of it. The sums are the manifest's from now on, on
 * failure (-ENOMEM) too. */
int manifest_set_take(struct manifest *m, const char *name, uint64_t size,
		      struct sums sums) nodiscard;

/* Reads all records, adding to m. *ret_run_id is the dump's, "" when it has none; the caller's to
 * free. -EUCLEAN on damage (the reader's error is filled), -ENOTSUP for sums of another kind. */
int manifest_load(struct manifest *m, struct image_reader *in, char **ret_run_id) nodiscard;
/* Writes all records. run_id may be NULL. */
int manifest_save(const struct manifest *m, struct image_writer *out, const char *run_id) nodiscard;

void manifest_done(struct manifest *m);
SCOPED_OBJECT(struct manifest, manifest_done);
