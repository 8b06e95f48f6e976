/* Sending a bare TCP packet in the peer's name. See tcp_packet.h. */
#include "kernel/net/tcp_packet.h"

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/fd.h"
#include "kernel/sys.h"

#define HOP_LIMIT 64

struct packet_v4 {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct packet_v6 {
	struct ip6_hdr ip;
	struct tcphdr tcp;
};
static_assert(sizeof(struct packet_v4) == 40 && sizeof(struct packet_v6) == 60,
	      "headers follow each other");

/* The sum of RFC 1071 over words in network order. */
static uint32_t sum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

static uint16_t sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static struct tcphdr tcp_header(const struct tcp_packet *p, const struct inet_addr *from,
				const struct inet_addr *to)
{
	size_t ip_len = from->family == AF_INET ? 4 : 16;
	struct tcphdr h = {
		.source = htons(from->port),
		.dest = htons(to->port),
		.seq = htonl(p->seq),
		.ack_seq = htonl(p->ack),
		.doff = sizeof(h) / 4,
		.ack = 1,
		.fin = p->fin,
		.window = htons(p->window),
	};
	uint32_t sum = IPPROTO_TCP + sizeof(h);

	sum = sum_add(sum, from->ip, ip_len);
	sum = sum_add(sum, to->ip, ip_len);
	h.check = sum_finish(sum_add(sum, &h, sizeof(h)));
	return h;
}

static int packet_send(int family, uint32_t mark, const void *packet, size_t len,
		       const struct inet_addr *to)
{
	scoped(fd_close) int fd = sys_socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct inet_addr dest = *to;
	union inet_sockaddr sa;
	socklen_t sa_len;
	ssize_t n;
	int r = fd;

	if (r >= 0)
		r = sys_setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (r < 0)
		return r;
	dest.port = 0; /* raw IPv6 sockets take it for a protocol */
	sa_len = inet_addr_to_sockaddr(&dest, &sa);
	n = sys_sendto(fd, packet, len, 0, &sa.sa, sa_len);
	return n < 0 ? (int)n : 0;
}

int tcp_packet_send(const struct tcp_packet *p)
{
	struct inet_addr from = inet_addr_unmap(p->from), to = inet_addr_unmap(p->to);

	if (from.family != to.family)
		return -EINVAL;
	if (from.family == AF_INET) {
		/* The kernel fills in the rest: length, identification, checksum. */
		struct packet_v4 v4 = {
			.ip = { .version = 4,
				.ihl = sizeof(v4.ip) / 4,
				.ttl = HOP_LIMIT,
				.protocol = IPPROTO_TCP,
				.saddr = from.ip[0],
				.daddr = to.ip[0] },
			.tcp = tcp_header(p, &from, &to),
		};

		return packet_send(AF_INET, p->mark, &v4, sizeof(v4), &to);
	}

	struct packet_v6 v6 = { .tcp = tcp_header(p, &from, &to) };

	v6.ip.ip6_flow = htonl(6u << 28);
	v6.ip.ip6_plen = htons(sizeof(v6.tcp));
	v6.ip.ip6_nxt = IPPROTO_TCP;
	v6.ip.ip6_hlim = HOP_LIMIT;
	memcpy(&v6.ip.ip6_src, from.ip, sizeof(from.ip));
	memcpy(&v6.ip.ip6_dst, to.ip, sizeof(to.ip));
	return packet_send(AF_INET6, p->mark, &v6, sizeof(v6), &to);
}
