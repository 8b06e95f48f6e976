/* Writing images of records. See writer.h. */
#include "image/writer.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "image/dir.h"
#include "image/reader.h"

#define BUFFER (64 * 1024UL)

struct image_writer {
	struct image_dir *dir; /* borrowed */
	int fd;
	char name[IMAGE_NAME_MAX]; /* in the manifest */
	bool listed;
	struct image_error *err;
	uint64_t size; /* of the file, the buffered part included */
	struct sum_stream sums;
	size_t filled, room;
	uint8_t *buf;
};

static int fail(const struct image_writer *out, int code, const char *what)
{
	return image_fail(out->err, out->name, code, "%s", what);
}

static int flush(struct image_writer *out)
{
	int r = fd_write_all(out->fd, out->buf, out->filled);

	if (r < 0)
		return fail(out, r, "cannot be written");
	if (out->listed)
		r = sum_stream_add(&out->sums, out->buf, out->filled);
	if (r < 0)
		return fail(out, r, "out of memory");
	out->filled = 0;
	return 0;
}

/* Makes room for len more bytes behind buf[filled]. */
static int reserve(struct image_writer *out, size_t len)
{
	uint8_t *bigger;
	int r;

	if (out->room - out->filled < len && out->filled) {
		r = flush(out);
		if (r < 0)
			return r;
	}
	if (out->room < len) {
		bigger = mem_resize(out->buf, MAX(len, BUFFER), 1);
		if (!bigger)
			return fail(out, -ENOMEM, "out of memory");
		out->buf = bigger;
		out->room = MAX(len, BUFFER);
	}
	return 0;
}

static void add(struct image_writer *out, size_t len)
{
	out->filled += len;
	out->size += len;
}

int image_write_raw(struct image_writer *out, const void *buf, size_t len)
{
	const uint8_t *at = buf;
	int r;

	/* In pieces: the buffer does not grow for bytes that are in memory anyway. */
	while (len) {
		size_t n = MIN(len, BUFFER);

		r = reserve(out, n);
		if (r < 0)
			return r;
		memcpy(out->buf + out->filled, at, n);
		add(out, n);
		at += n;
		len -= n;
	}
	return 0;
}

int image_write_zeros(struct image_writer *out, size_t n)
{
	static const uint8_t zeros[64];
	int r = 0;

	for (; n && r == 0; n -= MIN(n, sizeof(zeros)))
		r = image_write_raw(out, zeros, MIN(n, sizeof(zeros)));
	return r;
}

int image_write(struct image_writer *out, const ProtobufCMessage *msg)
{
	uint32_t size;
	size_t packed;
	int r;

	if (!protobuf_c_message_check(msg))
		return image_fail(out->err, out->name, -EINVAL, "%s lacks a required field",
				  msg->descriptor->name);
	packed = protobuf_c_message_get_packed_size(msg);
	if (packed > RECORD_MAX)
		return image_fail(out->err, out->name, -EFBIG, "%s of %zu bytes is too long",
				  msg->descriptor->name, packed);

	r = reserve(out, sizeof(size) + packed);
	if (r < 0)
		return r;
	size = (uint32_t)packed;
	memcpy(out->buf + out->filled, &size, sizeof(size));
	(void)protobuf_c_message_pack(msg, out->buf + out->filled +
						   sizeof(size)); /* gives `packed` again */
	add(out, sizeof(size) + packed);
	return 0;
}

static int write_magic(struct image_writer *out, const struct image_form *form)
{
	uint32_t words[2];
	size_t n = 0;

	if (form->lead == IMAGE_LEAD_COMMON)
		words[n++] = IMAGE_MAGIC_COMMON;
	if (form->lead == IMAGE_LEAD_SERVICE)
		words[n++] = IMAGE_MAGIC_SERVICE;
	words[n++] = form->magic;
	return image_write_raw(out, words, n * sizeof(words[0]));
}

static int create(struct image_dir *dir, const struct image_form *form, const char *name,
		  const char *file, bool listed, struct image_error *err,
		  struct image_writer **ret_out)
{
	scoped(image_writer_free) struct image_writer *out = NEW(struct image_writer);
	int r;

	assert(form->entry);
	if (!out)
		return image_fail(err, name, -ENOMEM, "out of memory");
	out->dir = dir;
	out->err = err;
	out->listed = listed;
	(void)snprintf(out->name, sizeof(out->name), "%s", name); /* fits: names do */
	out->fd = image_dir_open_file(dir, file, IMAGE_CREATE, err);
	if (out->fd < 0)
		return out->fd;

	r = write_magic(out, form);
	if (r == 0)
		*ret_out = ptr_take(&out);
	return r;
}

int image_writer_create(struct image_dir *dir, enum image_type type, uint64_t id,
			struct image_error *err, struct image_writer **ret_out)
{
	char name[IMAGE_NAME_MAX];

	image_name(type, id, name);
	return create(dir, image_form(type), name, name, true, err, ret_out);
}

int image_writer_create_as(struct image_dir *dir, enum image_type type, const char *file,
			   bool listed, struct image_error *err, struct image_writer **ret_out)
{
	const struct image_form *form = image_form(type);

	return create(dir, form, form->file, file, listed, err, ret_out);
}

int image_writer_finish(struct image_writer *out)
{
	struct sums sums = { 0 };
	int r = flush(out);

	if (r < 0 || !out->listed)
		return r;
	r = sum_stream_finish(&out->sums, &sums);
	if (r == 0)
		r = image_dir_add_sums_take(out->dir, out->name, out->size, sums);
	return r < 0 ? fail(out, r, "out of memory") : 0;
}

void image_writer_free(struct image_writer *out)
{
	if (!out)
		return;
	fd_close(out->fd);
	sum_stream_done(&out->sums);
	mem_free(out->buf);
	mem_free(out);
}
