/* Walking past whole images: all of it is seen, and what is cut off is noticed. */
#include "image-test.h"

#include <sys/stat.h>

#include "image/walk.h"
#include "samples/image.h"
#include "schema/ipc-shm.pb-c.h"

struct seen {
	unsigned records, inner, ends;
	uint64_t bytes;
};

static int on_record(void *ctx, const ProtobufCMessage *msg)
{
	((struct seen *)ctx)->records++;
	return 0;
}

static int on_inner(void *ctx, const ProtobufCMessage *msg)
{
	((struct seen *)ctx)->inner++;
	return 0;
}

static int on_bytes(void *ctx, const char *what, struct image_reader *in, uint64_t len)
{
	((struct seen *)ctx)->bytes += len;
	return image_skip_raw(in, len);
}

static int on_end(void *ctx)
{
	((struct seen *)ctx)->ends++;
	return 0;
}

static int walk(int fd, enum image_type type, struct image_error *err, struct seen *seen)
{
	static const struct image_visit visit = {
		.record = on_record,
		.inner = on_inner,
		.bytes = on_bytes,
		.end = on_end,
	};
	struct image_reader *in = NULL;
	int r = image_reader_take_fd(fd, type, "x", err, &in);

	*seen = (struct seen){ 0 };
	if (r == 0)
		r = image_walk(in, &visit, seen);
	image_reader_free(in);
	return r;
}

/* The bytes of a made-up image. */
static char *sample_bytes(enum image_type type, unsigned seed, size_t *ret_len)
{
	struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = seed };
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;
	char path[40], name[IMAGE_NAME_MAX], *bytes = NULL;

	tmp_dir(path);
	assert_int_equal(image_dir_open(path, IMAGE_DIR_DUMP, &err, &dir), 0);
	sample_image(&s, dir, type, 1, 3);
	image_name(type, 1, name);
	{
		scoped(fd_close) int fd = image_dir_open_file(dir, name, IMAGE_OPEN, &err);

		assert_int_equal(fd_read_to_end(fd, 1 << 20, &bytes, ret_len), 0);
	}
	image_dir_free(dir);
	arena_done(&a);
	return bytes;
}

/* A file that is cut somewhere either ends behind one of its records or is found damaged. */
static void every_cut_is_noticed(void **state)
{
	for (enum image_type t = 0; t < IMAGE_MANIFEST; t++) {
		struct image_error err = { 0 };
		struct seen all, part;
		unsigned good = 0;
		size_t len;
		char *bytes;

		if (!image_form(t)->entry)
			continue;
		bytes = sample_bytes(t, 4711, &len);
		assert_int_equal(walk(bytes_fd(bytes, len), t, &err, &all), 0);
		assert_int_equal(all.records, all.ends);
		for (size_t i = 0; i < len; i++) {
			int r = walk(bytes_fd(bytes, i), t, &err, &part);

			assert_true(r == 0 || r == -EUCLEAN);
			/* A ghost file without chunks may end anywhere. */
			if (r == 0 && image_form(t)->payload == PAYLOAD_GHOST)
				continue;
			good += r == 0;
			assert_true(r != 0 || part.records == good - 1);
		}
		/* Behind the magic, and behind each record but the last. */
		if (image_form(t)->payload != PAYLOAD_GHOST)
			assert_int_equal(good, all.records);
		mem_free(bytes);
	}
}

static void queues_have_inner_records(void **state)
{
	struct image_error err = { 0 };
	unsigned inner = 0;

	for (unsigned seed = 1; seed < 10; seed++) {
		struct seen seen;
		size_t len;
		char *bytes = sample_bytes(IMAGE_IPCNS_MSG, seed, &len);

		assert_int_equal(walk(bytes_fd(bytes, len), IMAGE_IPCNS_MSG, &err, &seen), 0);
		inner += seen.inner;
		mem_free(bytes);
	}
	assert_true(inner > 5);
}

/* ipc_shm_entry of `size` bytes, in the file or in a pagemap. */
static size_t shm_image(uint8_t buf[128], uint64_t size, bool in_pagemaps)
{
	IpcDescEntry desc = IPC_DESC_ENTRY__INIT;
	IpcShmEntry e = IPC_SHM_ENTRY__INIT;
	uint32_t head[3] = { IMAGE_MAGIC_COMMON, image_form(IMAGE_IPCNS_SHM)->magic };

	e.desc = &desc;
	e.size = size;
	e.has_in_pagemaps = e.in_pagemaps = in_pagemaps;
	head[2] = (uint32_t)ipc_shm_entry__pack(&e, buf + sizeof(head));
	memcpy(buf, head, sizeof(head));
	return sizeof(head) + head[2];
}

static void segments_may_be_elsewhere(void **state)
{
	struct image_error err = { 0 };
	uint8_t buf[128];
	struct seen seen;
	size_t n;

	n = shm_image(buf, 1ull << 40, true);
	assert_int_equal(walk(bytes_fd(buf, n), IMAGE_IPCNS_SHM, &err, &seen), 0);
	n = shm_image(buf, UINT64_MAX, false);
	assert_int_equal(walk(bytes_fd(buf, n), IMAGE_IPCNS_SHM, &err, &seen), -EUCLEAN);
	assert_string_equal(sentence(&err), "x at offset 8: followed by 18446744073709551615 raw "
					    "bytes where 0 are left");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(queues_have_inner_records),
		cmocka_unit_test(segments_may_be_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
