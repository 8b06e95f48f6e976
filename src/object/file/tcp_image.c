/* tcp-stream-<inode>.img: one record of a connection's numbers, then what was received and not
 * read, then what was written and not acknowledged. */
#include <netinet/tcp.h>

#include "image/reader.h"
#include "image/writer.h"
#include "object/file/inet_common.h"
#include "schema/sk-opts.pb-c.h"
#include "schema/tcp-stream.pb-c.h"

#define WSCALE_MAX 14

static void conn_encode(const struct tcp_conn *c, TcpStreamEntry *e)
{
	e->inq_len = c->inq_len;
	e->inq_seq = c->inq_seq;
	e->outq_len = c->outq_len;
	e->outq_seq = c->outq_seq;
	e->has_unsq_len = true;
	e->unsq_len = c->unsent_len;
	e->opt_mask = c->options;
	e->mss_clamp = c->mss_clamp;
	e->snd_wscale = c->snd_wscale;
	e->has_rcv_wscale = c->options & TCPI_OPT_WSCALE;
	e->rcv_wscale = c->rcv_wscale;
	e->has_timestamp = c->options & TCPI_OPT_TIMESTAMPS;
	e->timestamp = c->timestamp;
	e->has_snd_wl1 = e->has_snd_wnd = e->has_max_window = c->has_window;
	e->has_rcv_wnd = e->has_rcv_wup = c->has_window;
	e->snd_wl1 = c->snd_wl1;
	e->snd_wnd = c->snd_wnd;
	e->max_window = c->max_window;
	e->rcv_wnd = c->rcv_wnd;
	e->rcv_wup = c->rcv_wup;
}

int tcp_image_write(struct dump_images *out, const struct inet_socket *s)
{
	scoped(image_writer_free) struct image_writer *writer = NULL;
	const struct tcp_conn *c = s->conn;
	TcpStreamEntry e = TCP_STREAM_ENTRY__INIT;
	struct image_error err = { 0 };
	int r = image_writer_create(out->dir, IMAGE_TCP_STREAM, s->file.ino, &err, &writer);

	conn_encode(c, &e);
	if (r == 0)
		r = image_write(writer, &e.base);
	if (r == 0 && c->inq_len)
		r = image_write_raw(writer, c->inq, c->inq_len);
	if (r == 0 && c->outq_len)
		r = image_write_raw(writer, c->outq, c->outq_len);
	if (r == 0)
		r = image_writer_finish(writer);
	return r < 0 ? images_write_failed(out->report, r, &err) : 0;
}

static int conn_check(struct image_reader *in, const TcpStreamEntry *e)
{
	if ((uint64_t)e->inq_len + e->outq_len > image_left(in))
		return image_reader_fail(in, -EUCLEAN, "queues of %u and %u bytes do not follow",
					 e->inq_len, e->outq_len);
	if (e->has_unsq_len && e->unsq_len > e->outq_len)
		return image_reader_fail(in, -EUCLEAN, "%u of %u bytes were not sent", e->unsq_len,
					 e->outq_len);
	if (e->snd_wscale > WSCALE_MAX || (e->has_rcv_wscale && e->rcv_wscale > WSCALE_MAX))
		return image_reader_fail(in, -EUCLEAN, "a window is scaled by %u and %u",
					 e->snd_wscale, e->rcv_wscale);
	return 0;
}

static struct tcp_conn conn_decode(const TcpStreamEntry *e, unsigned state)
{
	return (struct tcp_conn){
		.state = state,
		.inq_len = e->inq_len,
		.inq_seq = e->inq_seq,
		.outq_len = e->outq_len,
		.outq_seq = e->outq_seq,
		.unsent_len = e->has_unsq_len ? e->unsq_len : 0,
		.options = e->opt_mask,
		.snd_wscale = e->snd_wscale,
		.rcv_wscale = e->has_rcv_wscale ? e->rcv_wscale : 0,
		.mss_clamp = e->mss_clamp,
		.timestamp = e->has_timestamp ? e->timestamp : 0,
		.has_window = e->has_snd_wl1 && e->has_snd_wnd && e->has_max_window &&
			      e->has_rcv_wnd && e->has_rcv_wup,
		.snd_wl1 = e->snd_wl1,
		.snd_wnd = e->snd_wnd,
		.max_window = e->max_window,
		.rcv_wnd = e->rcv_wnd,
		.rcv_wup = e->rcv_wup,
	};
}

static int queue_load(struct image_reader *in, struct arena *a, uint32_t len, uint8_t **ret)
{
	*ret = arena_alloc(a, (size_t)len + 1, 1);
	if (!*ret)
		return -ENOMEM;
	return len ? image_read_raw(in, *ret, len) : 0;
}

/* Before there were options of their own, two of them stood here. */
static void old_opts_decode(struct inet_socket *s, const TcpStreamEntry *e)
{
	s->opts.cork |= e->has_cork && e->cork;
	s->opts.nodelay |= e->has_nodelay && e->nodelay;
}

static int conn_load(struct image_reader *reader, struct load_images *in, struct inet_socket *s)
{
	struct tcp_conn *c = ARENA_NEW(&in->arena, struct tcp_conn);
	const TcpStreamEntry *e;
	ProtobufCMessage *msg;
	int r = image_read(reader, &in->arena, &msg);

	if (r <= 0)
		return r < 0 ? r : image_reader_fail(reader, -EUCLEAN, "there is no connection");
	e = (const TcpStreamEntry *)msg;
	if (!tcp_state_is_known(s->state))
		return image_reader_fail(reader, -EUCLEAN, "its socket is in state %u", s->state);
	r = conn_check(reader, e);
	if (r < 0)
		return r;
	if (!c)
		return -ENOMEM;
	*c = conn_decode(e, s->state);
	r = queue_load(reader, &in->arena, c->inq_len, &c->inq);
	if (r == 0)
		r = queue_load(reader, &in->arena, c->outq_len, &c->outq);
	if (r == 0) {
		old_opts_decode(s, e);
		s->conn = c;
	}
	return r;
}

int tcp_image_load(struct load_images *in, struct inet_socket *s)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct image_error err = { 0 };
	int r = image_reader_open(in->dir, IMAGE_TCP_STREAM, s->file.ino, &err, &reader);

	if (r == 0)
		r = conn_load(reader, in, s);
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}
