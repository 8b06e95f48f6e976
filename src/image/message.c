/*
 * Decoding of messages. See message.h.
 *
 * Two passes over the fields of each message: the first checks and counts, so that every array can
 * be allocated in its final size; the second fills. Covers what proto2 can say in the schema: no
 * groups, no oneof, no extensions.
 */
#include "image/message.h"

#include <inttypes.h>
#include <string.h>

#define FIELDS_MAX 128 /* of a message; a test holds the schema to it */

struct decoder {
	struct arena *arena;
	const uint8_t *start; /* of the outermost message: offsets count from here */
	size_t budget;        /* bytes of memory that may still be taken */
	struct image_error *err;
};

struct cursor {
	const uint8_t *at, *end;
};

/* One field as it stands in the bytes. */
struct wire_field {
	const uint8_t *at; /* of its tag */
	uint32_t id;
	ProtobufCWireType type;
	uint64_t number;     /* VARINT, 32BIT, 64BIT */
	const uint8_t *body; /* behind the tag, up to the end of the field */
	const uint8_t *data; /* LENGTH_PREFIXED: behind the length */
	size_t len;
	const uint8_t *end;
};

static int decode(struct decoder *d, const ProtobufCMessageDescriptor *desc, struct cursor in,
		  unsigned depth, ProtobufCMessage **ret_msg);

#define damaged(d, at, ...)                                                                        \
	image_fail_at((d)->err, "", (uint64_t)((at) - (d)->start), -EUCLEAN, __VA_ARGS__)

static void *take(struct decoder *d, const uint8_t *at, size_t n, size_t size, int *ret_error)
{
	size_t need;
	void *p;

	if (__builtin_mul_overflow(n, size, &need) || need > d->budget) {
		*ret_error = damaged(d, at, "message would take more than %d times its size",
				     MESSAGE_GROWTH_MAX);
		return NULL;
	}
	d->budget -= need;

	p = arena_alloc(d->arena, n, size);
	if (!p)
		*ret_error = -ENOMEM;
	return p;
}

static bool varint_next(struct cursor *in, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool fixed_next(struct cursor *in, size_t size, uint64_t *ret)
{
	uint64_t v = 0;

	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "images are little endian");
	if ((size_t)(in->end - in->at) < size)
		return false;
	memcpy(&v, in->at, size);
	in->at += size;
	*ret = v;
	return true;
}

/* The next field of a message that has bytes left. */
static int field_next(struct decoder *d, struct cursor *in, struct wire_field *ret)
{
	struct wire_field f = { .at = in->at };
	uint64_t tag, len;
	bool whole = true;

	if (!varint_next(in, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return damaged(d, f.at, "not the tag of a field");
	f.id = (uint32_t)(tag >> 3);
	f.type = (ProtobufCWireType)(tag & 7);
	f.body = in->at;

	switch (f.type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		whole = varint_next(in, &f.number);
		break;
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		whole = fixed_next(in, 8, &f.number);
		break;
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		whole = fixed_next(in, 4, &f.number);
		break;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		if (!varint_next(in, &len) || len > (uint64_t)(in->end - in->at)) {
			whole = false;
			break;
		}
		f.data = in->at;
		f.len = len;
		in->at += len;
		break;
	default:
		return damaged(d, f.at, "field %" PRIu32 " has wire type %u, which does not exist",
			       f.id, (unsigned)f.type);
	}
	if (!whole)
		return damaged(d, f.at, "field %" PRIu32 " goes beyond the end of its message",
			       f.id);

	f.end = in->at;
	*ret = f;
	return 0;
}

static ProtobufCWireType wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PROTOBUF_C_WIRE_TYPE_32BIT;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PROTOBUF_C_WIRE_TYPE_64BIT;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return PROTOBUF_C_WIRE_TYPE_VARINT;
	}
	assert(!"a field type that protobuf-c does not have");
	return PROTOBUF_C_WIRE_TYPE_VARINT;
}

size_t message_element_size(const ProtobufCFieldDescriptor *fd)
{
	switch (fd->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	}
	assert(!"a field type that protobuf-c does not have");
	return 0;
}

static bool is_packed(const ProtobufCFieldDescriptor *fd, const struct wire_field *f)
{
	return fd->label == PROTOBUF_C_LABEL_REPEATED &&
	       f->type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
	       wire_type_of(fd->type) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
}

static bool packed_next(const ProtobufCFieldDescriptor *fd, struct cursor *in, uint64_t *ret)
{
	switch (wire_type_of(fd->type)) {
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		return fixed_next(in, 4, ret);
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		return fixed_next(in, 8, ret);
	case PROTOBUF_C_WIRE_TYPE_VARINT:
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		break;
	}
	return varint_next(in, ret);
}

/* How many elements the field adds. */
static int field_count(struct decoder *d, const ProtobufCMessageDescriptor *desc,
		       const ProtobufCFieldDescriptor *fd, const struct wire_field *f,
		       size_t *ret_n)
{
	struct cursor in;
	uint64_t value;

	*ret_n = 0;
	if (!is_packed(fd, f)) {
		if (f->type != wire_type_of(fd->type))
			return damaged(d, f->at, "%s.%s has the wrong wire type %u", desc->name,
				       fd->name, (unsigned)f->type);
		*ret_n = 1;
		return 0;
	}

	in = (struct cursor){ f->data, f->end };
	while (in.at < in.end) {
		if (!packed_next(fd, &in, &value))
			return damaged(d, in.at, "%s.%s: packed numbers end in the middle",
				       desc->name, fd->name);
		(*ret_n)++;
	}
	return 0;
}

/* First pass: every field is whole and of the right type, required ones are there. */
static int fields_check(struct decoder *d, const ProtobufCMessageDescriptor *desc, struct cursor in,
			size_t counts[FIELDS_MAX], size_t *ret_unknown)
{
	const uint8_t *start = in.at;
	int r;

	*ret_unknown = 0;
	while (in.at < in.end) {
		const ProtobufCFieldDescriptor *fd;
		struct wire_field f;
		size_t n;

		r = field_next(d, &in, &f);
		if (r < 0)
			return r;
		fd = protobuf_c_message_descriptor_get_field(desc, f.id);
		if (!fd) {
			(*ret_unknown)++;
			continue;
		}
		r = field_count(d, desc, fd, &f, &n);
		if (r < 0)
			return r;
		if (fd->type == PROTOBUF_C_TYPE_MESSAGE && counts[fd - desc->fields] &&
		    fd->label != PROTOBUF_C_LABEL_REPEATED)
			return damaged(d, f.at, "%s.%s is there twice", desc->name, fd->name);
		counts[fd - desc->fields] += n;
	}

	for (unsigned i = 0; i < desc->n_fields; i++) {
		if (desc->fields[i].label == PROTOBUF_C_LABEL_REQUIRED && !counts[i])
			return damaged(d, start, "%s lacks its field %s", desc->name,
				       desc->fields[i].name);
	}
	return 0;
}

static int32_t unzigzag32(uint32_t v)
{
	return (int32_t)(v >> 1 ^ -(v & 1));
}

static int64_t unzigzag64(uint64_t v)
{
	return (int64_t)(v >> 1 ^ -(v & 1));
}

/* Stores a number as the C type of the field. Numbers too wide for it lose their high bits, as the
 * protobuf rules say. */
static void number_store(const ProtobufCFieldDescriptor *fd, uint64_t number, void *to)
{
	uint32_t narrow = (uint32_t)number;

	switch (fd->type) {
	case PROTOBUF_C_TYPE_SINT32:
		narrow = (uint32_t)unzigzag32(narrow);
		break;
	case PROTOBUF_C_TYPE_SINT64:
		number = (uint64_t)unzigzag64(number);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		narrow = number != 0;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}

	static_assert(sizeof(protobuf_c_boolean) == 4 && sizeof(int) == 4, "as number_store does");
	if (message_element_size(fd) == sizeof(narrow))
		memcpy(to, &narrow, sizeof(narrow));
	else
		memcpy(to, &number, sizeof(number));
}

/* Stores one element that is not packed. */
static int element_store(struct decoder *d, const ProtobufCFieldDescriptor *fd,
			 const struct wire_field *f, unsigned depth, void *to)
{
	ProtobufCBinaryData bytes;
	ProtobufCMessage *msg;
	char *s;
	int r = 0;

	if (fd->type == PROTOBUF_C_TYPE_MESSAGE) {
		r = decode(d, fd->descriptor, (struct cursor){ f->data, f->end }, depth + 1, &msg);
		if (r == 0)
			memcpy(to, &msg, sizeof(msg));
		return r;
	}

	if (fd->type != PROTOBUF_C_TYPE_STRING && fd->type != PROTOBUF_C_TYPE_BYTES) {
		number_store(fd, f->number, to);
		return 0;
	}

	if (fd->type == PROTOBUF_C_TYPE_STRING && memchr(f->data, '\0', f->len))
		return damaged(d, f->at, "%s holds a NUL byte", fd->name);
	s = take(d, f->at, f->len + 1, 1, &r); /* the byte more is zero: it ends strings */
	if (!s)
		return r;
	memcpy(s, f->data, f->len);
	if (fd->type == PROTOBUF_C_TYPE_STRING) {
		memcpy(to, &s, sizeof(s));
	} else {
		bytes = (ProtobufCBinaryData){ .len = f->len, .data = (uint8_t *)s };
		memcpy(to, &bytes, sizeof(bytes));
	}
	return 0;
}

static int repeated_store(struct decoder *d, const ProtobufCFieldDescriptor *fd,
			  const struct wire_field *f, unsigned depth, ProtobufCMessage *msg)
{
	size_t *n = (size_t *)((char *)msg + fd->quantifier_offset);
	char *array = *(char **)((char *)msg + fd->offset);
	size_t size = message_element_size(fd);
	struct cursor in;
	uint64_t number;
	int r;

	if (!is_packed(fd, f)) {
		r = element_store(d, fd, f, depth, array + *n * size);
		if (r == 0)
			(*n)++;
		return r;
	}

	in = (struct cursor){ f->data, f->end };
	while (in.at < in.end && packed_next(fd, &in, &number))
		number_store(fd, number, array + (*n)++ * size);
	return 0;
}

static int unknown_store(struct decoder *d, const struct wire_field *f, ProtobufCMessage *msg)
{
	size_t len = f->end - f->body;
	int r = 0;
	uint8_t *data = take(d, f->at, len, 1, &r);

	if (!data)
		return r;
	memcpy(data, f->body, len);
	msg->unknown_fields[msg->n_unknown_fields++] = (ProtobufCMessageUnknownField){
		.tag = f->id,
		.wire_type = f->type,
		.len = len,
		.data = data,
	};
	return 0;
}

static bool has_presence_word(const ProtobufCFieldDescriptor *fd)
{
	return fd->label == PROTOBUF_C_LABEL_OPTIONAL && fd->type != PROTOBUF_C_TYPE_STRING &&
	       fd->type != PROTOBUF_C_TYPE_MESSAGE;
}

/* Second pass: everything was counted and has its place. */
static int fields_fill(struct decoder *d, const ProtobufCMessageDescriptor *desc, struct cursor in,
		       unsigned depth, ProtobufCMessage *msg)
{
	int r = 0;

	while (in.at < in.end && r == 0) {
		const ProtobufCFieldDescriptor *fd;
		struct wire_field f;

		r = field_next(d, &in, &f);
		if (r < 0)
			return r;

		fd = protobuf_c_message_descriptor_get_field(desc, f.id);
		if (!fd) {
			r = unknown_store(d, &f, msg);
		} else if (fd->label == PROTOBUF_C_LABEL_REPEATED) {
			r = repeated_store(d, fd, &f, depth, msg);
		} else {
			r = element_store(d, fd, &f, depth, (char *)msg + fd->offset);
			if (r == 0 && has_presence_word(fd))
				*(protobuf_c_boolean *)((char *)msg + fd->quantifier_offset) = 1;
		}
	}
	return r;
}

static int decode(struct decoder *d, const ProtobufCMessageDescriptor *desc, struct cursor in,
		  unsigned depth, ProtobufCMessage **ret_msg)
{
	size_t counts[FIELDS_MAX] = { 0 }, unknown;
	ProtobufCMessage *msg;
	int r;

	assert(desc->n_fields <= FIELDS_MAX);
	if (depth >= MESSAGE_DEPTH_MAX)
		return damaged(d, in.at, "messages are nested deeper than %d levels",
			       MESSAGE_DEPTH_MAX);
	r = fields_check(d, desc, in, counts, &unknown);
	if (r < 0)
		return r;

	msg = take(d, in.at, 1, desc->sizeof_message, &r);
	if (!msg)
		return r;
	protobuf_c_message_init(desc, msg);

	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *fd = &desc->fields[i];
		void **array = (void **)((char *)msg + fd->offset);

		if (fd->label != PROTOBUF_C_LABEL_REPEATED || !counts[i])
			continue;
		*array = take(d, in.at, counts[i], message_element_size(fd), &r);
		if (!*array)
			return r;
	}
	if (unknown) {
		msg->unknown_fields = take(d, in.at, unknown, sizeof(*msg->unknown_fields), &r);
		if (!msg->unknown_fields)
			return r;
	}

	r = fields_fill(d, desc, in, depth, msg);
	if (r == 0)
		*ret_msg = msg;
	return r;
}

int message_decode(const ProtobufCMessageDescriptor *desc, const void *bytes, size_t len,
		   struct arena *a, struct image_error *err, ProtobufCMessage **ret_msg)
{
	struct decoder d = { .arena = a, .start = bytes, .err = err };

	if (__builtin_mul_overflow(len, (size_t)MESSAGE_GROWTH_MAX, &d.budget) ||
	    __builtin_add_overflow(d.budget, desc->sizeof_message + MESSAGE_SLACK, &d.budget))
		return -ENOMEM;
	return decode(&d, desc, (struct cursor){ bytes, d.start + len }, 0, ret_msg);
}
