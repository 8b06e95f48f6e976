/* Images as JSON. That all types look as CRIU's tool shows them is tested with that tool, in
 * tests/compat; here are the corners, and what only we do. */
#include "image-test.h"

#include <stdlib.h>

#include "image/jsonout.h"
#include "image/text.h"
#include "schema/core.pb-c.h"
#include "schema/pstree.pb-c.h"
#include "schema/sk-inet.pb-c.h"
#include "schema/utsns.pb-c.h"
#include "schema/vma.pb-c.h"

static void expect_message(const ProtobufCMessage *msg, bool pretty, const char *want)
{
	const struct image_text_options how = { .pretty = pretty };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(message_text(msg, &how, f), 0);
	fclose(f);
	assert_string_equal(text, want);
	free(text);
}

static void strings_are_valid_json(void **state)
{
	UtsnsEntry e = UTSNS_ENTRY__INIT;

	e.nodename = (char *)"a\"b\\\n\x7f\xc3\xa9";
	e.domainname = (char *)"\xff\xc0\xaf\xed\xa0\x80\xf0\x9f\x94\x91\xe2\x82";
	expect_message(
		&e.base, false,
		"{\"nodename\": \"a\\\"b\\\\\\n\\u007f\\u00e9\", \"domainname\": "
		"\"\\udcff\\udcc0\\udcaf\\udced\\udca0\\udc80\\ud83d\\udd11\\udce2\\udc82\"}");
}

static void numbers_have_all_their_bits(void **state)
{
	RlimitEntry e = RLIMIT_ENTRY__INIT;

	e.cur = UINT64_MAX;
	e.max = INT64_MAX;
	expect_message(
		&e.base, true,
		"{\n    \"cur\": 18446744073709551615,\n    \"max\": 9223372036854775807\n}");
}

static void flags_are_words(void **state)
{
	VmaEntry e = VMA_ENTRY__INIT;

	e.start = 0x400000;
	e.prot = 5;
	e.status = 0x20041;
	e.fd = -1;
	e.flags = 0x8000000;
	expect_message(
		&e.base, true,
		"{\n"
		"    \"start\": \"0x400000\",\n"
		"    \"end\": \"0x0\",\n"
		"    \"pgoff\": 0,\n"
		"    \"shmid\": 0,\n"
		"    \"prot\": \"PROT_READ | PROT_EXEC\",\n"
		"    \"flags\": \"0x8000000\",\n"
		"    \"status\": \"VMA_AREA_REGULAR | VMA_FILE_PRIVATE | VMA_AREA_UPROBES\",\n"
		"    \"fd\": -1\n"
		"}");
}

static void expect_address(const char *wire, size_t words, const char *want)
{
	uint32_t addr[4];
	InetSkEntry e = INET_SK_ENTRY__INIT;
	FownEntry fown = FOWN_ENTRY__INIT;
	SkOptsEntry opts = SK_OPTS_ENTRY__INIT;
	const struct image_text_options how = { .pretty = true };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	memcpy(addr, wire, words * 4);
	e.src_addr = addr;
	e.n_src_addr = words;
	e.fown = &fown;
	e.opts = &opts;
	assert_int_equal(message_text(&e.base, &how, f), 0);
	fclose(f);
	assert_non_null(strstr(text, want));
	free(text);
}

static void addresses_are_readable(void **state)
{
	expect_address("\x7f\0\0\1", 1, "\"127.0.0.1\"");
	expect_address("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 4, "\"::\"");
	expect_address("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 4, "\"::1\"");
	expect_address("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\1\0\0", 4, "\"fe80::1:0\"");
	expect_address("\x20\1\x0d\xb8\0\0\0\1\0\1\0\1\0\1\0\1", 4, "\"2001:db8:0:1:1:1:1:1\"");
	expect_address("\x20\1\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 4, "\"2001:0:0:1::1\"");
	expect_address("\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4", 4, "\"::ffff:102:304\"");
}

static void what_the_schema_lacks_is_not_hidden(void **state)
{
	/* pstree_entry of one task, then field 1000 and a field of another future. */
	static const uint8_t bytes[] = { 8, 1, 16, 0, 24, 1, 32, 1, 0xc0, 0x3e, 5, 0xc8, 0x3e, 1 };
	struct arena a = { 0 };
	ProtobufCMessage *msg;
	TaskCoreEntry tc = TASK_CORE_ENTRY__INIT;

	assert_int_equal(
		message_decode(&pstree_entry__descriptor, bytes, sizeof(bytes), &a, NULL, &msg), 0);
	expect_message(msg, false,
		       "{\"pid\": 1, \"ppid\": 0, \"pgid\": 1, \"sid\": 1, "
		       "\"unknown_fields\": [1000, 1001]}");
	arena_done(&a);

	tc.comm = (char *)"x";
	tc.has_old_seccomp_mode = 1;
	tc.old_seccomp_mode = 77;
	expect_message(&tc.base, false,
		       "{\"task_state\": 0, \"exit_code\": 0, \"personality\": 0, \"flags\": 0, "
		       "\"blk_sigset\": 0, \"comm\": \"x\", \"old_seccomp_mode\": 77}");
}

static void quoted_lines_are_short(void **state)
{
	static uint8_t zeros[50];
	struct jsonout j = { 0 };
	char *text = NULL;
	size_t len;

	j.f = open_memstream(&text, &len);
	jsonout_quoted(&j, zeros, sizeof(zeros));
	jsonout_quoted(&j, (const uint8_t *)"a b \n.\n=\r\nend ", 14);
	fclose(j.f);
	assert_memory_equal(text, "\"=00=00", 7);
	assert_ptr_equal(strstr(text, "=\\n"), text + 1 + 75);
	assert_non_null(strstr(text, "\"a b=20\\n=2E\\n=3D=0D\\nend=20\""));
	free(text);
}

/* What payloads look like when they are left out, and errors in the middle. */
static void payloads_can_be_left_out(void **state)
{
	static const char bytes[] = "\x19\x43\x56\x54\x09\x37\x45\x56\x04\0\0\0\x08\x01\x10\x03"
				    "abc";
	const struct image_text_options how = { .no_payload = true };
	struct image_error err = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t n = sizeof(bytes) - 1; n > sizeof(bytes) - 3; n--) {
		scoped(image_reader_free) struct image_reader *in = NULL;

		assert_int_equal(image_reader_take_fd(bytes_fd(bytes, n), IMAGE_PIPES_DATA, "p",
						      &err, &in),
				 0);
		assert_int_equal(image_text(in, &how, f), n == sizeof(bytes) - 1 ? 0 : -EUCLEAN);
	}
	fclose(f);
	assert_memory_equal(text,
			    "{\"magic\": \"PIPES_DATA\", \"entries\": "
			    "[{\"pipe_id\": 1, \"bytes\": 3, \"extra\": \"... <3B>\"}]}\n",
			    85);
	assert_string_equal(sentence(&err), "p at offset 8: followed by 3 raw bytes where 2 are "
					    "left");
	free(text);
}

static void full_disks_are_told(void **state)
{
	const struct image_text_options how = { 0 };
	UtsnsEntry e = UTSNS_ENTRY__INIT;
	FILE *f = fopen("/dev/full", "we");

	e.nodename = e.domainname = (char *)"x";
	setvbuf(f, NULL, _IONBF, 0);
	assert_int_equal(message_text(&e.base, &how, f), -EIO);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_valid_json),
		cmocka_unit_test(numbers_have_all_their_bits),
		cmocka_unit_test(flags_are_words),
		cmocka_unit_test(addresses_are_readable),
		cmocka_unit_test(what_the_schema_lacks_is_not_hidden),
		cmocka_unit_test(quoted_lines_are_short),
		cmocka_unit_test(payloads_can_be_left_out),
		cmocka_unit_test(full_disks_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
