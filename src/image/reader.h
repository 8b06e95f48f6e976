#pragma once
/*
 * Reading an image of records: magic, then { u32 size, message }*, with raw bytes between them in
 * some images (walk.h knows which).
 *
 * Nothing in the file is believed: sizes are compared with what is left of the file before memory
 * is taken for them. A reader works on pipes too; then the end is where it is.
 */
#include "image/message.h"

/* A record may not be longer than this, in memory or in a file. */
#define RECORD_MAX (512UL << 20)

struct image_dir;
struct image_reader;

/*
 * Opens an image and reads its magic. With a manifest in force the file's size and sums are checked
 * first. err (may be NULL) is filled by this and every later failure of the reader, so it must live
 * as long. -ENOENT when there is no such file, -EUCLEAN for damage or another kind of file,
 * else the errno of openat2(2) or read(2). Raw types are for raw.h.
 */
int image_reader_open(struct image_dir *dir, enum image_type type, uint64_t id,
		      struct image_error *err, struct image_reader **ret_in) nodiscard;
/* The same for a descriptor positioned at the beginning of an image, which is taken, on failure
 * too. `name` is for messages. */
int image_reader_take_fd(int fd, enum image_type type, const char *name, struct image_error *err,
			 struct image_reader **ret_in) nodiscard;
/* The same, but the type is found by the magic. */
int image_reader_guess_take_fd(int fd, const char *name, struct image_error *err,
			       struct image_reader **ret_in) nodiscard;
void image_reader_free(struct image_reader *in);
SCOPED(struct image_reader *, image_reader_free);

/*
 * The next record, in memory of the arena: 1, or 0 at the end of the file. Its type is that of the
 * image (for the first record: the type of the head, if the image has one), so that the caller may
 * cast: (CoreEntry *)msg. -EUCLEAN, -ENOMEM, errno of read(2).
 */
int image_read(struct image_reader *in, struct arena *a, ProtobufCMessage **ret_msg) nodiscard;
/* The same for the few places where a record of another type stands. */
int image_read_as(struct image_reader *in, const ProtobufCMessageDescriptor *d, struct arena *a,
		  ProtobufCMessage **ret_msg) nodiscard;

/* Raw bytes at this place: all of them, or -EUCLEAN. */
int image_read_raw(struct image_reader *in, void *buf, size_t len) nodiscard;
int image_skip_raw(struct image_reader *in, uint64_t len) nodiscard;

enum image_type image_reader_type(const struct image_reader *in);
/* Bytes behind the last thing read; UINT64_MAX where that cannot be known (a pipe). */
uint64_t image_left(const struct image_reader *in);
/* Offset of the next byte. */
uint64_t image_offset(const struct image_reader *in);

/* For whoever does not like the contents of the last record: fills the reader's error with its
 * place and gives `code` back. */
int image_reader_fail(struct image_reader *in, int code, const char *fmt, ...) attr_printf(3, 4);
