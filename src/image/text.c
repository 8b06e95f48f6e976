/* Showing images as JSON. See text.h; how fields look is in shown.h, the writer in json.h. */
#include "image/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "image/jsonout.h"
#include "image/shown.h"
#include "image/walk.h"
#include "schema/ghost-file.pb-c.h"

#define MINOR_BITS 20 /* of a dev_t inside the kernel */

struct text {
	struct jsonout json;
	struct image_text_options how;
	struct shown_fields shown;
	enum image_payload payload;
	uint64_t skipped; /* bytes of raw data, with no_payload */
};

static void put_message(struct text *t, const ProtobufCMessage *msg, bool hex);

/* ---- fields ---- */

/* A number as 64 bits, sign extended where the type has a sign. */
static uint64_t number_load(const ProtobufCFieldDescriptor *fd, const void *at, bool *ret_signed)
{
	*ret_signed = false;
	switch (fd->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		*ret_signed = true;
		return (uint64_t)(int64_t) * (const int32_t *)at;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		*ret_signed = true;
		return *(const uint64_t *)at;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT: /* the schema has neither this nor DOUBLE */
	case PROTOBUF_C_TYPE_BOOL:
		return *(const uint32_t *)at;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return *(const uint64_t *)at;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	assert(!"not a number");
	return 0;
}

static void put_plain(struct text *t, uint64_t v, bool is_signed)
{
	if (is_signed)
		jsonout_i64(&t->json, (int64_t)v);
	else
		jsonout_u64(&t->json, v);
}

static void put_hex(struct text *t, uint64_t v, bool is_signed)
{
	if (is_signed && (int64_t)v < 0)
		jsonout_stringf(&t->json, "-0x%" PRIx64, -v);
	else
		jsonout_stringf(&t->json, "0x%" PRIx64, v);
}

static void put_flags(struct text *t, uint64_t v, const struct shown_name *names)
{
	char text[512] = "";
	size_t n = 0;

	for (; names->name; names++) {
		if (!(v & names->value))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " | " : "",
				      names->name);
		v &= ~names->value;
		assert(n < sizeof(text));
	}
	if (v)
		jsonout_stringf(&t->json, "%s%s0x%" PRIx64, text, n ? " | " : "", v);
	else
		jsonout_stringf(&t->json, "%s", text);
}

static void put_value(struct text *t, uint64_t v, const struct shown_name *names)
{
	for (; names->name; names++) {
		if (names->value == v) {
			jsonout_string(&t->json, names->name, strlen(names->name));
			return;
		}
	}
	jsonout_u64(&t->json, v);
}

static void put_number(struct text *t, const ProtobufCFieldDescriptor *fd, const void *at, bool hex)
{
	const struct shown *shown = shown_find(&t->shown, fd);
	bool is_signed;
	uint64_t v = number_load(fd, at, &is_signed);

	if (!t->how.pretty) {
		put_plain(t, v, is_signed);
		return;
	}
	if (hex) {
		put_hex(t, v, is_signed);
		return;
	}
	switch (shown->how) {
	case SHOWN_HEX:
		put_hex(t, v, is_signed);
		break;
	case SHOWN_FLAGS:
		put_flags(t, v, shown->names);
		break;
	case SHOWN_VALUE:
		put_value(t, v, shown->names);
		break;
	case SHOWN_DEV:
		jsonout_stringf(&t->json, "%" PRIu64 ":%" PRIu64, v >> MINOR_BITS,
				v & ((1u << MINOR_BITS) - 1));
		break;
	case SHOWN_ODEV:
		jsonout_stringf(&t->json, "%u:%u", major(v), minor(v));
		break;
	case SHOWN_PLAIN:
	case SHOWN_IP:
	case SHOWN_QUOTED:
		put_plain(t, v, is_signed);
		break;
	}
}

static void put_enum(struct text *t, const ProtobufCEnumDescriptor *e, int v)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(e, v);

	if (value)
		jsonout_string(&t->json, value->name, strlen(value->name));
	else
		jsonout_i64(&t->json, v);
}

static void put_bytes(struct text *t, const ProtobufCFieldDescriptor *fd,
		      const ProtobufCBinaryData *b)
{
	if (shown_find(&t->shown, fd)->how == SHOWN_QUOTED)
		jsonout_quoted(&t->json, b->data, b->len);
	else
		jsonout_base64(&t->json, b->data, b->len);
}

static void put_element(struct text *t, const ProtobufCFieldDescriptor *fd, const void *at,
			bool hex)
{
	hex = hex || shown_find(&t->shown, fd)->how == SHOWN_HEX;
	if (fd->type == PROTOBUF_C_TYPE_MESSAGE)
		put_message(t, *(ProtobufCMessage *const *)at, hex);
	else if (fd->type == PROTOBUF_C_TYPE_STRING)
		jsonout_string(&t->json, *(char *const *)at, strlen(*(char *const *)at));
	else if (fd->type == PROTOBUF_C_TYPE_BYTES)
		put_bytes(t, fd, at);
	else if (fd->type == PROTOBUF_C_TYPE_BOOL)
		jsonout_bool(&t->json, *(const protobuf_c_boolean *)at);
	else if (fd->type == PROTOBUF_C_TYPE_ENUM)
		put_enum(t, fd->descriptor, *(const int *)at);
	else
		put_number(t, fd, at, hex);
}

/* Words as they lie in memory, which is network byte order. */
static void put_address4(struct text *t, const uint32_t *word)
{
	const uint8_t *b = (const uint8_t *)word;

	jsonout_stringf(&t->json, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
}

/* The first longest run of two or more zero groups, for "::". */
static void longest_zeros(const uint16_t group[8], unsigned *ret_at, unsigned *ret_n)
{
	*ret_at = *ret_n = 0;
	for (unsigned i = 0; i < 8; i++) {
		unsigned n = 0;

		while (i + n < 8 && !group[i + n])
			n++;
		if (n > MAX(*ret_n, 1u)) {
			*ret_at = i;
			*ret_n = n;
		}
	}
}

/* Not inet_ntop(3), which writes some addresses in the dotted form. */
static void put_address6(struct text *t, const uint32_t words[4])
{
	const uint8_t *b = (const uint8_t *)words;
	char text[48] = "";
	uint16_t group[8];
	unsigned at, zeros;
	size_t n = 0;

	for (unsigned i = 0; i < 8; i++)
		group[i] = (uint16_t)(b[2 * i] << 8 | b[2 * i + 1]);
	longest_zeros(group, &at, &zeros);

	for (unsigned i = 0; i < 8; i++) {
		if (zeros && i == at) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "::");
			i += zeros - 1;
			continue;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%x",
				      n && text[n - 1] != ':' ? ":" : "", group[i]);
	}
	jsonout_stringf(&t->json, "%s", text);
}

static void put_list(struct text *t, const ProtobufCFieldDescriptor *fd, const void *array,
		     size_t n, bool hex)
{
	size_t size = message_element_size(fd);
	bool is_ip = t->how.pretty && shown_find(&t->shown, fd)->how == SHOWN_IP;

	jsonout_open(&t->json, '[');
	if (is_ip && n == 1) {
		put_address4(t, array);
	} else if (is_ip && n == 4) {
		put_address6(t, array);
	} else {
		for (size_t i = 0; i < n; i++)
			put_element(t, fd, (const char *)array + i * size, hex);
	}
	jsonout_close(&t->json, ']');
}

static bool is_present(const ProtobufCFieldDescriptor *fd, const ProtobufCMessage *msg)
{
	const void *at = (const char *)msg + fd->offset;
	const void *quantifier = (const char *)msg + fd->quantifier_offset;

	if (fd->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	if (fd->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier > 0;
	if (fd->type == PROTOBUF_C_TYPE_STRING || fd->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)at && *(void *const *)at != fd->default_value;
	return *(const protobuf_c_boolean *)quantifier;
}

static void put_fields(struct text *t, const ProtobufCMessage *msg, bool hex)
{
	const ProtobufCMessageDescriptor *d = msg->descriptor;

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *fd = &d->fields[i];
		const void *at = (const char *)msg + fd->offset;
		const void *quantifier = (const char *)msg + fd->quantifier_offset;

		if (!is_present(fd, msg))
			continue;
		jsonout_key(&t->json, fd->name);
		if (fd->label != PROTOBUF_C_LABEL_REPEATED)
			put_element(t, fd, at, hex);
		else
			put_list(t, fd, *(void *const *)at, *(const size_t *)quantifier,
				 hex || shown_find(&t->shown, fd)->how == SHOWN_HEX);
	}

	if (!msg->n_unknown_fields)
		return;
	jsonout_key(&t->json, "unknown_fields");
	jsonout_open(&t->json, '[');
	for (unsigned i = 0; i < msg->n_unknown_fields; i++)
		jsonout_u64(&t->json, msg->unknown_fields[i].tag);
	jsonout_close(&t->json, ']');
}

static void put_message(struct text *t, const ProtobufCMessage *msg, bool hex)
{
	jsonout_open(&t->json, '{');
	put_fields(t, msg, hex);
	jsonout_close(&t->json, '}');
}

/* ---- payloads ---- */

static int bytes_as_base64(struct text *t, struct image_reader *in, uint64_t len)
{
	uint8_t piece[JSONOUT_BASE64_LINE * 512];
	int r = 0;

	jsonout_base64_begin(&t->json);
	while (len && r == 0) {
		size_t n = MIN(len, sizeof(piece));

		r = image_read_raw(in, piece, n);
		if (r == 0)
			jsonout_base64_piece(&t->json, piece, n);
		len -= n;
	}
	jsonout_base64_end(&t->json);
	return r;
}

static int bytes_as_numbers(struct text *t, struct image_reader *in, uint64_t len)
{
	uint16_t value;
	int r = 0;

	jsonout_open(&t->json, '[');
	for (; len >= sizeof(value) && r == 0; len -= sizeof(value)) {
		r = image_read_raw(in, &value, sizeof(value));
		if (r == 0)
			jsonout_u64(&t->json, value);
	}
	jsonout_close(&t->json, ']');
	return r;
}

static int on_bytes(void *ctx, const char *what, struct image_reader *in, uint64_t len)
{
	struct text *t = ctx;

	if (t->how.no_payload) {
		t->skipped += len;
		return image_skip_raw(in, len);
	}
	if (t->payload == PAYLOAD_TCP)
		jsonout_key(&t->json, what);
	else if (t->payload != PAYLOAD_MSG)
		jsonout_key(&t->json, "extra");
	if (t->payload == PAYLOAD_SEM)
		return bytes_as_numbers(t, in, len);
	return bytes_as_base64(t, in, len);
}

/* Where the payload is more than one thing, "extra" is a container for them. */
static char extra_bracket(const struct text *t, bool closing)
{
	if (t->how.no_payload)
		return '\0';
	if (t->payload == PAYLOAD_TCP)
		return closing ? '}' : '{';
	if (t->payload == PAYLOAD_MSG)
		return closing ? ']' : '[';
	return '\0';
}

static int on_record(void *ctx, const ProtobufCMessage *msg)
{
	struct text *t = ctx;
	char bracket = extra_bracket(t, false);

	jsonout_open(&t->json, '{');
	put_fields(t, msg, false);
	if (bracket) {
		jsonout_key(&t->json, "extra");
		jsonout_open(&t->json, bracket);
	}
	t->skipped = 0;
	return 0;
}

static int on_inner(void *ctx, const ProtobufCMessage *msg)
{
	struct text *t = ctx;
	bool pretty = t->how.pretty;

	if (t->how.no_payload) {
		t->skipped += protobuf_c_message_get_packed_size(msg);
		return 0;
	}
	/* A list of message, bytes, message, bytes... */
	t->how.pretty = false; /* plain numbers: CRIU's tool does so here */
	put_message(t, msg, false);
	t->how.pretty = pretty;
	return 0;
}

static void put_size(struct text *t)
{
	double n = (double)t->skipped;
	const char *unit = "\0KMGTPEZ";

	while (n >= 1024 && unit[1]) {
		n /= 1024;
		unit++;
	}
	jsonout_key(&t->json, "extra");
	if (n == (double)(uint64_t)n)
		jsonout_stringf(&t->json, "... <%" PRIu64 "%.1sB>", (uint64_t)n, unit);
	else
		jsonout_stringf(&t->json, "... <%.1f%.1sB>", n, unit);
}

static int on_end(void *ctx)
{
	struct text *t = ctx;
	char bracket = extra_bracket(t, true);

	if (bracket)
		jsonout_close(&t->json, bracket);
	if (t->how.no_payload && t->payload != PAYLOAD_NONE && t->payload != PAYLOAD_GHOST)
		put_size(t);
	jsonout_close(&t->json, '}');
	return 0;
}

/* ---- whole images ---- */

static int text_init(struct text *t, const struct image_text_options *how, FILE *out)
{
	*t = (struct text){ .how = *how, .json = { .f = out, .pretty = how->pretty } };
	return shown_init(&t->shown);
}

static int text_done(struct text *t)
{
	shown_done(&t->shown);
	return ferror(t->json.f) ? -EIO : 0;
}

/* The name of the image's magic, which several types may share. */
static const char *magic_name(enum image_type type)
{
	enum image_type first;

	if (image_type_by_magic(image_form(type)->magic, &first) < 0)
		first = type;
	return image_form(first)->name;
}

int image_text(struct image_reader *in, const struct image_text_options *how, FILE *out)
{
	static const struct image_visit visit = {
		.record = on_record,
		.inner = on_inner,
		.bytes = on_bytes,
		.end = on_end,
	};
	const char *name = magic_name(image_reader_type(in));
	struct text t;
	int r, write_error;

	r = text_init(&t, how, out);
	t.payload = image_form(image_reader_type(in))->payload;
	if (r == 0) {
		jsonout_open(&t.json, '{');
		jsonout_key(&t.json, "magic");
		jsonout_string(&t.json, name, strlen(name));
		jsonout_key(&t.json, "entries");
		jsonout_open(&t.json, '[');
		r = image_walk(in, &visit, &t);
	}
	if (r == 0) {
		jsonout_close(&t.json, ']');
		jsonout_close(&t.json, '}');
		fputc('\n', out);
	}
	write_error = text_done(&t);
	return r < 0 ? r : write_error;
}

int message_text(const ProtobufCMessage *msg, const struct image_text_options *how, FILE *out)
{
	struct text t;
	int r, write_error;

	r = text_init(&t, how, out);
	if (r == 0)
		put_message(&t, msg, false);
	write_error = text_done(&t);
	return r < 0 ? r : write_error;
}
