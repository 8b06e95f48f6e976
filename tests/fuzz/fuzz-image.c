/*
 * Images of all types: the first byte says which, the rest is the file. Everything that reads
 * images reads it: decoder, walk, text, manifest. What is accepted must be written and read back
 * the same.
 */
#include "fuzz/fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/dir.h"
#include "image/text.h"
#include "image/walk.h"
#include "samples/image.h"

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* A reader of a file with these bytes. */
static int reader_of(const uint8_t *data, size_t size, enum image_type type,
		     struct image_error *err, struct image_reader **ret_in)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && fd_write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return image_reader_take_fd(fd, type, "fuzz.img", err, ret_in);
}

static int encode_again(void *ctx, const ProtobufCMessage *msg)
{
	scoped(arena_done) struct arena a = { 0 };
	size_t len = protobuf_c_message_get_packed_size(msg);
	uint8_t *once = arena_alloc(&a, 1, len), *twice = arena_alloc(&a, 1, len);
	ProtobufCMessage *back;

	(void)ctx;
	must(once && twice && protobuf_c_message_pack(msg, once) == len);
	must(message_decode(msg->descriptor, once, len, &a, NULL, &back) == 0);
	must(protobuf_c_message_get_packed_size(back) == len);
	must(protobuf_c_message_pack(back, twice) == len && memcmp(once, twice, len) == 0);
	return 0;
}

static void check_result(int r, const struct image_error *err)
{
	/* Refusing is fine, but with a reason. */
	must(r == 0 || (r == -EUCLEAN && err->what[0]) || r == -ENOTSUP);
}

static void show(const uint8_t *data, size_t size, enum image_type type, bool pretty)
{
	const struct image_text_options how = { .pretty = pretty, .no_payload = size % 2 };
	scoped(image_reader_free) struct image_reader *in = NULL;
	struct image_error err = { 0 };
	static FILE *nowhere;
	int r;

	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	must(nowhere);
	r = reader_of(data, size, type, &err, &in);
	if (r == 0)
		r = image_text(in, &how, nowhere);
	check_result(r, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct image_visit visit = { .record = encode_again, .inner = encode_again };
	scoped(image_reader_free) struct image_reader *in = NULL;
	scoped(image_reader_free) struct image_reader *again = NULL;
	struct image_error err = { 0 };
	enum image_type type;
	int r;

	if (!size)
		return 0;
	type = data[0] % IMAGE_TYPES;
	if (!image_form(type)->entry)
		return 0;
	data++;
	size--;

	r = reader_of(data, size, type, &err, &in);
	if (r == 0)
		r = image_walk(in, &visit, NULL);
	check_result(r, &err);
	show(data, size, type, size % 3);

	if (type == IMAGE_MANIFEST && reader_of(data, size, type, &err, &again) == 0) {
		scoped(manifest_done) struct manifest m = { 0 };
		scoped(mem_free) char *run_id = NULL;

		check_result(manifest_load(&m, again, &run_id), &err);
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	return remove(path);
}

/* Three images of each type, by turns. */
size_t fuzz_seed(unsigned n, uint8_t *buf, size_t room)
{
	char path[] = "/tmp/stasis-fuzz-XXXXXX";
	scoped(arena_done) struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = 1 + n };
	struct image_error err = { 0 };
	enum image_type type = n % IMAGE_TYPES;
	char name[IMAGE_NAME_MAX];
	size_t len = 1;

	if (n >= 3 * IMAGE_TYPES)
		return 0;
	buf[0] = (uint8_t)type;
	must(mkdtemp(path));
	{
		scoped(image_dir_free) struct image_dir *dir = NULL;
		scoped(fd_close) int fd = -EBADF;
		ssize_t got;

		must(image_dir_open(path, IMAGE_DIR_DUMP, &err, &dir) == 0);
		sample_image(&s, dir, type, 1, 1 + n / IMAGE_TYPES);
		image_name(type, 1, name);
		fd = image_dir_open_file(dir, name, IMAGE_OPEN, &err);
		must(fd >= 0);
		got = fd_read_some(fd, buf + 1, room - 1);
		must(got >= 0);
		len += (size_t)got;
	}
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* litter */
	return len;
}
