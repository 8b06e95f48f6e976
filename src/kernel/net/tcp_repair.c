/* Reading and making TCP connections through repair mode. See tcp_repair.h. */
#include "kernel/net/tcp_repair.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "kernel/net/tcp_packet.h"
#include "kernel/sys.h"

/* Sets of states. */
#define STATE(s) (1u << (s))
/* Our FIN stands in the queue before the peer's came: shut down first. */
#define FIN_SENT_FIRST (STATE(TCP_FIN_WAIT1) | STATE(TCP_FIN_WAIT2) | STATE(TCP_CLOSING))
#define FIN_SENT_LATER (STATE(TCP_LAST_ACK) | STATE(TCP_CLOSE))
#define FIN_SENT       (FIN_SENT_FIRST | FIN_SENT_LATER)
#define FIN_ACKED      (STATE(TCP_FIN_WAIT2) | STATE(TCP_CLOSE))
#define FIN_RECEIVED                                                                               \
	(STATE(TCP_CLOSE_WAIT) | STATE(TCP_LAST_ACK) | STATE(TCP_CLOSE) | STATE(TCP_CLOSING))

#define QUEUE_PIECE_MIN 1024 /* bytes: smaller is not tried when there is no memory */

static int option_set(int fd, int name, int value)
{
	return sys_setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value));
}

static int option_get(int fd, int name, uint32_t *ret)
{
	socklen_t len = sizeof(*ret);

	return sys_getsockopt(fd, IPPROTO_TCP, name, ret, &len);
}

int tcp_repair_begin(int fd)
{
	return option_set(fd, TCP_REPAIR, 1);
}

int tcp_repair_end(int fd)
{
	return option_set(fd, TCP_REPAIR, 0);
}

bool tcp_state_is_known(unsigned state)
{
	static const unsigned known =
		STATE(TCP_ESTABLISHED) | STATE(TCP_SYN_SENT) | STATE(TCP_CLOSE_WAIT) | FIN_SENT;

	return state < 32 && (known & STATE(state));
}

static int info_read(int fd, struct tcp_info *ret)
{
	socklen_t len = sizeof(*ret);

	return sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &len);
}

int tcp_state_read(int fd, unsigned *ret)
{
	struct tcp_info info = { 0 };
	int r = info_read(fd, &info);

	if (r == 0)
		*ret = info.tcpi_state;
	return r;
}

/* ---- reading ---- */

static int size_read(int fd, unsigned long request, uint32_t *ret)
{
	int size = 0, r = sys_ioctl_ptr(fd, request, &size);

	if (r == 0)
		*ret = (uint32_t)size;
	return r;
}

/* A FIN counts as a byte of the sending queue until it is acknowledged. */
static int sizes_read(int fd, struct tcp_conn *c)
{
	int r = size_read(fd, SIOCOUTQ, &c->outq_len);

	if (r == 0)
		r = size_read(fd, SIOCOUTQNSD, &c->unsent_len);
	if (r == 0)
		r = size_read(fd, SIOCINQ, &c->inq_len);
	if (r < 0)
		return r;
	if (c->state == TCP_CLOSE) /* reset: nobody will ask for them again */
		c->outq_len = c->unsent_len = 0;
	if (STATE(c->state) & FIN_SENT) {
		c->outq_len -= c->outq_len > 0;
		c->unsent_len -= c->unsent_len > 0;
	}
	return c->unsent_len <= c->outq_len ? 0 : -EAGAIN;
}

static int options_read(int fd, const struct tcp_info *info, struct tcp_conn *c)
{
	int r = option_get(fd, TCP_MAXSEG, &c->mss_clamp);

	c->options = info->tcpi_options;
	if (c->options & TCPI_OPT_WSCALE) {
		c->snd_wscale = info->tcpi_snd_wscale;
		c->rcv_wscale = info->tcpi_rcv_wscale;
	}
	if (r == 0 && (c->options & TCPI_OPT_TIMESTAMPS))
		r = option_get(fd, TCP_TIMESTAMP, &c->timestamp);
	return r;
}

static int window_read(int fd, struct tcp_conn *c)
{
	struct tcp_repair_window w;
	socklen_t len = sizeof(w);
	int r = sys_getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &len);

	if (r == -ENOPROTOOPT)
		return 0;
	if (r < 0)
		return r;
	c->has_window = true;
	c->snd_wl1 = w.snd_wl1;
	c->snd_wnd = w.snd_wnd;
	c->max_window = w.max_window;
	c->rcv_wnd = w.rcv_wnd;
	c->rcv_wup = w.rcv_wup;
	return 0;
}

static int queue_read(int fd, int queue, struct arena *arena, uint32_t len, uint32_t *ret_seq,
		      uint8_t **ret)
{
	int r = option_set(fd, TCP_REPAIR_QUEUE, queue);
	ssize_t n;

	if (r == 0)
		r = option_get(fd, TCP_QUEUE_SEQ, ret_seq);
	if (r < 0 || !len)
		return r;
	*ret = arena_alloc(arena, (size_t)len + 1, 1);
	if (!*ret)
		return -ENOMEM;
	/* One more than there should be, to see that there is no more. */
	n = sys_recvfrom(fd, *ret, (size_t)len + 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
	return n < 0 ? (int)n : n == (ssize_t)len ? 0 : -EAGAIN;
}

int tcp_conn_read(int fd, struct arena *arena, struct tcp_conn *ret)
{
	struct tcp_info info = { 0 };
	struct tcp_conn c = { 0 };
	int r = info_read(fd, &info), none;

	if (r < 0)
		return r;
	c.state = info.tcpi_state;
	if (!tcp_state_is_known(c.state))
		return -ENOTSUP;
	r = sizes_read(fd, &c);
	if (r == 0)
		r = options_read(fd, &info, &c);
	if (r == 0)
		r = window_read(fd, &c);
	if (r == 0)
		r = queue_read(fd, TCP_RECV_QUEUE, arena, c.inq_len, &c.inq_seq, &c.inq);
	if (r == 0)
		r = queue_read(fd, TCP_SEND_QUEUE, arena, c.outq_len, &c.outq_seq, &c.outq);
	none = option_set(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	r = r < 0 ? r : none;
	if (r == 0)
		*ret = c;
	return r;
}

/* ---- making ---- */

static int seq_set(int fd, int queue, uint32_t seq)
{
	int r = option_set(fd, TCP_REPAIR_QUEUE, queue);

	return r < 0 ? r : sys_setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, sizeof(seq));
}

/* Where both queues begin. */
static int seqs_set(int fd, const struct tcp_conn *c)
{
	bool fin_in = STATE(c->state) & FIN_RECEIVED, fin_out = STATE(c->state) & FIN_SENT;
	uint32_t out = c->outq_seq - c->outq_len - fin_out;
	int r = seq_set(fd, TCP_RECV_QUEUE, c->inq_seq - c->inq_len - fin_in);

	if (c->state == TCP_SYN_SENT)
		out--; /* the SYN is sent again */
	return r < 0 ? r : seq_set(fd, TCP_SEND_QUEUE, out);
}

static int conn_bind(int fd, const struct inet_addr *local)
{
	union inet_sockaddr sa;
	socklen_t len = inet_addr_to_sockaddr(local, &sa);

	return sys_bind(fd, &sa.sa, len);
}

/* In repair mode the connection is there at once; a SYN that had no answer is sent again. */
static int conn_connect(int fd, const struct tcp_conn *c, const struct inet_addr *peer)
{
	union inet_sockaddr sa;
	socklen_t len = inet_addr_to_sockaddr(peer, &sa);
	int r = c->state == TCP_SYN_SENT ? tcp_repair_end(fd) : 0;

	if (r == 0)
		r = sys_connect(fd, &sa.sa, len);
	if (r == -EINPROGRESS)
		r = 0;
	if (r == 0 && c->state == TCP_SYN_SENT)
		r = tcp_repair_begin(fd);
	return r;
}

static int options_set(int fd, const struct tcp_conn *c)
{
	struct tcp_repair_opt opts[4];
	unsigned n = 0;
	int r = 0;

	if (c->options & TCPI_OPT_SACK)
		opts[n++] = (struct tcp_repair_opt){ TCPOPT_SACK_PERMITTED, 0 };
	if (c->options & TCPI_OPT_WSCALE)
		opts[n++] = (struct tcp_repair_opt){ TCPOPT_WINDOW,
						     c->snd_wscale | c->rcv_wscale << 16 };
	if (c->options & TCPI_OPT_TIMESTAMPS)
		opts[n++] = (struct tcp_repair_opt){ TCPOPT_TIMESTAMP, 0 };
	opts[n++] = (struct tcp_repair_opt){ TCPOPT_MAXSEG, c->mss_clamp };
	if (c->state != TCP_SYN_SENT)
		r = sys_setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, opts,
				   (socklen_t)(n * sizeof(opts[0])));
	if (r == 0 && (c->options & TCPI_OPT_TIMESTAMPS))
		r = sys_setsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &c->timestamp,
				   sizeof(c->timestamp));
	return r;
}

/* The kernel wants the memory of a piece at once: smaller ones when it has not got it. */
static int queue_put(int fd, const uint8_t *at, uint32_t len)
{
	size_t piece = len, done = 0;

	while (done < len) {
		ssize_t n = sys_sendto(fd, at + done, MIN(piece, len - done), 0, NULL, 0);

		if (n > 0) {
			done += (size_t)n;
		} else if (piece > QUEUE_PIECE_MIN) {
			piece /= 2;
		} else {
			return n < 0 ? (int)n : -EIO;
		}
	}
	return 0;
}

static int queues_put(int fd, const struct tcp_conn *c)
{
	uint32_t sent = c->outq_len - c->unsent_len;
	int r = 0;

	if (c->inq_len) {
		r = option_set(fd, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
		if (r == 0)
			r = queue_put(fd, c->inq, c->inq_len);
	}
	if (r == 0 && sent) {
		r = option_set(fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
		if (r == 0)
			r = queue_put(fd, c->outq, sent);
	}
	/* What was not sent yet is written as by anybody; the lock keeps it from going out. */
	if (r == 0 && c->unsent_len) {
		r = tcp_repair_end(fd);
		if (r == 0)
			r = queue_put(fd, c->outq + sent, c->unsent_len);
		if (r == 0)
			r = tcp_repair_begin(fd);
	}
	return r;
}

static int window_set(int fd, const struct tcp_conn *c)
{
	bool fin_in = STATE(c->state) & FIN_RECEIVED;
	struct tcp_repair_window w = {
		.snd_wl1 = c->snd_wl1,
		.snd_wnd = c->snd_wnd,
		.max_window = c->max_window,
		.rcv_wnd = c->rcv_wnd + fin_in,
		.rcv_wup = c->rcv_wup - fin_in,
	};

	if (!c->has_window)
		return 0;
	return sys_setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, sizeof(w));
}

/* With a queue chosen, the FIN counts as sent; else it waits to be sent. */
static int fin_put(int fd, bool sent)
{
	int r = sent ? option_set(fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE) : 0;

	if (r == 0)
		r = sys_shutdown(fd, SHUT_WR);
	if (r == 0 && sent)
		r = option_set(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	return r;
}

/* Closing states are reached as they were: by FINs, ours through shutdown(2), the peer's forged. */
static int fins_put(int fd, const struct tcp_conn *c, const struct inet_addr *local,
		    const struct inet_addr *peer)
{
	unsigned state = STATE(c->state);
	bool fin_in = state & FIN_RECEIVED, fin_out = state & FIN_SENT;
	struct tcp_packet packet = {
		.from = peer,
		.to = local,
		.seq = c->inq_seq - fin_in,
		.ack = c->outq_seq - fin_out - c->outq_len,
		.window = (uint16_t)MIN(c->rcv_wnd, (uint32_t)UINT16_MAX),
		.fin = true,
		.mark = TCP_REPAIR_MARK,
	};
	int r = state & FIN_SENT_FIRST ? fin_put(fd, state & FIN_ACKED) : 0;

	if (r == 0 && fin_in)
		r = tcp_packet_send(&packet);
	if (r == 0 && (state & FIN_SENT_LATER))
		r = fin_put(fd, state & FIN_ACKED);
	if (r == 0 && (state & FIN_ACKED)) {
		packet.fin = false;
		packet.seq = c->inq_seq;
		packet.ack++;
		r = tcp_packet_send(&packet);
	}
	return r;
}

int tcp_conn_write(int fd, const struct tcp_conn *c, const struct inet_addr *local,
		   const struct inet_addr *peer, const char **ret_what)
{
	int r;

	*ret_what = "begin its repair";
	r = tcp_repair_begin(fd);
	if (r < 0)
		return r;
	*ret_what = "bind it";
	r = conn_bind(fd, local);
	if (r < 0)
		return r;
	*ret_what = "set its sequence numbers";
	r = seqs_set(fd, c);
	if (r < 0)
		return r;
	*ret_what = "connect it";
	r = conn_connect(fd, c, peer);
	if (r < 0)
		return r;
	*ret_what = "set its options";
	r = options_set(fd, c);
	if (r < 0)
		return r;
	*ret_what = "fill its queues";
	r = queues_put(fd, c);
	if (r < 0)
		return r;
	*ret_what = "set its window";
	r = window_set(fd, c);
	if (r < 0)
		return r;
	*ret_what = "close it as far as it was";
	r = option_set(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	return r < 0 ? r : fins_put(fd, c, local, peer);
}
