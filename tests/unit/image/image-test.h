#pragma once
/* What the tests of this room share. */
#include "unit/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/dir.h"
#include "image/reader.h"
#include "image/writer.h"

#define TMP_PREFIX "/tmp/stasis-image-"

/* A new directory under /tmp; its name is put into `path`. tmp_remove(), a group teardown, removes
 * what the process made. */
static inline void tmp_dir(char path[40])
{
	(void)snprintf(path, 40, TMP_PREFIX "%u-XXXXXX", (unsigned)getpid() % 1000000);
	assert_non_null(mkdtemp(path));
}

static inline int tmp_remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	return remove(path);
}

static inline int tmp_remove(void **state)
{
	char pattern[40];
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), TMP_PREFIX "%u-*", (unsigned)getpid() % 1000000);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++)
		(void)nftw(found.gl_pathv[i], tmp_remove_one, 8, FTW_DEPTH | FTW_PHYS); /* litter */
	globfree(&found);
	return 0;
}

/* A file with these bytes, at its beginning. */
static inline int bytes_fd(const void *bytes, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The sentence that an error makes. */
static inline const char *sentence(const struct image_error *err)
{
	static char text[512];
	struct str s = { 0 };

	assert_int_equal(image_error_text(err, &s), 0);
	snprintf(text, sizeof(text), "%s", str_get(&s));
	str_done(&s);
	return text;
}
