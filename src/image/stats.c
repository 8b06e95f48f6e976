/* The statistics files. See stats.h. */
#include "image/stats.h"

#include "base/fd.h"
#include "image/dir.h"
#include "image/writer.h"
#include "schema/stats.pb-c.h"

int stats_write(int dir_fd, enum image_type type, const struct StatsEntry *entry,
		struct image_error *err)
{
	scoped(image_dir_free) struct image_dir *dir = NULL;
	scoped(image_writer_free) struct image_writer *out = NULL;
	int fd = fd_dup_above(dir_fd, 3), r;

	if (fd < 0)
		return image_fail(err, "", fd, "cannot be kept open");
	/* Not as a dump of its own: the images of one may lie in the same directory. */
	r = image_dir_take_fd(fd, IMAGE_DIR_PAGES, err, &dir);
	if (r == 0)
		r = image_writer_create_as(dir, type, image_form(type)->file, false, err, &out);
	if (r == 0)
		r = image_write(out, &entry->base);
	return r < 0 ? r : image_writer_finish(out);
}
