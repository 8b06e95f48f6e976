/* Contents of pipes and FIFOs. See pipe_common.h. */
#include "object/file/pipe_common.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "image/reader.h"
#include "image/writer.h"
#include "kernel/sys.h"
#include "object/check.h"

#define PIECE(len, is_packet) ((uint32_t)(len) << 1 | (is_packet))
#define PIECE_LEN(piece)      ((piece) >> 1)
#define PIECE_IS_PACKET(p)    ((p)&1)

/* What anybody may have, unless the administrator said otherwise: /proc/sys/fs/pipe-max-size. */
#define CAPACITY_ALLOWED (1 << 20)

/* ---- reading ---- */

struct pipe_pair {
	int fd[2]; /* owned */
};

static void pipe_pair_done(struct pipe_pair *p)
{
	fd_close(p->fd[0]);
	fd_close(p->fd[1]);
}
SCOPED_OBJECT(struct pipe_pair, pipe_pair_done);

#define PIPE_PAIR_NONE ((struct pipe_pair){ { -EBADF, -EBADF } })

static int pipe_pair_open(struct pipe_pair *p, int capacity)
{
	int r;

	pipe_pair_done(p);
	*p = PIPE_PAIR_NONE;
	r = sys_pipe(p->fd, O_CLOEXEC | O_NONBLOCK);
	if (r == 0)
		r = sys_fcntl(p->fd[1], F_SETPIPE_SZ, (unsigned long)capacity);
	return r < 0 ? r : 0;
}

/*
 * All that is in `fd`, as references: gives the number of bytes. A pipe larger than we may make one
 * is fine as long as not so much is in it; else -EPERM.
 */
static int pipe_copy(int fd, int capacity, struct pipe_pair *copy)
{
	int r = pipe_pair_open(copy, capacity), waiting = 0;
	ssize_t n;

	if (r == -EPERM) {
		r = pipe_pair_open(copy, CAPACITY_ALLOWED);
		if (r == 0)
			r = sys_ioctl_ptr(fd, FIONREAD, &waiting);
	}
	if (r < 0)
		return r;
	n = sys_tee(fd, copy->fd[1], INT_MAX, SPLICE_F_NONBLOCK);
	if (n >= 0 && n < waiting)
		return -EPERM;
	return n == -EAGAIN ? 0 : (int)n;
}

struct pieces {
	VEC(uint32_t);
};

/*
 * Whether the only buffer in `one` is a packet: put twice into another pipe, packets are read one
 * by one, other bytes together.
 */
static int buffer_is_packet(const struct pipe_pair *one, size_t len, uint8_t *room)
{
	scoped(pipe_pair_done) struct pipe_pair twice = PIPE_PAIR_NONE;
	int r = pipe_pair_open(&twice, 2 * (int)PAGE_SIZE);
	ssize_t n;

	for (int i = 0; i < 2 && r == 0; i++) {
		n = sys_tee(one->fd[0], twice.fd[1], INT_MAX, SPLICE_F_NONBLOCK);
		r = n < 0 ? (int)n : (size_t)n == len ? 0 : -EIO;
	}
	if (r < 0)
		return r;
	n = sys_read(twice.fd[0], room, len + 1);
	return n < 0 ? (int)n : (size_t)n == len;
}

/* Takes the copy apart, buffer by buffer. room: for all bytes and one more. */
static int copy_take_apart(struct pipe_pair *copy, size_t len, uint8_t *room, struct pieces *pieces)
{
	scoped(pipe_pair_done) struct pipe_pair one = PIPE_PAIR_NONE;
	int r = pipe_pair_open(&one, (int)PAGE_SIZE); /* a pipe of one buffer */
	size_t at = 0;

	while (at < len && r == 0) {
		ssize_t n =
			sys_splice(copy->fd[0], NULL, one.fd[1], NULL, len - at, SPLICE_F_NONBLOCK);
		int packet;

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		packet = buffer_is_packet(&one, (size_t)n, room + at);
		if (packet < 0)
			return packet;
		if (sys_read(one.fd[0], room + at, (size_t)n) != n)
			return -EIO;
		if (!packet && pieces->n && !PIECE_IS_PACKET(pieces->at[pieces->n - 1]))
			pieces->at[pieces->n - 1] += PIECE(n, 0);
		else
			r = vec_push(pieces, PIECE(n, packet));
		at += (size_t)n;
	}
	return r;
}

static int pipe_read_packets(int fd, struct arena *arena, struct pipe_data *d)
{
	scoped(pipe_pair_done) struct pipe_pair copy = PIPE_PAIR_NONE;
	struct pieces pieces = { 0 };
	int n = pipe_copy(fd, (int)d->capacity, &copy), r = n;

	/* Somebody outside of the tree may be writing or reading: take what there is now. */
	d->len = (uint32_t)MAX(n, 0);
	d->bytes = arena_alloc(arena, (size_t)d->len + 1, 1);
	if (n > 0 && d->bytes)
		r = copy_take_apart(&copy, d->len, d->bytes, &pieces);
	if (r >= 0 && (pieces.n > 1 || (pieces.n == 1 && PIECE_IS_PACKET(pieces.at[0])))) {
		d->pieces = arena_dup(arena, pieces.at, pieces.n * sizeof(pieces.at[0]));
		d->n_pieces = pieces.n;
	}
	vec_done(&pieces);
	return r < 0 ? r : arena->failed ? -ENOMEM : 0;
}

int pipe_data_read(int fd, bool packets, struct arena *arena, struct pipe_data *ret)
{
	scoped(pipe_pair_done) struct pipe_pair copy = PIPE_PAIR_NONE;
	struct pipe_data d = { 0 };
	int waiting = 0, n, r = sys_fcntl(fd, F_GETPIPE_SZ, 0);

	if (r < 0)
		return r;
	d.capacity = (uint32_t)r;
	r = sys_ioctl_ptr(fd, FIONREAD, &waiting);
	if (r < 0)
		return r;
	if (waiting > 0 && !packets) {
		n = pipe_copy(fd, (int)d.capacity, &copy);
		if (n < 0)
			return n;
		d.len = (uint32_t)n;
		d.bytes = arena_alloc(arena, (size_t)n + 1, 1);
		if (!d.bytes)
			return -ENOMEM;
		/* A short answer: a packet ended there. */
		packets = n > 0 && sys_read(copy.fd[0], d.bytes, d.len) != n;
	}
	r = waiting > 0 && packets ? pipe_read_packets(fd, arena, &d) : 0;
	if (r == 0)
		*ret = d;
	return r;
}

/* ---- images ---- */

int pipe_data_write(struct image_writer *out, const struct pipe_data *d)
{
	PipeDataEntry e = PIPE_DATA_ENTRY__INIT;
	int r;

	e.pipe_id = d->id;
	e.bytes = d->len;
	e.has_size = d->capacity != 0;
	e.size = d->capacity;
	e.pieces = d->pieces;
	e.n_pieces = d->n_pieces;
	r = image_write(out, &e.base);
	return r == 0 && d->len ? image_write_raw(out, d->bytes, d->len) : r;
}

static int data_check(struct image_reader *in, const PipeDataEntry *e)
{
	uint64_t sum = 0;

	if (e->bytes > image_left(in))
		return image_reader_fail(in, -EUCLEAN, "pipe %u has %u bytes, more than follow",
					 e->pipe_id, e->bytes);
	for (size_t i = 0; i < e->n_pieces; i++)
		sum += PIECE_LEN(e->pieces[i]);
	if (e->n_pieces && sum != e->bytes)
		return image_reader_fail(in, -EUCLEAN, "pieces of pipe %u do not add up",
					 e->pipe_id);
	if (e->has_size && e->size > INT_MAX)
		return image_reader_fail(in, -EUCLEAN, "pipe %u has room for %u bytes", e->pipe_id,
					 e->size);
	return 0;
}

/* One record and its bytes. */
static int data_decode(struct image_reader *in, struct arena *arena, const PipeDataEntry *e,
		       struct map *by_id)
{
	struct pipe_data *d = ARENA_NEW(arena, struct pipe_data);
	int r = data_check(in, e);

	if (r < 0)
		return r;
	if (map_find(by_id, 0, e->pipe_id))
		return image_reader_fail(in, -EUCLEAN, "pipe %u is there twice", e->pipe_id);
	if (!d)
		return -ENOMEM;
	*d = (struct pipe_data){
		.id = e->pipe_id,
		.capacity = e->has_size ? e->size : 0,
		.len = e->bytes,
		.bytes = arena_alloc(arena, (size_t)e->bytes + 1, 1),
		.pieces = e->pieces,
		.n_pieces = e->n_pieces,
	};
	if (!d->bytes)
		return -ENOMEM;
	r = image_read_raw(in, d->bytes, d->len);
	return r < 0 ? r : map_set(by_id, 0, d->id, d);
}

int pipe_data_load(struct load_images *in, enum image_type type, struct map *by_id)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	int r = image_reader_open(in->dir, type, IMAGE_ONE, &err, &reader);

	if (r == -ENOENT)
		return 0;
	while (r >= 0 && (r = image_read(reader, &in->arena, &msg)) > 0)
		r = data_decode(reader, &in->arena, (const PipeDataEntry *)msg, by_id);
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}

/* ---- putting back ---- */

static int capacity_refuse(struct report *rep, const struct pipe_data *d)
{
	return report_refuse_with(rep, -EPERM, CODE_LIMIT, "raise /proc/sys/fs/pipe-max-size",
				  "a pipe of %u bytes is larger than this host allows",
				  d->capacity);
}

/* A pipe of our own tells what is allowed. */
int pipe_data_check(struct check *k, const struct pipe_data *d)
{
	scoped(pipe_pair_done) struct pipe_pair own = PIPE_PAIR_NONE;
	int r;

	if (!d || !d->capacity)
		return 0;
	r = pipe_pair_open(&own, (int)d->capacity);
	if (r == -EPERM)
		return capacity_refuse(k->report, d);
	return r < 0 ? report_fail(k->report, r, "cannot make a pipe of %u bytes", d->capacity) : 0;
}

static int capacity_set(struct env *env, const struct pipe_data *d, int fd)
{
	int now = sys_fcntl(fd, F_GETPIPE_SZ, 0), r = now;

	if (now >= 0 && d->capacity && (uint32_t)now != d->capacity)
		r = sys_fcntl(fd, F_SETPIPE_SZ, d->capacity);
	if (r == -EPERM)
		return capacity_refuse(env->report, d);
	return r < 0 ? report_fail(env->report, r, "cannot set the size of a pipe to %u bytes",
				   d->capacity)
		     : 0;
}

/* Written as a packet or not: the flag of the descriptor decides. */
static int piece_put(int fd, const uint8_t *bytes, uint32_t piece)
{
	unsigned flags = O_NONBLOCK | (PIECE_IS_PACKET(piece) ? O_DIRECT : 0);
	int r = sys_fcntl(fd, F_SETFL, flags);

	return r < 0 ? r : fd_write_all(fd, bytes, PIECE_LEN(piece));
}

/* The kernel lets a packet join the bytes before it when they were written; copied ones it leaves
 * alone. */
static int piece_put_closed(int fd, const uint8_t *bytes, uint32_t piece)
{
	scoped(pipe_pair_done) struct pipe_pair via = PIPE_PAIR_NONE;
	int capacity = sys_fcntl(fd, F_GETPIPE_SZ, 0), r = capacity;
	ssize_t n;

	if (r >= 0)
		r = pipe_pair_open(&via, capacity);
	if (r >= 0)
		r = piece_put(via.fd[1], bytes, piece);
	if (r < 0)
		return r;
	n = sys_tee(via.fd[0], fd, INT_MAX, SPLICE_F_NONBLOCK);
	return n < 0 ? (int)n : (size_t)n == PIECE_LEN(piece) ? 0 : -EAGAIN;
}

int pipe_data_put(struct env *env, const struct pipe_data *d, int fd)
{
	const uint32_t whole = PIECE(d->len, 0);
	const uint32_t *pieces = d->n_pieces ? d->pieces : &whole;
	size_t n = d->n_pieces ? d->n_pieces : 1;
	const uint8_t *at = d->bytes;
	int r = capacity_set(env, d, fd);

	for (size_t i = 0; r == 0 && d->len && i < n; i++) {
		bool packet_follows = i + 1 < n && PIECE_IS_PACKET(pieces[i + 1]);

		r = packet_follows && !PIECE_IS_PACKET(pieces[i])
			    ? piece_put_closed(fd, at, pieces[i])
			    : piece_put(fd, at, pieces[i]);
		at += PIECE_LEN(pieces[i]);
		if (r == -EAGAIN)
			return report_refuse(env->report, -EUCLEAN, CODE_IMAGE_DAMAGED,
					     "%u bytes do not fit into the pipe", d->len);
		if (r < 0)
			return report_fail(env->report, r, "cannot fill the pipe");
	}
	return r;
}
