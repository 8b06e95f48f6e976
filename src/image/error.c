/* The place and the reason of trouble with an image. See error.h. */
#include "image/error.h"

#include <inttypes.h>
#include <stdio.h>

static void fill(struct image_error *err, const char *file, const char *fmt, va_list ap)
	attr_printf(3, 0);

static void fill(struct image_error *err, const char *file, const char *fmt, va_list ap)
{
	*err = (struct image_error){ 0 };
	(void)snprintf(err->file, sizeof(err->file), "%s", file); /* a cut name still says enough */
	(void)vsnprintf(err->what, sizeof(err->what), fmt, ap);
}

int image_fail(struct image_error *err, const char *file, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	fill(err, file, fmt, ap);
	va_end(ap);
	return code;
}

int image_vfail_at(struct image_error *err, const char *file, uint64_t offset, int code,
		   const char *fmt, va_list ap)
{
	if (!err)
		return code;
	fill(err, file, fmt, ap);
	err->offset = offset;
	err->has_offset = true;
	return code;
}

int image_fail_at(struct image_error *err, const char *file, uint64_t offset, int code,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	code = image_vfail_at(err, file, offset, code, fmt, ap);
	va_end(ap);
	return code;
}

int image_error_text(const struct image_error *err, struct str *out)
{
	const char *file = err->file[0] ? err->file : "image directory";

	if (err->has_offset)
		return str_addf(out, "%s at offset %" PRIu64 ": %s", file, err->offset, err->what);
	return str_addf(out, "%s: %s", file, err->what);
}
