#pragma once
/*
 * Writing an image of records: magic, then { u32 size, message }* with raw bytes between. Buffered:
 * a small image is one write(2). Sums for the manifest are taken on the way.
 */
#include "image/error.h"

struct image_dir;
struct image_writer;

/*
 * Creates an image (or truncates an old one) and writes its magic. err (may be NULL) is filled by
 * this and every later failure of the writer, so it must live as long. 0, -ENOMEM, or the errno of
 * openat2(2) or write(2). Raw types are for raw.h.
 */
int image_writer_create(struct image_dir *dir, enum image_type type, uint64_t id,
			struct image_error *err, struct image_writer **ret_out) nodiscard;
/* The same under another file name; the manifest lists it (if it shall) under the type's own. */
int image_writer_create_as(struct image_dir *dir, enum image_type type, const char *file,
			   bool listed, struct image_error *err,
			   struct image_writer **ret_out) nodiscard;
/* Frees the writer. Without image_writer_finish() before, the file is what it happens to be. */
void image_writer_free(struct image_writer *out);
SCOPED(struct image_writer *, image_writer_free);

/* Appends a record: &entry->base of any message; borrowed. -EINVAL when a required field is NULL,
 * -EFBIG beyond RECORD_MAX, -ENOMEM, errno of write(2). */
int image_write(struct image_writer *out, const ProtobufCMessage *msg) nodiscard;
/* Appends bytes. */
int image_write_raw(struct image_writer *out, const void *buf, size_t len) nodiscard;
/* Appends n zero bytes, for padding. */
int image_write_zeros(struct image_writer *out, size_t n) nodiscard;

/* Writes what is buffered and lists the file in the directory's manifest. The last call but
 * image_writer_free(). */
int image_writer_finish(struct image_writer *out) nodiscard;
