/*
 * make-images DIR SEED [KNOWN]: a directory of images, some of each type that has records, and
 * beside each image X what we show of it: X.json and X.pretty.json. KNOWN is a file with lines
 * "message field number" and "enum name value": nothing else occurs in the images.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/vec.h"
#include "image/dir.h"
#include "image/text.h"
#include "samples/image.h"
#include "schema/inventory.pb-c.h"

static struct {
	VEC(char *);
} known_lines;

static bool is_known(const char *outer, const char *inner, int number)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "%s %s %d\n", outer, inner, number);
	vec_for_each(k, &known_lines) {
		if (!strcmp(*k, line))
			return true;
	}
	return false;
}

static int known_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[256];
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && fgets(line, sizeof(line), f)) {
		char *copy = str_format("%s", line);

		r = copy ? vec_push(&known_lines, copy) : -ENOMEM;
	}
	fclose(f);
	return r;
}

static int show(struct image_dir *dir, const char *name, enum image_type type, uint64_t id,
		bool pretty, struct image_error *err)
{
	const struct image_text_options how = { .pretty = pretty };
	scoped(image_reader_free) struct image_reader *in = NULL;
	char text_name[IMAGE_NAME_MAX + 20];
	FILE *out;
	int fd, r;

	r = image_reader_open(dir, type, id, err, &in);
	if (r < 0)
		return r;
	(void)snprintf(text_name, sizeof(text_name), "%s%s", name,
		       pretty ? ".pretty.json" : ".json");
	fd = openat(image_dir_fd(dir), text_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		return -errno;
	r = image_text(in, &how, out);
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	return r;
}

static int make(const char *path, uint64_t seed, struct image_error *err)
{
	scoped(image_dir_free) struct image_dir *dir = NULL;
	scoped(arena_done) struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = seed, .knows = known_lines.n ? is_known : NULL };
	InventoryEntry *inventory;
	int r = image_dir_open(path, IMAGE_DIR_DUMP, err, &dir);

	for (enum image_type t = IMAGE_INVENTORY + 1; t < IMAGE_MANIFEST && r == 0; t++)
		sample_image(&s, dir, t, seed, 4);
	if (r < 0)
		return r;
	inventory = (InventoryEntry *)sample_message(&s, &inventory_entry__descriptor);
	r = image_dir_complete(dir, inventory, IMAGE_SYNC_NONE, err);

	for (enum image_type t = IMAGE_INVENTORY; t < IMAGE_TYPES && r == 0; t++) {
		char name[IMAGE_NAME_MAX];

		image_name(t, seed, name);
		if (!image_form(t)->entry || t == IMAGE_MANIFEST_PAGES)
			continue;
		r = show(dir, name, t, seed, false, err);
		if (r == 0)
			r = show(dir, name, t, seed, true, err);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct image_error err = { 0 };
	struct str text = { 0 };
	uint64_t seed;
	int r = -EINVAL;

	if (argc < 3 || argc > 4 || str_to_u64(argv[2], 10, &seed) < 0 || !seed) {
		fprintf(stderr, "usage: make-images DIR SEED [KNOWN]\n");
		return 2;
	}
	r = argc == 4 ? known_read(argv[3]) : 0;
	if (r == 0)
		r = make(argv[1], seed, &err);
	if (r < 0) {
		(void)image_error_text(&err, &text); /* says less when out of memory */
		fprintf(stderr, "make-images: %s: %s\n", str_get(&text), strerror(-r));
	}
	return r < 0;
}
