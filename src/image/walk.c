/* Walking past the contents of images. See walk.h. */
#include "image/walk.h"

#include <inttypes.h>

#include "schema/bpfmap-data.pb-c.h"
#include "schema/ghost-file.pb-c.h"
#include "schema/ipc-msg.pb-c.h"
#include "schema/ipc-sem.pb-c.h"
#include "schema/ipc-shm.pb-c.h"
#include "schema/pipe-data.pb-c.h"
#include "schema/sk-packet.pb-c.h"
#include "schema/tcp-stream.pb-c.h"

struct walk {
	struct image_reader *in;
	const struct image_visit *visit;
	void *ctx;
};

/* Raw bytes, then zeros up to a multiple of `align`. */
static int walk_bytes(struct walk *w, const char *what, uint64_t len, unsigned align)
{
	uint64_t end = image_offset(w->in) + len, left = image_left(w->in);
	int r = 0;

	if (len > left)
		return image_reader_fail(w->in, -EUCLEAN,
					 "followed by %" PRIu64 " raw bytes where %" PRIu64
					 " are left",
					 len, left);
	if (w->visit->bytes)
		r = w->visit->bytes(w->ctx, what, w->in, len);
	else
		r = image_skip_raw(w->in, len);
	if (r < 0)
		return r;
	assert(image_offset(w->in) == end);
	return image_skip_raw(w->in, (align - len % align) % align);
}

static int walk_queue(struct walk *w, const IpcMsgEntry *e)
{
	int r = 0;

	for (uint32_t i = 0; i < e->qnum && r == 0; i++) {
		scoped(arena_done) struct arena a = { 0 };
		ProtobufCMessage *msg;

		r = image_read_as(w->in, &ipc_msg__descriptor, &a, &msg);
		if (r == 0)
			return image_reader_fail(w->in, -EUCLEAN,
						 "queue of %" PRIu32 " messages has %" PRIu32,
						 e->qnum, i);
		if (r > 0)
			r = w->visit->inner ? w->visit->inner(w->ctx, msg) : 0;
		if (r == 0)
			r = walk_bytes(w, "data", ((const IpcMsg *)msg)->msize, 8);
	}
	return r;
}

static int walk_ghost(struct walk *w, const ProtobufCMessage *msg)
{
	const GhostFileEntry *head = (const GhostFileEntry *)msg;

	if (msg->descriptor == &ghost_chunk_entry__descriptor)
		return walk_bytes(w, "data", ((const GhostChunkEntry *)msg)->len, 1);

	if (head->has_chunks && head->chunks)
		return 0;
	if (image_left(w->in) == UINT64_MAX)
		return image_reader_fail(w->in, -ENOTSUP,
					 "contents go to the end of a file that has none");
	return walk_bytes(w, "data", image_left(w->in), 1);
}

static int walk_payload(struct walk *w, enum image_payload payload, const ProtobufCMessage *msg)
{
	const IpcShmEntry *shm = (const IpcShmEntry *)msg;
	const TcpStreamEntry *tcp = (const TcpStreamEntry *)msg;
	const BpfmapDataEntry *bpf = (const BpfmapDataEntry *)msg;
	int r;

	switch (payload) {
	case PAYLOAD_NONE:
		return 0;
	case PAYLOAD_PIPE:
		return walk_bytes(w, "data", ((const PipeDataEntry *)msg)->bytes, 1);
	case PAYLOAD_SOCKET:
		return walk_bytes(w, "data", ((const SkPacketEntry *)msg)->length, 1);
	case PAYLOAD_TCP:
		r = walk_bytes(w, "inq", tcp->inq_len, 1);
		return r < 0 ? r : walk_bytes(w, "outq", tcp->outq_len, 1);
	case PAYLOAD_BPF_MAP:
		return walk_bytes(w, "data", (uint64_t)bpf->keys_bytes + bpf->values_bytes, 1);
	case PAYLOAD_SHM:
		return shm->has_in_pagemaps && shm->in_pagemaps
			       ? 0
			       : walk_bytes(w, "data", shm->size, 4);
	case PAYLOAD_MSG:
		return walk_queue(w, (const IpcMsgEntry *)msg);
	case PAYLOAD_SEM:
		return walk_bytes(w, "data", (uint64_t)((const IpcSemEntry *)msg)->nsems * 2, 8);
	case PAYLOAD_GHOST:
		return walk_ghost(w, msg);
	}
	assert(!"a payload that walk_payload does not know");
	return 0;
}

int image_walk(struct image_reader *in, const struct image_visit *v, void *ctx)
{
	enum image_payload payload = image_form(image_reader_type(in))->payload;
	struct walk w = { .in = in, .visit = v, .ctx = ctx };
	int r;

	for (;;) {
		scoped(arena_done) struct arena a = { 0 };
		ProtobufCMessage *msg;

		r = image_read(in, &a, &msg);
		if (r <= 0)
			return r;
		r = v->record ? v->record(ctx, msg) : 0;
		if (r == 0)
			r = walk_payload(&w, payload, msg);
		if (r == 0 && v->end)
			r = v->end(ctx);
		if (r < 0)
			return r;
	}
}
