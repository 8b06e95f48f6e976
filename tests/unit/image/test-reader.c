/* Records and raw bytes: written and read back, cut anywhere, and with sizes that lie. */
#include "image-test.h"

#include "samples/image.h"
#include "schema/pagemap.pb-c.h"
#include "schema/pstree.pb-c.h"

#define MAGIC                                                                                      \
	"\x19\x43\x56\x54"                                                                         \
	"\x30\x30\x27\x50" /* of pstree.img */
#define ENTRY                                                                                      \
	"\x0a\x00\x00\x00"                                                                         \
	"\x08\x01\x10\x00\x18\x01\x20\x01\x28\x01"

static int read_all(int fd, enum image_type type, struct image_error *err, unsigned *ret_n)
{
	struct image_reader *in = NULL;
	struct arena a = { 0 };
	ProtobufCMessage *msg;
	int r = image_reader_take_fd(fd, type, "test.img", err, &in);

	*ret_n = 0;
	while (r == 0 && (r = image_read(in, &a, &msg)) > 0) {
		(*ret_n)++;
		r = 0;
	}
	image_reader_free(in);
	arena_done(&a);
	return r;
}

static void refused(const void *bytes, size_t n, const char *why)
{
	struct image_error err = { 0 };
	unsigned records;

	assert_int_equal(read_all(bytes_fd(bytes, n), IMAGE_PSTREE, &err, &records), -EUCLEAN);
	assert_string_equal(sentence(&err), why);
}

static void records_come_back(void **state)
{
	struct image_error err = { 0 };
	unsigned n;

	(void)state;
	assert_int_equal(read_all(bytes_fd(MAGIC ENTRY ENTRY, 36), IMAGE_PSTREE, &err, &n), 0);
	assert_int_equal(n, 2);
	/* an image of version 1 */
	assert_int_equal(read_all(bytes_fd(&(MAGIC ENTRY)[4], 18), IMAGE_PSTREE, &err, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(read_all(bytes_fd(MAGIC, 8), IMAGE_PSTREE, &err, &n), 0);
	assert_int_equal(n, 0);
}

static void magic_is_checked(void **state)
{
	(void)state;
	refused("", 0, "test.img at offset 0: file ends where its magic should be");
	refused(MAGIC, 3, "test.img at offset 0: file ends in the middle of its magic");
	refused(MAGIC, 4, "test.img at offset 0: file ends where its magic should be");
	refused("\x19\x43\x56\x54zzzz", 8,
		"test.img at offset 0: magic 0x7a7a7a7a is not 0x50273030 of an image of type "
		"PSTREE");
	refused("\x40\x59\x10\x55"
		"\x30\x30\x27\x50",
		8, "test.img at offset 0: magic 0x50273030 has the wrong word before it");
}

static void sizes_are_not_believed(void **state)
{
	(void)state;
	refused(MAGIC "\xff\xff\xff\xff"
		      "1234",
		16, "test.img at offset 8: record of 4294967295 bytes where 4 are left");
	refused(MAGIC ENTRY "\x0b\x00\x00\x00"
			    "1234567890",
		36, "test.img at offset 22: record of 11 bytes where 10 are left");
	refused(MAGIC ENTRY "\x0a\x00", 24,
		"test.img at offset 22: file ends in the middle of the size of a record");
	refused(MAGIC ENTRY "\x02\x00\x00\x00"
			    "\x08\x01",
		28, "test.img at offset 26: pstree_entry lacks its field ppid");
}

/* Feeds bytes through a pipe, whose length nobody knows. */
static int pipe_of(const void *bytes, size_t n)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fd_write_all(ends[1], bytes, n), 0);
	close(ends[1]);
	return ends[0];
}

static void pipes_are_read_too(void **state)
{
	struct image_error err = { 0 };
	unsigned n;

	(void)state;
	assert_int_equal(read_all(pipe_of(MAGIC ENTRY ENTRY, 36), IMAGE_PSTREE, &err, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(read_all(pipe_of(MAGIC "\xff\xff\xff\x1f"
						"12",
					  14),
				  IMAGE_PSTREE, &err, &n),
			 -EUCLEAN);
	assert_string_equal(sentence(&err),
			    "test.img at offset 8: record of 536870911 bytes ends after 2");
}

static void guessing_finds_the_type(void **state)
{
	struct image_error err = { 0 };
	struct image_reader *in = NULL;

	(void)state;
	assert_int_equal(image_reader_guess_take_fd(bytes_fd(MAGIC, 8), "x", &err, &in), 0);
	assert_int_equal(image_reader_type(in), IMAGE_PSTREE);
	image_reader_free(in);
	assert_int_equal(image_reader_guess_take_fd(bytes_fd("\1\2\3\4\5", 5), "x", &err, &in),
			 -EUCLEAN);
	assert_string_equal(sentence(&err),
			    "x at offset 0: magic 0x04030201 is of no image of records");
}

/* Records larger than any buffer, raw bytes of all lengths between, read in other pieces than
 * written. */
static void long_records_and_raw_bytes(void **state)
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;
	struct image_writer *out = NULL;
	struct image_reader *in = NULL;
	struct arena a = { 0 };
	PstreeEntry e = PSTREE_ENTRY__INIT;
	ProtobufCMessage *msg;
	uint8_t raw[1000];
	char path[40];

	(void)state;
	tmp_dir(path);
	e.n_threads = 100000;
	e.threads = arena_alloc(&a, e.n_threads, 4);
	for (size_t i = 0; i < e.n_threads; i++)
		e.threads[i] = (uint32_t)(i * 7919);

	assert_int_equal(image_dir_open(path, IMAGE_DIR_DUMP, &err, &dir), 0);
	assert_int_equal(image_writer_create(dir, IMAGE_PSTREE, 0, &err, &out), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(image_write(out, &e.base), 0);
		for (unsigned j = 0; j < 200000; j += 1000) {
			memset(raw, (int)(i + j / 1000), sizeof(raw));
			assert_int_equal(image_write_raw(out, raw, sizeof(raw)), 0);
		}
	}
	assert_int_equal(image_writer_finish(out), 0);
	image_writer_free(out);

	assert_int_equal(image_reader_open(dir, IMAGE_PSTREE, 0, &err, &in), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(image_read(in, &a, &msg), 1);
		assert_int_equal(((PstreeEntry *)msg)->n_threads, 100000);
		assert_memory_equal(((PstreeEntry *)msg)->threads, e.threads, 400000);
		assert_int_equal(image_skip_raw(in, 1000 * (i + 1) + 10), 0);
		assert_int_equal(image_read_raw(in, raw, 980), 0);
		assert_int_equal(raw[0], 2 * i + 1);
		assert_int_equal(raw[979], 2 * i + 1);
		assert_int_equal(image_skip_raw(in, 200000 - 1000 * (i + 1) - 990), 0);
	}
	assert_int_equal(image_left(in), 0);
	assert_int_equal(image_read(in, &a, &msg), 0);
	assert_int_equal(image_read_raw(in, raw, 1), -EUCLEAN);
	assert_int_equal(image_skip_raw(in, UINT64_MAX), -EUCLEAN);
	image_reader_free(in);
	image_dir_free(dir);
	arena_done(&a);
}

static void heads_come_first(void **state)
{
	static const char bytes[] = "\x19\x43\x56\x54"
				    "\x25\x40\x08\x56"
				    "\x02\x00\x00\x00"
				    "\x08\x05"
				    "\x05\x00\x00\x00"
				    "\x08\x80\x20\x10\x01";
	struct image_error err = { 0 };
	struct image_reader *in = NULL;
	struct arena a = { 0 };
	ProtobufCMessage *msg;

	(void)state;
	assert_int_equal(image_reader_take_fd(bytes_fd(bytes, sizeof(bytes) - 1), IMAGE_PAGEMAP,
					      "p", &err, &in),
			 0);
	assert_int_equal(image_read(in, &a, &msg), 1);
	assert_int_equal(((PagemapHead *)msg)->pages_id, 5);
	assert_int_equal(image_read(in, &a, &msg), 1);
	assert_int_equal(((PagemapEntry *)msg)->vaddr, 0x1000);
	assert_int_equal(image_read(in, &a, &msg), 0);
	image_reader_free(in);
	arena_done(&a);
}

static void missing_required_fields_are_not_written(void **state)
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;
	struct image_writer *out = NULL;
	struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = 3 };
	ProtobufCMessage *msg;
	char path[40];

	(void)state;
	tmp_dir(path);
	assert_int_equal(image_dir_open(path, IMAGE_DIR_DUMP, &err, &dir), 0);
	assert_int_equal(image_writer_create(dir, IMAGE_UTSNS, 4, &err, &out), 0);
	msg = sample_message(&s, image_form(IMAGE_UTSNS)->entry);
	memset(msg + 1, 0, sizeof(char *)); /* nodename */
	assert_int_equal(image_write(out, msg), -EINVAL);
	assert_string_equal(sentence(&err), "utsns-4.img: utsns_entry lacks a required field");
	image_writer_free(out);
	image_dir_free(dir);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back),
		cmocka_unit_test(magic_is_checked),
		cmocka_unit_test(sizes_are_not_believed),
		cmocka_unit_test(pipes_are_read_too),
		cmocka_unit_test(guessing_finds_the_type),
		cmocka_unit_test(long_records_and_raw_bytes),
		cmocka_unit_test(heads_come_first),
		cmocka_unit_test(missing_required_fields_are_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
