/* Verifying an image directory. See verify.h. */
#include "image/verify.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/walk.h"

struct names {
	VEC(char *);
};

struct verify {
	struct image_dir *dir;
	image_finding_fn found;
	void *ctx;
	struct image_verified *done;
};

static void names_done(struct names *names)
{
	vec_for_each(name, names) {
		mem_free(*name);
	}
	vec_done(names);
}
SCOPED_OBJECT(struct names, names_done);

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(struct image_dir *dir, struct names *names)
{
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
	while (r == 0 && (errno = 0, e = readdir(d))) {
		char *name = str_format("%s", e->d_name);

		r = name ? vec_push(names, name) : -ENOMEM;
		if (r < 0)
			mem_free(name);
	}
	if (r == 0)
		r = -errno;
	closedir(d);
	if (r == 0 && names->n)
		qsort(names->at, names->n, sizeof(*names->at), by_name);
	return r;
}

static void damage(struct verify *v, const struct image_error *e)
{
	v->done->damaged++;
	v->found(v->ctx, true, e);
}

static void remark(struct verify *v, const char *file, const char *what)
{
	struct image_error e = { 0 };

	(void)image_fail(&e, file, 0, "%s", what);
	v->found(v->ctx, false, &e);
}

static bool is_manifest(enum image_type type)
{
	return type == IMAGE_MANIFEST || type == IMAGE_MANIFEST_PAGES;
}

/* The structure of an image of records: first, because it finds the exact place. */
static int records_check(const char *name, enum image_type type, int fd, struct image_error *err)
{
	static const struct image_visit nothing;
	scoped(image_reader_free) struct image_reader *in = NULL;
	int r = image_reader_take_fd(fd, type, name, err, &in);

	return r < 0 ? r : image_walk(in, &nothing, NULL);
}

static void file_check(struct verify *v, const char *name, enum image_type type)
{
	struct image_error err = { 0 };
	scoped(fd_close) int fd = image_dir_open_file(v->dir, name, IMAGE_OPEN, &err);
	struct stat st;
	int r = fd, again;

	if (r >= 0 && fstat(fd, &st) < 0)
		r = image_fail(&err, name, -errno, "cannot be examined");
	if (r >= 0 && image_form(type)->entry) {
		again = fd_dup_above(fd, STDERR_FILENO + 1);
		r = again < 0 ? image_fail(&err, name, again, "cannot be opened again")
			      : records_check(name, type, again, &err);
	}
	if (r >= 0 && !is_manifest(type)) {
		r = image_dir_check_file(v->dir, name, fd, st.st_size, &err);
		v->done->bytes += v->done->manifest == MANIFEST_IN_FORCE ? st.st_size : 0;
	}
	if (r < 0)
		damage(v, &err);
}

/* Whether an image in the directory belongs to the dump. Without a manifest all may. */
static bool belongs(const struct verify *v, const char *name, enum image_type type)
{
	return v->done->manifest != MANIFEST_IN_FORCE || is_manifest(type) ||
	       manifest_find(image_dir_manifest(v->dir), name);
}

static void manifest_check(struct verify *v)
{
	struct image_error err = { 0 };
	int r = image_dir_use_manifest(v->dir, &err, &v->done->manifest);

	if (r < 0) {
		v->done->manifest = MANIFEST_ABSENT;
		/* A damaged one is found again, as a file, with the others. */
		if (r == -ENOENT)
			damage(v, &err);
		else
			remark(v, err.file, "cannot be used, so no sums are compared");
	} else if (v->done->manifest == MANIFEST_ABSENT) {
		remark(v, "", "has no manifest, so no sums are compared");
	} else if (v->done->manifest == MANIFEST_STALE) {
		remark(v, "stasis-manifest.img", "is of another dump, so no sums are compared");
	}
}

static void missing_check(struct verify *v, const struct names *names)
{
	vec_for_each(f, image_dir_manifest(v->dir)) {
		const char *name = (*f)->name;
		struct image_error err = { 0 };

		if (v->done->manifest != MANIFEST_IN_FORCE ||
		    (names->n && bsearch(&name, names->at, names->n, sizeof(*names->at), by_name)))
			continue;
		(void)image_fail(&err, name, 0, "is missing");
		damage(v, &err);
	}
}

int image_verify(struct image_dir *dir, image_finding_fn found, void *ctx, struct image_error *err,
		 struct image_verified *ret)
{
	scoped(names_done) struct names names = { 0 };
	struct verify v = { .dir = dir, .found = found, .ctx = ctx, .done = ret };
	int r;

	*ret = (struct image_verified){ 0 };
	r = names_read(dir, &names);
	if (r < 0)
		return image_fail(err, "", r, "cannot be listed");
	manifest_check(&v);

	vec_for_each(name, &names) {
		enum image_type type;
		uint64_t id;

		if (image_name_parse(*name, &type, &id) < 0)
			continue;
		if (!belongs(&v, *name, type)) {
			remark(&v, *name, "is not of this dump");
			continue;
		}
		ret->files++;
		file_check(&v, *name, type);
	}
	missing_check(&v, &names);
	return 0;
}
