#pragma once
/*
 * Where and why an image is no good. This room returns, it does not report: functions that can find
 * damage take a struct image_error of the caller's (NULL is fine), fill it when they fail, and the
 * caller makes a report of it.
 */
#include "base/str.h"
#include "image/type.h"

struct image_error {
	char file[IMAGE_NAME_MAX]; /* name in the image directory, "" when it is about the directory
				    */
	uint64_t offset;           /* in the file; only with has_offset */
	bool has_offset;
	char what[200]; /* one clause, no full stop */
};

/* Fills err (if there is one) and gives back `code`, a negative errno, for `return
 * image_fail(...)`. The other forms add the offset. */
int image_fail(struct image_error *err, const char *file, int code, const char *fmt, ...)
	attr_printf(4, 5);
int image_fail_at(struct image_error *err, const char *file, uint64_t offset, int code,
		  const char *fmt, ...) attr_printf(5, 6);

int image_vfail_at(struct image_error *err, const char *file, uint64_t offset, int code,
		   const char *fmt, va_list ap) attr_printf(5, 0);

/* Appends "core-12.img at offset 20: record of 4 bytes where 3 are left". 0 or -ENOMEM. */
int image_error_text(const struct image_error *err, struct str *out);
