#pragma once
/* A TCP packet without contents, as if the peer of one of our sockets had sent it (raw(7)). */
#include "kernel/net/inet_addr.h"

struct tcp_packet {
	const struct inet_addr *from, *to; /* of one family after unmapping; `to` is local */
	uint32_t seq, ack;
	uint16_t window;
	bool fin;      /* else only ACK */
	uint32_t mark; /* SO_MARK */
};

/* Sends it through the stack of our network namespace. Needs CAP_NET_RAW, for the mark
 * CAP_NET_ADMIN. 0 or -errno. */
int tcp_packet_send(const struct tcp_packet *p) nodiscard;
