/* Listing image directories. See listing.h. */
#include "image/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "image/dir.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static int add(struct listing *list, const char *name)
{
	struct listed l = { 0 };
	int r;

	if (image_name_parse(name, &l.type, &l.id) < 0)
		return 0;
	l.name = str_format("%s", name);
	if (!l.name)
		return -ENOMEM;
	r = vec_push(list, l);
	if (r < 0)
		mem_free(l.name);
	return r;
}

int listing_read(const struct image_dir *dir, struct listing *ret)
{
	/* A description of its own: the position in the directory belongs to the description. */
	int fd = openat(image_dir_fd(dir), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	DIR *d;
	int r = 0;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, e = readdir(d)))
		r = add(ret, e->d_name);
	if (r == 0)
		r = -errno;
	closedir(d);
	if (ret->n)
		qsort(ret->at, ret->n, sizeof(*ret->at), by_name);
	return r;
}

bool listing_has(const struct listing *list, const char *name)
{
	struct listed key = { .name = (char *)name }; /* only compared */

	return list->n && bsearch(&key, list->at, list->n, sizeof(*list->at), by_name);
}

void listing_done(struct listing *list)
{
	vec_for_each(l, list) {
		mem_free(l->name);
	}
	vec_done(list);
}
