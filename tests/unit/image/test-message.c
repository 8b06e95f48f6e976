/* Decoding messages: what is good comes out as it went in, what is bad is refused with its place.
 */
#include "image-test.h"

#include "samples/image.h"
#include "schema/apparmor.pb-c.h"
#include "schema/cgroup.pb-c.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/pstree.pb-c.h"
#include "schema/stasis.pb-c.h"
#include "schema/tty.pb-c.h"
#include "schema/utsns.pb-c.h"

struct packed {
	uint8_t *at;
	size_t n;
};

static struct packed pack(struct arena *a, const ProtobufCMessage *msg)
{
	struct packed p = { .n = protobuf_c_message_get_packed_size(msg) };

	p.at = arena_alloc(a, 1, p.n);
	assert_int_equal(protobuf_c_message_pack(msg, p.at), p.n);
	return p;
}

static void assert_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	struct arena arena = { 0 };
	struct packed pa = pack(&arena, a), pb = pack(&arena, b);

	assert_int_equal(pa.n, pb.n);
	assert_memory_equal(pa.at, pb.at, pa.n);
	arena_done(&arena);
}

/* Runs fn for the messages of all image types. */
static void each_message(void (*fn)(const ProtobufCMessageDescriptor *d))
{
	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		const struct image_form *form = image_form(t);

		if (form->head)
			fn(form->head);
		if (form->entry)
			fn(form->entry);
	}
}

static void round_trip(const ProtobufCMessageDescriptor *d)
{
	for (uint64_t seed = 1; seed < 30; seed++) {
		struct arena a = { 0 };
		struct sample s = { .arena = &a, .state = seed };
		ProtobufCMessage *msg = sample_message(&s, d), *again;
		struct packed p = pack(&a, msg);

		assert_int_equal(message_decode(d, p.at, p.n, &a, NULL, &again), 0);
		assert_same(msg, again);
		arena_done(&a);
	}
}

static void every_message_comes_back(void **state)
{
	(void)state;
	each_message(round_trip);
}

/* We accept nothing that the library refuses, and understand the rest as it does. */
static void compare(const ProtobufCMessageDescriptor *d, const struct packed *p)
{
	struct arena a = { 0 };
	struct image_error err = { 0 };
	ProtobufCMessage *ours, *theirs = protobuf_c_message_unpack(d, NULL, p->n, p->at);
	int r = message_decode(d, p->at, p->n, &a, &err, &ours);

	if (r == 0) {
		assert_non_null(theirs);
		assert_same(ours, theirs);
	} else {
		assert_int_equal(r, -EUCLEAN);
		assert_true(err.has_offset && err.offset <= p->n && err.what[0]);
	}
	if (theirs)
		protobuf_c_message_free_unpacked(theirs, NULL);
	arena_done(&a);
}

static void damage(const ProtobufCMessageDescriptor *d)
{
	struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = 77 };
	struct packed p = pack(&a, sample_message(&s, d));

	for (size_t i = 0; i < p.n; i++) {
		struct packed cut = { .at = p.at, .n = i };

		compare(d, &cut);
		for (unsigned bit = 0; bit < 8; bit++) {
			p.at[i] ^= 1u << bit;
			compare(d, &p);
			p.at[i] ^= 1u << bit;
		}
	}
	arena_done(&a);
}

static void damage_is_found_or_harmless(void **state)
{
	(void)state;
	each_message(damage);
}

static void refused(const ProtobufCMessageDescriptor *d, const void *bytes, size_t n,
		    const char *what)
{
	struct arena a = { 0 };
	struct image_error err = { 0 };
	ProtobufCMessage *msg;

	assert_int_equal(message_decode(d, bytes, n, &a, &err, &msg), -EUCLEAN);
	assert_string_equal(err.what, what);
	arena_done(&a);
}

static void refusals_have_reasons(void **state)
{
	const ProtobufCMessageDescriptor *uts = &utsns_entry__descriptor;

	(void)state;
	refused(uts, "\x0a\x01h", 3, "utsns_entry lacks its field domainname");
	refused(uts, "\x0a\x05h", 3, "field 1 goes beyond the end of its message");
	refused(uts, "\x08\x05", 2, "utsns_entry.nodename has the wrong wire type 0");
	refused(uts, "\x0a\x02h\0\x12\0", 6, "nodename holds a NUL byte");
	refused(uts, "\x0b", 1, "field 1 has wire type 3, which does not exist");
	refused(uts, "\x00\x01", 2, "not the tag of a field");
	refused(uts, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "not the tag of a field");
	refused(&tty_info_entry__descriptor, "\x62\x02\x08\x01\x62\x02\x08\x01", 8,
		"tty_info_entry.pty is there twice");
	refused(&manifest_entry__descriptor,
		"\x1a\x07"
		"1234567",
		9, "manifest_entry.sums: packed numbers end in the middle");
}

static void unknown_fields_and_values_are_kept(void **state)
{
	/* nodename, then field 1000 (bytes), then domainname, then field 1001 (varint) */
	static const uint8_t uts[] = {
		0x0a, 1, 'h', 0xc2, 0x3e, 2, 'x', 0, 0x12, 0, 0xc8, 0x3e, 5
	};
	static const uint8_t fdinfo[] = { 0x08, 1, 0x10, 0, 0x18, 99, 0x20, 3 }; /* type 99 */
	struct arena a = { 0 };
	ProtobufCMessage *msg;
	struct packed p;

	(void)state;
	assert_int_equal(message_decode(&utsns_entry__descriptor, uts, sizeof(uts), &a, NULL, &msg),
			 0);
	assert_int_equal(msg->n_unknown_fields, 2);
	assert_int_equal(msg->unknown_fields[1].tag, 1001);
	p = pack(&a, msg);
	assert_int_equal(p.n, sizeof(uts));

	assert_int_equal(message_decode(&fdinfo_entry__descriptor, fdinfo, sizeof(fdinfo), &a, NULL,
					&msg),
			 0);
	assert_int_equal(((FdinfoEntry *)msg)->type, 99);
	arena_done(&a);
}

static void packed_and_plain_lists_are_the_same(void **state)
{
	static const uint8_t mixed[] = {
		8, 1, 16, 0, 24, 1, 32, 1, 40, 7, 42, 3, 8, 0x80, 1, 40, 9
	};
	struct arena a = { 0 };
	ProtobufCMessage *msg;
	const PstreeEntry *e;

	(void)state;
	assert_int_equal(
		message_decode(&pstree_entry__descriptor, mixed, sizeof(mixed), &a, NULL, &msg), 0);
	e = (const PstreeEntry *)msg;
	assert_int_equal(e->n_threads, 4);
	assert_int_equal(e->threads[0], 7);
	assert_int_equal(e->threads[1], 8);
	assert_int_equal(e->threads[2], 128);
	assert_int_equal(e->threads[3], 9);
	arena_done(&a);
}

/* cgroup_dir_entry { children { children { ... } } }, built from the inside. */
static size_t nest(uint8_t *buf, size_t room, unsigned levels)
{
	size_t at = room;

	for (unsigned i = 0; i < levels; i++) {
		size_t inner = room - at;

		if (i) {
			/* the tag and length of what is there already */
			uint8_t head[8] = { 0x12 };
			size_t n = 1;

			for (size_t v = inner; n == 1 || v; v >>= 7)
				head[n++] = (v & 0x7f) | (v >> 7 ? 0x80 : 0);
			at -= n;
			memcpy(buf + at, head, n);
		}
		at -= 2;
		memcpy(buf + at, "\x0a\x00", 2); /* dir_name "" */
	}
	memmove(buf, buf + at, room - at);
	return room - at;
}

static void depth_is_bounded(void **state)
{
	static uint8_t buf[1 << 20];
	struct arena a = { 0 };
	ProtobufCMessage *msg;
	size_t n;

	(void)state;
	n = nest(buf, sizeof(buf), MESSAGE_DEPTH_MAX);
	assert_int_equal(message_decode(&cgroup_dir_entry__descriptor, buf, n, &a, NULL, &msg), 0);
	n = nest(buf, sizeof(buf), 100000);
	refused(&cgroup_dir_entry__descriptor, buf, n,
		"messages are nested deeper than 100 levels");
	arena_done(&a);
}

/* A list of empty messages is the most memory for the least bytes: what the schema allows is read,
 * a list of larger structs would not be. */
static void memory_is_bounded(void **state)
{
	static uint8_t buf[200000];
	ProtobufCMessageDescriptor outer = cgroup_entry__descriptor;
	ProtobufCMessageDescriptor inner = cg_controller_entry__descriptor;
	ProtobufCFieldDescriptor fields[2];
	struct arena a = { 0 };
	ProtobufCMessage *msg;

	(void)state;
	for (size_t i = 0; i < sizeof(buf); i += 2)
		memcpy(buf + i, "\x12\x00", 2); /* cgroup_entry.controllers */
	assert_int_equal(message_decode(&outer, buf, sizeof(buf), &a, NULL, &msg), 0);
	assert_int_equal(((CgroupEntry *)msg)->n_controllers, 100000);
	arena_done(&a);

	assert_int_equal(outer.n_fields, 2);
	memcpy(fields, outer.fields, sizeof(fields));
	fields[1].descriptor = &inner;
	outer.fields = fields;
	inner.sizeof_message = 4096;
	refused(&outer, buf, sizeof(buf), "message would take more than 40 times its size");
}

static void count_fields(const ProtobufCMessageDescriptor *d)
{
	assert_true(d->n_fields <= 128);
	for (unsigned i = 0; i < d->n_fields; i++) {
		assert_true(!(d->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF));
		if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE && d->fields[i].descriptor != d &&
		    d != &aa_namespace__descriptor)
			count_fields(d->fields[i].descriptor);
	}
}

static void schema_fits_the_decoder(void **state)
{
	(void)state;
	each_message(count_fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back),
		cmocka_unit_test(damage_is_found_or_harmless),
		cmocka_unit_test(refusals_have_reasons),
		cmocka_unit_test(unknown_fields_and_values_are_kept),
		cmocka_unit_test(packed_and_plain_lists_are_the_same),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(schema_fits_the_decoder),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
