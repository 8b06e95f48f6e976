/* Sockets over IPv4 and IPv6 that have no connection: addresses, options, filters, shutdown. */
#include "../harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static struct sockaddr_in6 loopback6(uint16_t port)
{
	return (struct sockaddr_in6){ .sin6_family = AF_INET6,
				      .sin6_port = htons(port),
				      .sin6_addr = IN6ADDR_LOOPBACK_INIT };
}

static int int_option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	ASSERT_EQ(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void int_option_set(int fd, int level, int name, int value)
{
	ASSERT_EQ(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);

	ASSERT_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin6_port); /* at the same place in both families */
}

/* Bound to a port of the kernel's choice. */
static int bound(int family, int type)
{
	struct sockaddr_in a4 = loopback(0);
	struct sockaddr_in6 a6 = loopback6(0);
	int fd = socket(family, type, 0);

	ASSERT(fd >= 0);
	if (family == AF_INET)
		ASSERT_EQ(bind(fd, (struct sockaddr *)&a4, sizeof(a4)), 0);
	else
		ASSERT_EQ(bind(fd, (struct sockaddr *)&a6, sizeof(a6)), 0);
	return fd;
}

static void exchange_udp(int family)
{
	int a = bound(family, SOCK_DGRAM), b = bound(family, SOCK_DGRAM);
	struct sockaddr_storage to, from;
	socklen_t len = sizeof(to), from_len = sizeof(from);
	uint16_t port = port_of(a);
	char buf[8];

	ASSERT_EQ(getsockname(a, (struct sockaddr *)&to, &len), 0);
	ASSERT_EQ(connect(b, (struct sockaddr *)&to, len), 0);
	cr_point();
	ASSERT_EQ(port_of(a), port);
	ASSERT_EQ(send(b, "ping", 4, 0), 4);
	ASSERT_EQ(recvfrom(a, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len), 4);
	ASSERT_EQ(sendto(a, "pong!", 5, 0, (struct sockaddr *)&from, from_len), 5);
	ASSERT_EQ(recv(b, buf, sizeof(buf), 0), 5);
}

CR_TEST(inet_socket, udp_goes_on)
{
	exchange_udp(AF_INET);
}

CR_TEST(inet_socket, udp_over_ipv6_goes_on)
{
	exchange_udp(AF_INET6);
}

CR_TEST(inet_socket, udp_stays_shut_down)
{
	int shut[3], whole = bound(AF_INET, SOCK_DGRAM);
	struct sockaddr_in to = loopback(port_of(whole));

	for (int i = 0; i < 3; i++) {
		shut[i] = bound(AF_INET, SOCK_DGRAM);
		ASSERT_EQ(connect(shut[i], (struct sockaddr *)&to, sizeof(to)), 0);
		ASSERT_EQ(shutdown(shut[i], i), 0); /* SHUT_RD, SHUT_WR, SHUT_RDWR */
	}
	cr_point();
	for (int i = 0; i < 3; i++) {
		struct pollfd p = { .fd = shut[i], .events = POLLRDHUP };
		bool reading = i == SHUT_WR, writing = i == SHUT_RD;

		ASSERT(poll(&p, 1, 0) >= 0);
		ASSERT_EQ(!(p.revents & POLLRDHUP), reading);
		ASSERT_EQ(send(shut[i], "x", 1, MSG_NOSIGNAL) == 1, writing);
	}
}

CR_TEST(inet_socket, listener_accepts)
{
	int fd = bound(AF_INET, SOCK_STREAM), client, server;
	struct sockaddr_in to = loopback(port_of(fd));
	struct tcp_info info;
	socklen_t len = sizeof(info);

	ASSERT_EQ(listen(fd, 7), 0);
	cr_point();
	ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	ASSERT_EQ(info.tcpi_sacked, 7); /* the backlog */
	client = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	server = accept(fd, NULL, NULL);
	ASSERT(server >= 0);
	ASSERT_EQ(int_option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
}

/* A listener and one that is only bound: the order in which they come back matters. */
CR_TEST(inet_socket, port_is_shared_again)
{
	int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0);
	int c = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = loopback(0);

	int_option_set(a, SOL_SOCKET, SO_REUSEADDR, 1);
	int_option_set(b, SOL_SOCKET, SO_REUSEADDR, 1);
	ASSERT_EQ(bind(a, (struct sockaddr *)&addr, sizeof(addr)), 0);
	addr.sin_port = htons(port_of(a));
	ASSERT_EQ(bind(b, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ASSERT_EQ(listen(a, 1), 0);

	int_option_set(c, SOL_SOCKET, SO_REUSEPORT, 1);
	int_option_set(d, SOL_SOCKET, SO_REUSEPORT, 1);
	addr.sin_port = 0;
	ASSERT_EQ(bind(c, (struct sockaddr *)&addr, sizeof(addr)), 0);
	addr.sin_port = htons(port_of(c));
	ASSERT_EQ(bind(d, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ASSERT_EQ(listen(c, 1), 0);
	ASSERT_EQ(listen(d, 1), 0);
	int_option_set(c, SOL_SOCKET, SO_REUSEPORT, 0);

	cr_point();
	ASSERT_EQ(port_of(a), port_of(b));
	ASSERT_EQ(port_of(c), port_of(d));
	ASSERT_EQ(int_option(a, SOL_SOCKET, SO_ACCEPTCONN), 1);
	ASSERT_EQ(int_option(b, SOL_SOCKET, SO_ACCEPTCONN), 0);
	ASSERT_EQ(int_option(a, SOL_SOCKET, SO_REUSEADDR), 1);
	ASSERT_EQ(int_option(c, SOL_SOCKET, SO_REUSEPORT), 0);
	ASSERT_EQ(int_option(d, SOL_SOCKET, SO_REUSEPORT), 1);
	ASSERT_EQ(int_option(d, SOL_SOCKET, SO_REUSEADDR), 0);
}

CR_TEST(inet_socket, unbound_ones_can_be_bound)
{
	struct sockaddr_in addr = loopback(0);
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 addr6 = loopback6(0);

	cr_point();
	ASSERT_EQ(port_of(tcp), 0);
	ASSERT_EQ(bind(tcp, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ASSERT_EQ(listen(tcp, 1), 0);
	ASSERT_EQ(bind(udp, (struct sockaddr *)&addr6, sizeof(addr6)), 0);
}

CR_TEST(inet_socket, options_survive)
{
	int v4 = bound(AF_INET, SOCK_STREAM), v6 = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };

	int_option_set(v4, IPPROTO_IP, IP_TOS, 0x10);
	int_option_set(v4, IPPROTO_IP, IP_TTL, 33);
	int_option_set(v4, IPPROTO_IP, IP_FREEBIND, 1);
	int_option_set(v4, IPPROTO_IP, IP_PKTINFO, 1);
	int_option_set(v4, IPPROTO_TCP, TCP_NODELAY, 1);
	int_option_set(v4, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	int_option_set(v6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	int_option_set(v6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	ASSERT_EQ(bind(v6, (struct sockaddr *)&any, sizeof(any)), 0);
	fcntl(v6, F_SETFL, O_NONBLOCK);
	cr_point();
	ASSERT_EQ(int_option(v4, IPPROTO_IP, IP_TOS), 0x10);
	ASSERT_EQ(int_option(v4, IPPROTO_IP, IP_TTL), 33);
	ASSERT_EQ(int_option(v4, IPPROTO_IP, IP_FREEBIND), 1);
	ASSERT_EQ(int_option(v4, IPPROTO_IP, IP_PKTINFO), 1);
	ASSERT_EQ(int_option(v4, IPPROTO_TCP, TCP_NODELAY), 1);
	ASSERT_EQ(int_option(v4, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	ASSERT_EQ(int_option(v6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	ASSERT_EQ(int_option(v6, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
	ASSERT_EQ(int_option(v6, IPPROTO_IPV6, IPV6_FREEBIND), 0);
	ASSERT_EQ(fcntl(v6, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

CR_TEST(inet_socket, raw_survives)
{
	struct icmp_filter filter = { .data = 1u << ICMP_ECHOREPLY };
	int icmp = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), hdr = socket(AF_INET, SOCK_RAW, 253);
	struct sockaddr_in peer = loopback(1);
	socklen_t len = sizeof(filter);

	ASSERT(icmp >= 0 && hdr >= 0);
	ASSERT_EQ(setsockopt(icmp, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)), 0);
	ASSERT_EQ(connect(icmp, (struct sockaddr *)&peer, sizeof(peer)), 0);
	int_option_set(hdr, IPPROTO_IP, IP_HDRINCL, 1);
	cr_point();
	filter.data = 0;
	ASSERT_EQ(getsockopt(icmp, SOL_RAW, ICMP_FILTER, &filter, &len), 0);
	ASSERT_EQ(filter.data, 1u << ICMP_ECHOREPLY);
	len = sizeof(peer);
	ASSERT_EQ(getpeername(icmp, (struct sockaddr *)&peer, &len), 0);
	ASSERT_EQ(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
	ASSERT_EQ(int_option(hdr, IPPROTO_IP, IP_HDRINCL), 1);
}

CR_TEST(inet_socket, filter_survives)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { .len = 1, .filter = none };
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	struct sockaddr_in to = loopback(port_of(a));
	char c;

	ASSERT_EQ(setsockopt(a, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)), 0);
	cr_point();
	ASSERT_EQ(sendto(b, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	ASSERT_EQ(recv(a, &c, 1, MSG_DONTWAIT), -1);
	int_option_set(a, SOL_SOCKET, SO_DETACH_FILTER, 0);
	ASSERT_EQ(sendto(b, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	ASSERT_EQ(recv(a, &c, 1, MSG_DONTWAIT), 1);
}

CR_TEST(inet_socket, shared_by_two_descriptors)
{
	int fd = bound(AF_INET, SOCK_DGRAM), again = fcntl(fd, F_DUPFD, 0);

	cr_point();
	ASSERT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ASSERT_EQ(fcntl(again, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

CR_TEST(inet_socket, corked_is_refused, .refused = "E-SOCKET-KIND")
{
	int fd = bound(AF_INET, SOCK_DGRAM);

	int_option_set(fd, IPPROTO_UDP, UDP_CORK, 1);
	cr_point();
	ASSERT_EQ(int_option(fd, IPPROTO_UDP, UDP_CORK), 1);
}

CR_TEST(inet_socket, in_flight_is_refused, .refused = "E-TCP-IN-FLIGHT")
{
	int fd = bound(AF_INET, SOCK_STREAM), client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = loopback(port_of(fd));

	ASSERT_EQ(listen(fd, 1), 0);
	ASSERT_EQ(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	close(client);
	cr_point();
	ASSERT(accept(fd, NULL, NULL) >= 0);
}
