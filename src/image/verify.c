/* Verifying an image directory. See verify.h. */
#include "image/verify.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/listing.h"
#include "image/walk.h"

struct verify {
	struct image_dir *dir;
	image_finding_fn found;
	void *ctx;
	struct image_verified *done;
};

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

/* Whether a manifest need not list it: itself, and what other steps than the dump put there. */
static bool may_be_unlisted(enum image_type type)
{
	return type == IMAGE_MANIFEST || type == IMAGE_MANIFEST_PAGES ||
	       image_form(type)->lead == IMAGE_LEAD_SERVICE;
}

static bool is_listed(const struct verify *v, const char *name)
{
	return v->done->manifest == MANIFEST_IN_FORCE &&
	       manifest_find(image_dir_manifest(v->dir), name);
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
	if (r >= 0 && is_listed(v, name)) {
		r = image_dir_check_file(v->dir, name, fd, st.st_size, &err);
		v->done->bytes += st.st_size;
	}
	if (r < 0)
		damage(v, &err);
}

/* Whether an image in the directory belongs to the dump. Without a manifest all may. */
static bool belongs(const struct verify *v, const char *name, enum image_type type)
{
	return v->done->manifest != MANIFEST_IN_FORCE || may_be_unlisted(type) ||
	       is_listed(v, name);
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

static void missing_check(struct verify *v, const struct listing *list)
{
	vec_for_each(f, image_dir_manifest(v->dir)) {
		const char *name = (*f)->name;
		struct image_error err = { 0 };

		if (v->done->manifest != MANIFEST_IN_FORCE || listing_has(list, name))
			continue;
		(void)image_fail(&err, name, 0, "is missing");
		damage(v, &err);
	}
}

int image_verify(struct image_dir *dir, image_finding_fn found, void *ctx, struct image_error *err,
		 struct image_verified *ret)
{
	scoped(listing_done) struct listing list = { 0 };
	struct verify v = { .dir = dir, .found = found, .ctx = ctx, .done = ret };
	int r;

	*ret = (struct image_verified){ 0 };
	r = listing_read(dir, &list);
	if (r < 0)
		return image_fail(err, "", r, "cannot be listed");
	manifest_check(&v);

	vec_for_each(l, &list) {
		if (!belongs(&v, l->name, l->type)) {
			remark(&v, l->name, "is not of this dump");
			continue;
		}
		ret->files++;
		file_check(&v, l->name, l->type);
	}
	missing_check(&v, &list);
	return 0;
}
