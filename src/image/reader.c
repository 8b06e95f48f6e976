/* Reading images of records. See reader.h. */
#include "image/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/dir.h"

#define BUFFER    (64 * 1024UL)
#define RAW_SMALL 256

struct image_reader {
	int fd;
	enum image_type type;
	char name[IMAGE_NAME_MAX];
	struct image_error *err;
	uint64_t size;      /* of the file, UINT64_MAX for a pipe */
	uint64_t offset;    /* of buf[at] */
	uint64_t record_at; /* of the last record, for error messages */
	bool past_head;
	size_t at, filled, room; /* buf[at..filled) is read ahead */
	uint8_t *buf;
};

int image_reader_fail(struct image_reader *in, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	code = image_vfail_at(in->err, in->name, in->record_at, code, fmt, ap);
	va_end(ap);
	return code;
}

enum image_type image_reader_type(const struct image_reader *in)
{
	return in->type;
}

uint64_t image_offset(const struct image_reader *in)
{
	return in->offset;
}

uint64_t image_left(const struct image_reader *in)
{
	if (in->size == UINT64_MAX)
		return UINT64_MAX;
	/* A file that grows while it is read may already have given more than its size. */
	return in->size > in->offset ? in->size - in->offset : 0;
}

/* Makes room for `want` bytes from `at` on, keeping what is read ahead. */
static int buffer_make_room(struct image_reader *in, size_t want)
{
	if (in->at) {
		memmove(in->buf, in->buf + in->at, in->filled - in->at);
		in->filled -= in->at;
		in->at = 0;
	}
	if (in->room < want) {
		uint8_t *bigger = mem_resize(in->buf, want, 1);

		if (!bigger)
			return -ENOMEM;
		in->buf = bigger;
		in->room = want;
	}
	return 0;
}

/*
 * Reads ahead until `want` bytes are there; *ret_have is less only at the end of the file. The
 * buffer grows with what really comes, so a pipe that promises much costs nothing.
 */
static int buffer_fill(struct image_reader *in, size_t want, size_t *ret_have)
{
	while (in->filled - in->at < want) {
		size_t have = in->filled - in->at;
		ssize_t n;
		int r = 0;

		if (in->filled == in->room || in->room - in->at < MIN(want, BUFFER))
			r = buffer_make_room(in, MAX(BUFFER, MIN(want, have * 2)));
		if (r < 0)
			return image_reader_fail(in, r, "out of memory");
		n = fd_read_some(in->fd, in->buf + in->filled, in->room - in->filled);
		if (n < 0)
			return image_reader_fail(in, (int)n, "cannot be read");
		if (n == 0)
			break;
		in->filled += n;
	}
	*ret_have = MIN(in->filled - in->at, want);
	return 0;
}

static void buffer_take(struct image_reader *in, size_t n)
{
	in->at += n;
	in->offset += n;
}

/* The next word; 1, or 0 at the end of the file. */
static int word_next(struct image_reader *in, const char *what, uint32_t *ret_word)
{
	size_t have;
	int r = buffer_fill(in, sizeof(*ret_word), &have);

	if (r < 0 || have == 0)
		return r;
	if (have < sizeof(*ret_word))
		return image_reader_fail(in, -EUCLEAN, "file ends in the middle of %s", what);
	memcpy(ret_word, in->buf + in->at, sizeof(*ret_word));
	buffer_take(in, sizeof(*ret_word));
	return 1;
}

static int magic_word(struct image_reader *in, uint32_t *ret_word)
{
	int r = word_next(in, "its magic", ret_word);

	if (r == 0)
		return image_reader_fail(in, -EUCLEAN, "file ends where its magic should be");
	return r < 0 ? r : 0;
}

/* Reads all magic words; gives the file's own. */
static int magic_read(struct image_reader *in, enum image_lead *ret_lead, uint32_t *ret_own)
{
	uint32_t first;
	int r = magic_word(in, &first);

	if (r < 0)
		return r;
	*ret_lead = first == IMAGE_MAGIC_COMMON    ? IMAGE_LEAD_COMMON
		    : first == IMAGE_MAGIC_SERVICE ? IMAGE_LEAD_SERVICE
						   : IMAGE_LEAD_NONE;
	*ret_own = first;
	return *ret_lead == IMAGE_LEAD_NONE ? 0 : magic_word(in, ret_own);
}

static int magic_expect(struct image_reader *in)
{
	const struct image_form *form = image_form(in->type);
	enum image_lead lead;
	uint32_t own;
	int r = magic_read(in, &lead, &own);

	if (r < 0)
		return r;
	if (own != form->magic)
		return image_reader_fail(in, -EUCLEAN,
					 "magic 0x%08" PRIx32 " is not 0x%08" PRIx32
					 " of an image of type %s",
					 own, form->magic, form->name);
	/* Version 1 of the format had no common magic; the words before others never went away. */
	if (lead != form->lead && !(form->lead == IMAGE_LEAD_COMMON && lead == IMAGE_LEAD_NONE))
		return image_reader_fail(in, -EUCLEAN,
					 "magic 0x%08" PRIx32 " has the wrong "
					 "word before it",
					 own);
	return 0;
}

static int reader_new(int take_fd, const char *name, struct image_error *err,
		      struct image_reader **ret_in)
{
	scoped(fd_close) int fd = take_fd;
	struct image_reader *in = NEW(struct image_reader);
	struct stat st;

	if (!in)
		return image_fail(err, name, -ENOMEM, "out of memory");
	if (fstat(fd, &st) < 0) {
		mem_free(in);
		return image_fail(err, name, -errno, "cannot be examined");
	}
	in->fd = fd_take(&fd);
	in->err = err;
	in->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : UINT64_MAX;
	(void)snprintf(in->name, sizeof(in->name), "%s", name); /* a cut name still says enough */
	*ret_in = in;
	return 0;
}

int image_reader_take_fd(int fd, enum image_type type, const char *name, struct image_error *err,
			 struct image_reader **ret_in)
{
	scoped(image_reader_free) struct image_reader *in = NULL;
	int r;

	assert(image_form(type)->entry);
	r = reader_new(fd, name, err, &in);
	if (r < 0)
		return r;
	in->type = type;
	r = magic_expect(in);
	if (r == 0)
		*ret_in = ptr_take(&in);
	return r;
}

int image_reader_guess_take_fd(int fd, const char *name, struct image_error *err,
			       struct image_reader **ret_in)
{
	scoped(image_reader_free) struct image_reader *in = NULL;
	enum image_lead lead;
	uint32_t own;
	int r;

	r = reader_new(fd, name, err, &in);
	if (r < 0)
		return r;
	r = magic_read(in, &lead, &own);
	if (r < 0)
		return r;
	if (image_type_by_magic(own, &in->type) < 0)
		return image_reader_fail(in, -EUCLEAN,
					 "magic 0x%08" PRIx32 " is of no image of records", own);
	*ret_in = ptr_take(&in);
	return 0;
}

int image_reader_open(struct image_dir *dir, enum image_type type, uint64_t id,
		      struct image_error *err, struct image_reader **ret_in)
{
	scoped(fd_close) int fd = -EBADF;
	char name[IMAGE_NAME_MAX];
	struct stat st;
	int r;

	image_name(type, id, name);
	fd = image_dir_open_file(dir, name, IMAGE_OPEN, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return image_fail(err, name, -errno, "cannot be examined");
	r = image_dir_check_file(dir, name, fd, st.st_size, err);
	if (r < 0)
		return r;
	return image_reader_take_fd(fd_take(&fd), type, name, err, ret_in);
}

void image_reader_free(struct image_reader *in)
{
	if (!in)
		return;
	fd_close(in->fd);
	mem_free(in->buf);
	mem_free(in);
}

int image_read_as(struct image_reader *in, const ProtobufCMessageDescriptor *d, struct arena *a,
		  ProtobufCMessage **ret_msg)
{
	struct image_error inner = { 0 };
	uint32_t size;
	size_t have;
	int r;

	in->record_at = in->offset;
	r = word_next(in, "the size of a record", &size);
	if (r <= 0)
		return r;
	if (size > image_left(in))
		return image_reader_fail(in, -EUCLEAN,
					 "record of %" PRIu32 " bytes where %" PRIu64 " are left",
					 size, image_left(in));
	if (size > RECORD_MAX)
		return image_reader_fail(in, -EUCLEAN, "record of %" PRIu32 " bytes is too long",
					 size);
	r = buffer_fill(in, size, &have);
	if (r < 0)
		return r;
	if (have < size)
		return image_reader_fail(in, -EUCLEAN, "record of %" PRIu32 " bytes ends after %zu",
					 size, have);

	r = message_decode(d, size ? in->buf + in->at : (const uint8_t *)"", size, a, &inner,
			   ret_msg);
	if (r == -ENOMEM)
		return image_reader_fail(in, r, "out of memory");
	if (r < 0)
		return image_fail_at(in->err, in->name, in->offset + inner.offset, r, "%s",
				     inner.what);
	buffer_take(in, size);
	return 1;
}

int image_read(struct image_reader *in, struct arena *a, ProtobufCMessage **ret_msg)
{
	const struct image_form *form = image_form(in->type);
	const ProtobufCMessageDescriptor *d = form->entry;
	int r;

	if (form->head && !in->past_head)
		d = form->head;
	r = image_read_as(in, d, a, ret_msg);
	in->past_head = in->past_head || r > 0;
	return r;
}

/* The part of len that is read ahead already. For a few bytes that is all of them: who reads values
 * one by one shall not make a system call for each. */
static int raw_ahead(struct image_reader *in, size_t len, size_t *ret_ahead)
{
	if (len <= RAW_SMALL)
		return buffer_fill(in, len, ret_ahead);
	*ret_ahead = MIN(len, in->filled - in->at);
	return 0;
}

int image_read_raw(struct image_reader *in, void *buf, size_t len)
{
	size_t ahead;
	ssize_t n = 0;
	int r;

	if (len > image_left(in))
		return image_reader_fail(in, -EUCLEAN,
					 "followed by %zu raw bytes where %" PRIu64 " are left",
					 len, image_left(in));
	r = raw_ahead(in, len, &ahead);
	if (r < 0)
		return r;
	if (ahead)
		memcpy(buf, in->buf + in->at, ahead);
	if (len > ahead)
		n = fd_read_some(in->fd, (char *)buf + ahead, len - ahead);
	if (n < 0)
		return image_reader_fail(in, (int)n, "cannot be read");
	if ((size_t)n < len - ahead)
		return image_reader_fail(in, -EUCLEAN,
					 "followed by %zu raw bytes, of which %zu are there", len,
					 ahead + n);
	in->at += ahead;
	in->offset += len;
	return 0;
}

int image_skip_raw(struct image_reader *in, uint64_t len)
{
	uint8_t scrap[4096];
	uint64_t ahead = MIN(len, (uint64_t)(in->filled - in->at));
	int r = 0;

	if (len > image_left(in))
		return image_reader_fail(in, -EUCLEAN,
					 "followed by %" PRIu64 " raw bytes where %" PRIu64
					 " are left",
					 len, image_left(in));
	buffer_take(in, ahead);
	len -= ahead;
	if (len && in->size != UINT64_MAX) {
		if (lseek(in->fd, (off_t)len, SEEK_CUR) < 0)
			return image_reader_fail(in, -errno, "cannot be positioned");
		in->offset += len;
		return 0;
	}
	for (; len && r == 0; len -= MIN(len, sizeof(scrap)))
		r = image_read_raw(in, scrap, MIN(len, sizeof(scrap)));
	return r;
}
