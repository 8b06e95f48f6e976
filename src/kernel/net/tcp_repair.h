#pragma once
/*
 * TCP_REPAIR (tcp(7)): a connection's state is read, and put into a fresh socket, without a packet
 * for the peer to see. Needs CAP_NET_ADMIN. While a socket is being repaired it sends nothing by
 * itself, and closing it is silent.
 *
 *	sequence numbers		sending		una ... nxt ... write_seq
 *					receiving	copied_seq ... rcv_nxt
 *
 * Numbers are those of images: inq_seq is rcv_nxt and outq_seq is write_seq, both with the FINs
 *that were received and sent; the lengths count bytes only.
 */
#include "base/mem.h"
#include "kernel/net/inet_addr.h"

struct tcp_conn {
	unsigned state; /* TCP_ESTABLISHED and the others of <netinet/tcp.h> */
	uint32_t inq_len, inq_seq;
	uint32_t outq_len, outq_seq;
	uint32_t unsent_len; /* of outq_len, at its end */
	uint32_t options;    /* TCPI_OPT_* */
	unsigned snd_wscale, rcv_wscale;
	uint32_t mss_clamp;
	uint32_t timestamp;
	bool has_window; /* Linux >= 4.8 */
	uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
	uint8_t *inq, *outq; /* the bytes; borrowed */
};

/* Mark of the packets that we send ourselves, so that a network lock lets them pass. */
#define TCP_REPAIR_MARK 0xC114

int tcp_repair_begin(int fd) nodiscard;
/* SO_REUSEADDR is off afterwards, whatever it was: the caller sets it again. */
int tcp_repair_end(int fd) nodiscard;

/* Whether this state can be read and put back (TIME_WAIT has no socket, SYN_RECV none of its own).
 */
bool tcp_state_is_known(unsigned state);

/* The state of TCP_INFO. -errno. */
int tcp_state_read(int fd, unsigned *ret) nodiscard;

/*
 * Everything of a connection whose repair has begun and whose network is locked; the queues lie in
 * the arena. The socket is left as it is. -ENOTSUP for a state that is not known, -ENOMEM, -EAGAIN
 * when the queues moved, -errno.
 */
int tcp_conn_read(int fd, struct arena *arena, struct tcp_conn *ret) nodiscard;

/*
 * The reverse, into a fresh socket; repair is begun here and left on. Its buffers must be large
 * enough and it must not block. -EADDRINUSE when the host has the same connection already, -errno;
 * *ret_what says what failed.
 */
int tcp_conn_write(int fd, const struct tcp_conn *c, const struct inet_addr *local,
		   const struct inet_addr *peer, const char **ret_what) nodiscard;
