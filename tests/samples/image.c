/* Made-up images. See image.h. */
#include "samples/image.h"

#include <stdio.h>
#include <string.h>

#include "image/dir.h"
#include "image/message.h"
#include "image/raw.h"
#include "image/writer.h"
#include "schema/bpfmap-data.pb-c.h"
#include "schema/ghost-file.pb-c.h"
#include "schema/ipc-msg.pb-c.h"
#include "schema/ipc-sem.pb-c.h"
#include "schema/ipc-shm.pb-c.h"
#include "schema/pipe-data.pb-c.h"
#include "schema/sk-packet.pb-c.h"
#include "schema/tcp-stream.pb-c.h"

#define DEPTH 5

uint64_t sample_number(struct sample *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state;
}

static ProtobufCMessage *message(struct sample *s, const ProtobufCMessageDescriptor *d,
				 unsigned depth);

/* Small, large, and the edges where encodings change their length. */
static uint64_t interesting(struct sample *s)
{
	static const uint64_t edges[] = { 0,         1,          127,        128,
					  INT32_MAX, 1u << 31,   UINT32_MAX, 1ull << 32,
					  INT64_MAX, 1ull << 63, UINT64_MAX };
	uint64_t n = sample_number(s);

	switch (n % 3) {
	case 0:
		return edges[(n >> 8) % ARRAY_SIZE(edges)];
	case 1:
		return (n >> 8) % 1000;
	default:
		return n;
	}
}

static char *string(struct sample *s)
{
	static const char *const texts[] = { "", "/usr/lib/x86_64-linux-gnu/libc.so.6",
					     "a \"quoted\" name\\with\ttabs\nand lines",
					     "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87 \xf0\x9f\x94\x91",
					     "\x01\x7f" };

	return arena_str(s->arena, texts[sample_number(s) % ARRAY_SIZE(texts)]);
}

static ProtobufCBinaryData bytes(struct sample *s)
{
	ProtobufCBinaryData b = { .len = sample_number(s) % 200 };

	b.data = arena_alloc(s->arena, b.len, 1);
	for (size_t i = 0; i < b.len; i++)
		b.data[i] = (uint8_t)sample_number(s);
	return b;
}

static bool knows(const struct sample *s, const char *outer, const char *inner, int number)
{
	return !s->knows || s->knows(outer, inner, number);
}

static int enum_value(const struct sample *s, const ProtobufCEnumDescriptor *e, uint64_t number)
{
	const ProtobufCEnumValue *v = &e->values[number % e->n_values];

	return knows(s, e->name, v->name, v->value) ? v->value : e->values[0].value;
}

static void element(struct sample *s, const ProtobufCFieldDescriptor *fd, unsigned depth, void *to)
{
	uint64_t number = interesting(s);

	if (fd->type == PROTOBUF_C_TYPE_MESSAGE) {
		*(ProtobufCMessage **)to = message(s, fd->descriptor, depth + 1);
	} else if (fd->type == PROTOBUF_C_TYPE_STRING) {
		*(char **)to = string(s);
	} else if (fd->type == PROTOBUF_C_TYPE_BYTES) {
		*(ProtobufCBinaryData *)to = bytes(s);
	} else if (fd->type == PROTOBUF_C_TYPE_ENUM) {
		const ProtobufCEnumDescriptor *e = fd->descriptor;

		*(int *)to = enum_value(s, e, number);
	} else if (fd->type == PROTOBUF_C_TYPE_BOOL) {
		*(protobuf_c_boolean *)to = number & 1;
	} else {
		memcpy(to, &number, message_element_size(fd));
	}
}

/* Lists that are addresses have one word or four. */
static size_t list_length(struct sample *s, const char *field)
{
	if (strstr(field, "addr") || !strcmp(field, "local") || !strcmp(field, "remote") ||
	    strstr(field, "_prefix"))
		return sample_number(s) % 2 ? 1 : 4;
	return sample_number(s) % 4;
}

static ProtobufCMessage *message(struct sample *s, const ProtobufCMessageDescriptor *d,
				 unsigned depth)
{
	ProtobufCMessage *msg = arena_alloc(s->arena, 1, d->sizeof_message);

	protobuf_c_message_init(d, msg);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *fd = &d->fields[i];
		void *to = (char *)msg + fd->offset, *q = (char *)msg + fd->quantifier_offset;
		size_t n;

		if (fd->label == PROTOBUF_C_LABEL_REQUIRED) {
			element(s, fd, depth, to);
			continue;
		}
		if (depth >= DEPTH || sample_number(s) % 3 == 0 ||
		    !knows(s, d->name, fd->name, (int)fd->id))
			continue;
		if (fd->label == PROTOBUF_C_LABEL_OPTIONAL) {
			element(s, fd, depth, to);
			if (fd->type != PROTOBUF_C_TYPE_MESSAGE &&
			    fd->type != PROTOBUF_C_TYPE_STRING)
				*(protobuf_c_boolean *)q = 1;
			continue;
		}
		n = list_length(s, fd->name);
		*(size_t *)q = n;
		*(void **)to = arena_alloc(s->arena, n, message_element_size(fd));
		for (size_t j = 0; j < n; j++)
			element(s, fd, depth, *(char **)to + j * message_element_size(fd));
	}
	return msg;
}

ProtobufCMessage *sample_message(struct sample *s, const ProtobufCMessageDescriptor *d)
{
	return message(s, d, 0);
}

static void put(struct image_writer *out, const ProtobufCMessage *msg)
{
	int r = image_write(out, msg);

	assert(r == 0);
}

static void put_bytes(struct sample *s, struct image_writer *out, size_t len, size_t padded)
{
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i++)
		r = image_write_raw(out, &(uint8_t){ (uint8_t)sample_number(s) }, 1);
	if (r == 0)
		r = image_write_zeros(out, padded - len);
	assert(r == 0);
}

static void put_queue(struct sample *s, struct image_writer *out, IpcMsgEntry *e)
{
	e->qnum = sample_number(s) % 4;
	put(out, &e->base);
	for (uint32_t i = 0; i < e->qnum; i++) {
		IpcMsg m = IPC_MSG__INIT;

		m.mtype = 1 + i;
		m.msize = sample_number(s) % 100;
		put(out, &m.base);
		put_bytes(s, out, m.msize, ROUND_UP(m.msize, 8));
	}
}

/* A record, with lengths that are true, and what follows it. */
static void put_record(struct sample *s, struct image_writer *out, const struct image_form *form,
		       ProtobufCMessage *msg)
{
	size_t n = sample_number(s) % 300, more = sample_number(s) % 100;

	switch (form->payload) {
	case PAYLOAD_NONE:
		put(out, msg);
		return;
	case PAYLOAD_PIPE:
		((PipeDataEntry *)msg)->bytes = n;
		break;
	case PAYLOAD_SOCKET:
		((SkPacketEntry *)msg)->length = n;
		break;
	case PAYLOAD_TCP:
		((TcpStreamEntry *)msg)->inq_len = n;
		((TcpStreamEntry *)msg)->outq_len = more;
		n += more;
		break;
	case PAYLOAD_BPF_MAP:
		((BpfmapDataEntry *)msg)->keys_bytes = n;
		((BpfmapDataEntry *)msg)->values_bytes = more;
		n += more;
		break;
	case PAYLOAD_SHM:
		((IpcShmEntry *)msg)->size = n;
		((IpcShmEntry *)msg)->has_in_pagemaps = 0;
		put(out, msg);
		put_bytes(s, out, n, ROUND_UP(n, 4));
		return;
	case PAYLOAD_MSG:
		put_queue(s, out, (IpcMsgEntry *)msg);
		return;
	case PAYLOAD_SEM:
		((IpcSemEntry *)msg)->nsems = n;
		put(out, msg);
		put_bytes(s, out, n * 2, ROUND_UP(n * 2, 8));
		return;
	case PAYLOAD_GHOST:
		assert(!"has a head, see put_ghost");
		return;
	}
	put(out, msg);
	put_bytes(s, out, n, n);
}

static void put_ghost(struct sample *s, struct image_writer *out, unsigned n)
{
	GhostFileEntry *head = (GhostFileEntry *)sample_message(s, &ghost_file_entry__descriptor);

	head->has_chunks = true;
	head->chunks = sample_number(s) % 2;
	put(out, &head->base);
	if (!head->chunks) {
		size_t len = 1 + sample_number(s) % 300;

		put_bytes(s, out, len, len);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		GhostChunkEntry c = GHOST_CHUNK_ENTRY__INIT;

		c.off = i * PAGE_SIZE;
		c.len = 1 + sample_number(s) % 100;
		put(out, &c.base);
		put_bytes(s, out, c.len, c.len);
	}
}

static void raw_image(struct sample *s, struct image_dir *dir, enum image_type type, uint64_t id)
{
	scoped(image_raw_free) struct image_raw *raw = NULL;
	uint64_t words[100];
	int r = image_raw_create(dir, type, id, NULL, &raw);

	assert(r == 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = sample_number(s);
	r = image_raw_write_block(raw, 0, words, sizeof(words));
	assert(r == 0);
	r = image_raw_finish(raw);
	assert(r == 0);
}

void sample_image(struct sample *s, struct image_dir *dir, enum image_type type, uint64_t id,
		  unsigned n)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	const struct image_form *form = image_form(type);
	int r;

	if (!form->entry) {
		raw_image(s, dir, type, id);
		return;
	}
	r = image_writer_create(dir, type, id, NULL, &out);
	assert(r == 0);
	if (form->payload == PAYLOAD_GHOST) {
		put_ghost(s, out, n);
	} else {
		if (form->head)
			put(out, sample_message(s, form->head));
		/* One connection to a file. */
		for (unsigned i = 0; i < (form->payload == PAYLOAD_TCP ? 1 : n); i++)
			put_record(s, out, form, sample_message(s, form->entry));
	}
	r = image_writer_finish(out);
	assert(r == 0);
}
