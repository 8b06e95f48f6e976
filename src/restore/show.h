#pragma once
/* Looking at images without restoring them. All functions report what they find; 0 or -errno. */
#include <stdio.h>

#include "report/report.h"

enum show_form {
	SHOW_TEXT, /* for people: each file under its name, indented, without raw bytes */
	SHOW_JSON, /* everything; of a directory one object from file names to images */
};

/* Prints one image, or all of a directory. What cannot be shown is reported, the rest goes on. */
int show_run(const char *path, enum show_form form, struct report *rep, FILE *out) nodiscard;

struct verified {
	unsigned files;
	unsigned damaged;
	uint64_t bytes;
	bool has_manifest; /* sums were compared */
};

/* Checks the images of a directory (borrowed descriptor): whole, undamaged, complete. -EUCLEAN when
 * they are not; *ret is filled then, too. -ENOENT when there is no inventory, hence no dump. */
int verify_run(int images_fd, struct report *rep, struct verified *ret) nodiscard;
