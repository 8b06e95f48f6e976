/* TCP connections: both ends in the tree, or the peer outside of it, who must not notice. */
#include "../harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct pair {
	int client, server;
};

static int listener(int family, struct sockaddr_in6 *ret, socklen_t *ret_len)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(family, SOCK_STREAM, 0);

	ASSERT(fd >= 0);
	if (family == AF_INET)
		ASSERT_EQ(bind(fd, (struct sockaddr *)&a4, sizeof(a4)), 0);
	else
		ASSERT_EQ(bind(fd, (struct sockaddr *)&a6, sizeof(a6)), 0);
	ASSERT_EQ(listen(fd, 4), 0);
	*ret_len = sizeof(*ret);
	ASSERT_EQ(getsockname(fd, (struct sockaddr *)ret, ret_len), 0);
	return fd;
}

static struct pair pair_make(int family)
{
	struct sockaddr_in6 to;
	socklen_t len;
	int fd = listener(family, &to, &len);
	struct pair p = { .client = socket(family, SOCK_STREAM, 0) };

	ASSERT_EQ(connect(p.client, (struct sockaddr *)&to, len), 0);
	p.server = accept(fd, NULL, NULL);
	ASSERT(p.server >= 0);
	close(fd);
	return p;
}

static unsigned state_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_state;
}

static void send_text(int fd, const char *text)
{
	ASSERT_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void expect_text(int fd, const char *text)
{
	char buf[64] = "";

	ASSERT_EQ(recv(fd, buf, strlen(text), MSG_WAITALL), (ssize_t)strlen(text));
	ASSERT_STR(buf, text);
}

/* One that no packet comes through: what is sent stays in the queues. */
static void expect_end(int fd)
{
	char c;

	ASSERT_EQ(recv(fd, &c, 1, 0), 0);
}

static void talk(struct pair p)
{
	send_text(p.client, "question");
	expect_text(p.server, "question");
	send_text(p.server, "answer");
	expect_text(p.client, "answer");
}

#define ESTABLISHED .dump_options = "--tcp-established", .restore_options = "--tcp-established"

CR_TEST(tcp, connection_is_refused_without_option, .refused = "E-TCP-ESTABLISHED")
{
	struct pair p = pair_make(AF_INET);

	cr_point();
	talk(p);
}

CR_TEST(tcp, connection_goes_on, ESTABLISHED)
{
	struct pair p = pair_make(AF_INET);

	cr_point();
	talk(p);
	close(p.client);
	expect_end(p.server);
}

CR_TEST(tcp, connection_over_ipv6_goes_on, ESTABLISHED)
{
	struct pair p = pair_make(AF_INET6);

	cr_point();
	talk(p);
	close(p.client);
	expect_end(p.server);
}

CR_TEST(tcp, received_bytes_are_kept, ESTABLISHED)
{
	struct pair p = pair_make(AF_INET);

	send_text(p.client, "first ");
	send_text(p.server, "other way");
	while (recv(p.server, (char[6]){ 0 }, 6, MSG_PEEK) != 6)
		;
	cr_point();
	send_text(p.client, "second");
	expect_text(p.server, "first second");
	expect_text(p.client, "other way");
	talk(p);
}

/* More than the peer's window takes: bytes wait to be acknowledged, more to be sent. */
CR_TEST(tcp, full_queues_are_kept, ESTABLISHED)
{
	struct pair p = pair_make(AF_INET);
	static unsigned char buf[1 << 16];
	uint64_t sent = 0, got = 0;
	ssize_t n;

	ASSERT_EQ(fcntl(p.client, F_SETFL, O_NONBLOCK), 0);
	do {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (unsigned char)((sent + i) * 13 >> 3);
		n = send(p.client, buf, sizeof(buf), 0);
		sent += n > 0 ? (uint64_t)n : 0;
	} while (n > 0);
	cr_point();
	close(p.client);
	while ((n = recv(p.server, buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			ASSERT_EQ(buf[i], (unsigned char)((got + (uint64_t)i) * 13 >> 3));
		got += (uint64_t)n;
	}
	ASSERT_EQ(got, sent);
}

CR_TEST(tcp, half_closed_stays_half_open, ESTABLISHED)
{
	struct pair p = pair_make(AF_INET);

	send_text(p.client, "last words");
	ASSERT_EQ(shutdown(p.client, SHUT_WR), 0);
	while (state_of(p.client) != TCP_FIN_WAIT2)
		usleep(1000);
	ASSERT_EQ(state_of(p.server), TCP_CLOSE_WAIT);
	cr_point();
	ASSERT_EQ(state_of(p.client), TCP_FIN_WAIT2);
	ASSERT_EQ(state_of(p.server), TCP_CLOSE_WAIT);
	expect_text(p.server, "last words");
	expect_end(p.server);
	send_text(p.server, "reply");
	expect_text(p.client, "reply");
	ASSERT_EQ(send(p.client, "x", 1, MSG_NOSIGNAL), -1);
}

CR_TEST(tcp, closed_by_both_can_be_read, ESTABLISHED)
{
	struct pair p = pair_make(AF_INET6);

	send_text(p.client, "from client");
	send_text(p.server, "from server");
	ASSERT_EQ(shutdown(p.client, SHUT_WR), 0);
	while (state_of(p.server) != TCP_CLOSE_WAIT)
		usleep(1000);
	ASSERT_EQ(shutdown(p.server, SHUT_WR), 0);
	cr_point();
	expect_text(p.server, "from client");
	expect_end(p.server);
}

CR_TEST(tcp, options_survive, ESTABLISHED)
{
	struct pair p = pair_make(AF_INET);
	struct tcp_info before, after;
	socklen_t len = sizeof(before);
	int one = 1;

	ASSERT_EQ(setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	ASSERT_EQ(setsockopt(p.client, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	ASSERT_EQ(getsockopt(p.client, IPPROTO_TCP, TCP_INFO, &before, &len), 0);
	cr_point();
	len = sizeof(one);
	ASSERT_EQ(getsockopt(p.client, SOL_SOCKET, SO_REUSEADDR, &one, &len), 0);
	ASSERT_EQ(one, 1);
	ASSERT_EQ(getsockopt(p.server, SOL_SOCKET, SO_REUSEADDR, &one, &len), 0);
	ASSERT_EQ(one, 0);
	len = sizeof(after);
	ASSERT_EQ(getsockopt(p.client, IPPROTO_TCP, TCP_INFO, &after, &len), 0);
	ASSERT_EQ(after.tcpi_options, before.tcpi_options);
	ASSERT_EQ(after.tcpi_snd_wscale, before.tcpi_snd_wscale);
	ASSERT_EQ(after.tcpi_rcv_wscale, before.tcpi_rcv_wscale);
	ASSERT_EQ(fcntl(p.client, F_GETFL) & O_NONBLOCK, 0);
	talk(p);
}

/* The peer is outside of the tree, sends all the time, and must get everything back in order. */
static void echo_client(const struct sockaddr_in6 *to, socklen_t len)
{
	int fd = socket(to->sin6_family, SOCK_STREAM, 0);
	struct timeval limit = { .tv_sec = 20 };
	unsigned char out = 0, in = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)to, len) < 0)
		_exit(1);
	for (int i = 0; i < 3000; i++, out++, in++) {
		unsigned char c;

		if (send(fd, &out, 1, MSG_NOSIGNAL) != 1 || recv(fd, &c, 1, 0) != 1 || c != in)
			_exit(1);
		usleep(100);
	}
	(void)!send(fd, "end", 3, MSG_NOSIGNAL);
	_exit(0);
}

CR_TEST(tcp, peer_outside_notices_nothing, ESTABLISHED, .outsiders = true)
{
	struct sockaddr_in6 to;
	socklen_t len;
	int fd = listener(AF_INET, &to, &len), server;
	unsigned char c;
	long n = 0;

	if (fork() == 0) { /* its child is init's, and not in the tree */
		if (fork() == 0) {
			setsid();
			for (int i = 3; i < 64; i++)
				close(i);
			echo_client(&to, len);
		}
		_exit(0);
	}
	(void)wait(NULL);
	server = accept(fd, NULL, NULL);
	ASSERT(server >= 0);
	for (; n < 500; n++)
		ASSERT(recv(server, &c, 1, 0) == 1 && send(server, &c, 1, 0) == 1);
	cr_point();
	for (; n < 3000; n++)
		ASSERT(recv(server, &c, 1, 0) == 1 && send(server, &c, 1, MSG_NOSIGNAL) == 1);
	expect_text(server, "end");
}

CR_TEST(tcp, closed_by_request, .restore_options = "--tcp-close",
	.dump_options = "--tcp-established")
{
	struct pair p = pair_make(AF_INET);
	char c;

	cr_point();
	if (state_of(p.server) == TCP_CLOSE) {
		ASSERT_EQ(recv(p.server, &c, 1, 0), 0);
		ASSERT_EQ(send(p.server, "x", 1, MSG_NOSIGNAL), -1);
	} else {
		talk(p); /* the live one was left alone */
	}
}

CR_TEST(tcp, in_flight_is_skipped, .dump_options = "--skip-in-flight --tcp-close",
	.restore_options = "--tcp-close")
{
	struct sockaddr_in6 to;
	socklen_t len;
	int fd = listener(AF_INET, &to, &len), client = socket(AF_INET, SOCK_STREAM, 0);

	ASSERT_EQ(connect(client, (struct sockaddr *)&to, len), 0);
	cr_point();
	close(client);
	client = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(connect(client, (struct sockaddr *)&to, len), 0);
	ASSERT(accept(fd, NULL, NULL) >= 0);
}
