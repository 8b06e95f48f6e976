/* Trouble with images, as kinds report it. See images.h. */
#include "object/images.h"

#include "image/error.h"

int images_write_failed(struct report *rep, int err, const struct image_error *e)
{
	scoped(str_done) struct str text = { 0 };

	(void)image_error_text(e, &text); /* at worst the report is shorter */
	if (err == -ENOSPC || err == -EDQUOT)
		return report_refuse(rep, err, CODE_DISK_FULL, "%s", str_get(&text));
	return report_fail(rep, err, "%s", str_get(&text));
}

int images_load_failed(struct report *rep, int err, const struct image_error *e)
{
	scoped(str_done) struct str text = { 0 };

	(void)image_error_text(e, &text); /* at worst the report is shorter */
	if (err == -EUCLEAN)
		return report_refuse(rep, err, CODE_IMAGE_DAMAGED, "%s", str_get(&text));
	if (err == -ENOENT)
		return report_refuse(rep, err, CODE_IMAGE_MISSING, "%s", str_get(&text));
	return report_fail(rep, err, "%s", str_get(&text));
}
