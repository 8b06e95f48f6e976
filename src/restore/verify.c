/* Verifying images. See show.h. */
#include <unistd.h>

#include "base/fd.h"
#include "image/dir.h"
#include "image/verify.h"
#include "restore/show.h"

static void found(void *ctx, bool is_damage, const struct image_error *what)
{
	scoped(str_done) struct str text = { 0 };
	struct report *rep = ctx;

	(void)image_error_text(what, &text); /* as much as there is memory for */
	if (is_damage)
		(void)report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED, "%s", str_get(&text));
	else
		report_note(rep, "%s", str_get(&text));
}

static int fail(struct report *rep, int r, const struct image_error *err)
{
	scoped(str_done) struct str text = { 0 };

	(void)image_error_text(err, &text); /* as much as there is memory for */
	if (r == -EUCLEAN)
		return report_refuse(rep, r, CODE_IMAGE_DAMAGED, "%s", str_get(&text));
	return report_fail(rep, r, "%s", str_get(&text));
}

int verify_run(int images_fd, struct report *rep, struct verified *ret)
{
	REPORT_FRAME(rep, "verify");
	scoped(image_dir_free) struct image_dir *dir = NULL;
	struct image_verified done = { 0 };
	struct image_error err = { 0 };
	int fd, r;

	if (faccessat(images_fd, "inventory.img", F_OK, 0) < 0)
		return report_refuse(rep, -ENOENT, CODE_IMAGE_MISSING,
				     "inventory.img is missing: this is no complete dump");
	fd = fd_dup_above(images_fd, 3);

	if (fd < 0)
		return report_fail(rep, fd, "cannot keep the directory open");
	r = image_dir_take_fd(fd, IMAGE_DIR_READ, &err, &dir);
	if (r == 0)
		r = image_verify(dir, found, rep, &err, &done);
	if (r < 0)
		return fail(rep, r, &err);
	*ret = (struct verified){
		.files = done.files,
		.damaged = done.damaged,
		.bytes = done.bytes,
		.has_manifest = done.manifest == MANIFEST_IN_FORCE,
	};
	return rep->n_failures > 0 ? -EUCLEAN : 0;
}
