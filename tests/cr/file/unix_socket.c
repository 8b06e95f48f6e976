/* Unix sockets: names, connections, queues, files in flight, credentials, options. */
#include "../harness.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct sockaddr_un address(const char *name, socklen_t *ret_len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	/* '@' stands for the zero byte of abstract names. */
	memcpy(a.sun_path, name, len);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] != '@'));
	return a;
}

static int make(int type)
{
	int fd = socket(AF_UNIX, type, 0);

	ASSERT(fd >= 0);
	return fd;
}

static int bound(int type, const char *name)
{
	socklen_t len;
	struct sockaddr_un a = address(name, &len);
	int fd = make(type);

	ASSERT_EQ(bind(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static int listening(int type, const char *name, int backlog)
{
	int fd = bound(type, name);

	ASSERT_EQ(listen(fd, backlog), 0);
	return fd;
}

static int connect_fd(int fd, const char *name)
{
	socklen_t len;
	struct sockaddr_un a = address(name, &len);

	return connect(fd, (struct sockaddr *)&a, len);
}

static int connected(int type, const char *name)
{
	int fd = make(type);

	ASSERT_EQ(connect_fd(fd, name), 0);
	return fd;
}

static void pair(int type, int fd[2])
{
	ASSERT_EQ(socketpair(AF_UNIX, type, 0, fd), 0);
}

static const char *name_of(int fd, bool peer)
{
	static char text[128];
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);
	size_t n;

	ASSERT_EQ(peer ? getpeername(fd, (struct sockaddr *)&a, &len)
		       : getsockname(fd, (struct sockaddr *)&a, &len),
		  0);
	n = len - offsetof(struct sockaddr_un, sun_path);
	if (n > sizeof(a.sun_path))
		n = sizeof(a.sun_path);
	memset(text, 0, sizeof(text));
	memcpy(text, a.sun_path, n);
	if (n && !text[0])
		text[0] = '@';
	return text;
}

static void expect(int fd, const char *text)
{
	char buf[256] = "";

	ASSERT_EQ(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT), strlen(text));
	ASSERT_STR(buf, text);
}

static void expect_nothing(int fd)
{
	char buf[8];

	ASSERT_EQ(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	ASSERT_EQ(errno, EAGAIN);
}

static void talk(int from, int to)
{
	ASSERT_EQ(send(from, "talk", 4, MSG_NOSIGNAL), 4);
	expect(to, "talk");
}

static void send_fds(int via, const char *text, const int *fds, size_t n)
{
	char control[CMSG_SPACE(64 * sizeof(int))] = "";
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	ASSERT_EQ(sendmsg(via, &msg, 0), iov.iov_len);
}

/* Receives up to len bytes and the descriptors that come along; gives their number. */
static size_t recv_fds(int via, const char *text, size_t len, int *fds)
{
	char control[CMSG_SPACE(64 * sizeof(int))], buf[64] = "";
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cm;
	size_t n;

	ASSERT_EQ(recvmsg(via, &msg, MSG_DONTWAIT), strlen(text));
	ASSERT_STR(buf, text);
	cm = CMSG_FIRSTHDR(&msg);
	if (!cm)
		return 0;
	ASSERT_EQ(cm->cmsg_type, SCM_RIGHTS);
	n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
	return n;
}

/* A new client of a listening stream socket. */
static void meet(int l, const char *name)
{
	int c = connected(SOCK_STREAM, name), a = accept(l, NULL, NULL);

	ASSERT(a >= 0);
	talk(c, a);
}

/* ---- pairs ---- */

#define FOR_TYPES(test)                                                                            \
	CR_TEST(unix_socket, test##_stream)                                                        \
	{                                                                                          \
		test(SOCK_STREAM);                                                                 \
	}                                                                                          \
	CR_TEST(unix_socket, test##_seqpacket)                                                     \
	{                                                                                          \
		test(SOCK_SEQPACKET);                                                              \
	}

static void pair_with_queues(int type)
{
	int fd[2];

	pair(type, fd);
	ASSERT_EQ(send(fd[0], "one", 3, 0), 3);
	ASSERT_EQ(send(fd[1], "two", 3, 0), 3);
	cr_point();
	expect(fd[1], "one");
	expect(fd[0], "two");
	expect_nothing(fd[0]);
	talk(fd[0], fd[1]);
	talk(fd[1], fd[0]);
}
FOR_TYPES(pair_with_queues)

CR_TEST(unix_socket, pair_with_queues_dgram)
{
	pair_with_queues(SOCK_DGRAM);
}

CR_TEST(unix_socket, packets_stay_apart)
{
	int fd[2];

	pair(SOCK_SEQPACKET, fd);
	ASSERT_EQ(send(fd[0], "one", 3, 0), 3);
	ASSERT_EQ(send(fd[0], "", 0, 0), 0);
	ASSERT_EQ(send(fd[0], "three", 5, 0), 5);
	cr_point();
	expect(fd[1], "one");
	expect(fd[1], "");
	expect(fd[1], "three");
	expect_nothing(fd[1]);
}

CR_TEST(unix_socket, a_full_stream_survives)
{
	size_t sent = 0, got = 0;
	unsigned char buf[777];
	ssize_t n;
	int fd[2];

	pair(SOCK_STREAM | SOCK_NONBLOCK, fd);
	for (;;) {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (unsigned char)((sent + i) * 31 >> 3);
		n = write(fd[0], buf, sizeof(buf));
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	cr_point();
	ASSERT_EQ(fcntl(fd[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	while ((n = read(fd[1], buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, got++)
			ASSERT_EQ(buf[i], (unsigned char)(got * 31 >> 3));
	ASSERT_EQ(got, sent);
	talk(fd[0], fd[1]);
}

CR_TEST(unix_socket, big_messages_survive)
{
	static char out[150000], in[150001];
	int fd[2];

	memset(out, 'x', sizeof(out));
	pair(SOCK_SEQPACKET, fd);
	ASSERT_EQ(send(fd[0], out, sizeof(out), 0), sizeof(out));
	cr_point();
	ASSERT_EQ(recv(fd[1], in, sizeof(in), 0), sizeof(out));
	ASSERT_EQ(memcmp(in, out, sizeof(out)), 0);
}

static void closed_peer_leaves_its_data(int type)
{
	char buf[8];
	int fd[2];

	pair(type, fd);
	ASSERT_EQ(send(fd[0], "last", 4, 0), 4);
	close(fd[0]);
	cr_point();
	expect(fd[1], "last");
	ASSERT_EQ(read(fd[1], buf, sizeof(buf)), 0);
	ASSERT_EQ(send(fd[1], "x", 1, MSG_NOSIGNAL), -1);
	ASSERT_EQ(errno, EPIPE);
}
FOR_TYPES(closed_peer_leaves_its_data)

CR_TEST(unix_socket, closed_dgram_peer_refuses)
{
	int fd[2];

	pair(SOCK_DGRAM, fd);
	ASSERT_EQ(send(fd[0], "last", 4, 0), 4);
	close(fd[0]);
	cr_point();
	expect(fd[1], "last");
	ASSERT_EQ(send(fd[1], "x", 1, MSG_NOSIGNAL), -1);
	ASSERT_EQ(errno, ECONNREFUSED);
}

static void shut_down_halves_stay_shut(int type)
{
	struct pollfd pfd = { .events = POLLRDHUP };
	char buf[8];
	int fd[2];

	pair(type, fd);
	ASSERT_EQ(send(fd[0], "last", 4, 0), 4);
	ASSERT_EQ(shutdown(fd[0], SHUT_WR), 0);
	cr_point();
	expect(fd[1], "last");
	ASSERT_EQ(read(fd[1], buf, sizeof(buf)), 0);
	ASSERT_EQ(send(fd[0], "x", 1, MSG_NOSIGNAL), -1);
	ASSERT_EQ(errno, EPIPE);
	pfd.fd = fd[1];
	ASSERT_EQ(poll(&pfd, 1, 0), 1);
	talk(fd[1], fd[0]);
}
FOR_TYPES(shut_down_halves_stay_shut)

CR_TEST(unix_socket, shut_down_dgram_stays_shut)
{
	int fd[2];

	pair(SOCK_DGRAM, fd);
	ASSERT_EQ(shutdown(fd[0], SHUT_WR), 0);
	cr_point();
	ASSERT_EQ(send(fd[0], "x", 1, MSG_NOSIGNAL), -1);
	ASSERT_EQ(errno, EPIPE);
	talk(fd[1], fd[0]);
}

/* ---- names ---- */

static void connected_by_name(int type)
{
	int l = listening(type, "server", 5), c = connected(type, "server");
	int a = accept(l, NULL, NULL), again, more;

	ASSERT(a >= 0);
	ASSERT_EQ(send(c, "in", 2, 0), 2);
	cr_point();
	ASSERT_STR(name_of(l, false), "server");
	ASSERT_STR(name_of(a, false), "server");
	ASSERT_STR(name_of(c, true), "server");
	ASSERT_STR(name_of(c, false), "");
	expect(a, "in");
	talk(a, c);
	again = connected(type, "server");
	more = accept(l, NULL, NULL);
	ASSERT(more >= 0);
	talk(again, more);
}
FOR_TYPES(connected_by_name)

CR_TEST(unix_socket, abstract_names_survive)
{
	int l = listening(SOCK_STREAM, "@stasis-test-abstract", 5);
	int c = connected(SOCK_STREAM, "@stasis-test-abstract"), a = accept(l, NULL, NULL), d;

	cr_point();
	ASSERT_STR(name_of(l, false), "@stasis-test-abstract");
	ASSERT_STR(name_of(c, true), "@stasis-test-abstract");
	talk(a, c);
	d = connected(SOCK_STREAM, "@stasis-test-abstract");
	a = accept(l, NULL, NULL);
	talk(a, d);
}

CR_TEST(unix_socket, absolute_names_survive)
{
	char path[PATH_MAX + 8];
	int l;

	ASSERT(getcwd(path, PATH_MAX));
	strcat(path, "/abs");
	ASSERT(strlen(path) < 108);
	l = listening(SOCK_STREAM, path, 1);
	cr_point();
	ASSERT_STR(name_of(l, false), path);
	meet(l, path);
}

CR_TEST(unix_socket, accepted_ones_keep_the_name_of_a_listener_that_is_gone)
{
	int l = listening(SOCK_STREAM, "@stasis-test-gone", 5);
	int c1 = connected(SOCK_STREAM, "@stasis-test-gone"), a1 = accept(l, NULL, NULL);
	int c2 = connected(SOCK_STREAM, "@stasis-test-gone"), a2 = accept(l, NULL, NULL);

	close(l);
	cr_point();
	ASSERT_STR(name_of(a1, false), "@stasis-test-gone");
	ASSERT_STR(name_of(a2, false), "@stasis-test-gone");
	talk(a1, c1);
	talk(c2, a2);
	ASSERT_EQ(connect_fd(make(SOCK_STREAM), "@stasis-test-gone"), -1);
}

CR_TEST(unix_socket, relative_names_with_directories_survive)
{
	int l;

	ASSERT_EQ(mkdir("sub", 0755), 0);
	ASSERT_EQ(mkdir("sub/deep", 0755), 0);
	l = listening(SOCK_STREAM, "sub/../sub/deep/s", 1);
	cr_point();
	ASSERT_STR(name_of(l, false), "sub/../sub/deep/s");
	meet(l, "sub/deep/s");
}

CR_TEST(unix_socket, places_beyond_108_bytes_survive)
{
	char dir[64];
	int l;

	memset(dir, 'd', sizeof(dir));
	dir[60] = '\0';
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(mkdir(dir, 0755), 0);
		ASSERT_EQ(chdir(dir), 0);
	}
	l = listening(SOCK_STREAM, "far", 1);
	cr_point();
	meet(l, "far");
}

CR_TEST(unix_socket, owner_and_mode_of_the_file_survive)
{
	struct stat st;
	int l = listening(SOCK_STREAM, "owned", 1);

	ASSERT_EQ(chmod("owned", 0640), 0);
	ASSERT_EQ(chown("owned", 1234, 4321), 0);
	cr_point();
	ASSERT_EQ(stat("owned", &st), 0);
	ASSERT(S_ISSOCK(st.st_mode));
	ASSERT_EQ(st.st_mode & 07777, 0640);
	ASSERT_EQ(st.st_uid, 1234);
	ASSERT_EQ(st.st_gid, 4321);
	meet(l, "owned");
}

CR_TEST(unix_socket, a_renamed_file_is_where_it_was)
{
	int l = listening(SOCK_STREAM, "old", 1);

	ASSERT_EQ(rename("old", "new"), 0);
	cr_point();
	ASSERT_EQ(access("old", F_OK), -1);
	ASSERT_STR(name_of(l, false), "old");
	meet(l, "new");
}

CR_TEST(unix_socket, a_deleted_file_stays_deleted)
{
	int l = listening(SOCK_STREAM, "gone", 5), c = connected(SOCK_STREAM, "gone"), a;

	ASSERT_EQ(unlink("gone"), 0);
	a = accept(l, NULL, NULL);
	cr_point();
	ASSERT_EQ(access("gone", F_OK), -1);
	ASSERT_STR(name_of(l, false), "gone");
	ASSERT_STR(name_of(a, false), "gone");
	talk(a, c);
}

CR_TEST(unix_socket, a_successor_of_a_deleted_file_is_left_alone)
{
	int l = listening(SOCK_STREAM, "gone", 5), second;

	ASSERT_EQ(unlink("gone"), 0);
	second = listening(SOCK_STREAM, "gone", 5);
	cr_point();
	ASSERT_STR(name_of(l, false), "gone");
	meet(second, "gone");
}

CR_TEST(unix_socket, a_deleted_directory_is_not_needed)
{
	int d;

	ASSERT_EQ(mkdir("dir", 0755), 0);
	d = bound(SOCK_DGRAM, "dir/sock");
	ASSERT_EQ(unlink("dir/sock"), 0);
	ASSERT_EQ(rmdir("dir"), 0);
	cr_point();
	ASSERT_STR(name_of(d, false), "dir/sock");
	ASSERT_EQ(access("dir", F_OK), -1);
}

/* ---- listening ---- */

static void clients_wait_to_be_accepted(int type)
{
	int l = listening(type, "@stasis-test-wait", 5);
	int c1 = connected(type, "@stasis-test-wait"), c2 = connected(type, "@stasis-test-wait"), a;

	cr_point();
	a = accept(l, NULL, NULL);
	talk(c1, a);
	a = accept(l, NULL, NULL);
	talk(a, c2);
}
FOR_TYPES(clients_wait_to_be_accepted)

CR_TEST(unix_socket, the_backlog_survives)
{
	int l = listening(SOCK_STREAM, "@stasis-test-backlog", 2);

	cr_point();
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(connect_fd(make(SOCK_STREAM | SOCK_NONBLOCK), "@stasis-test-backlog"), 0);
	ASSERT_EQ(connect_fd(make(SOCK_STREAM | SOCK_NONBLOCK), "@stasis-test-backlog"), -1);
	ASSERT_EQ(errno, EAGAIN);
	ASSERT(accept(l, NULL, NULL) >= 0);
}

CR_TEST(unix_socket, data_on_waiting_connections_is_refused, .refused = "E-SOCKET-KIND")
{
	int l = listening(SOCK_STREAM, "@stasis-test-data", 2);
	int c = connected(SOCK_STREAM, "@stasis-test-data");

	ASSERT_EQ(write(c, "early", 5), 5);
	cr_point();
	expect(accept(l, NULL, NULL), "early");
}

CR_TEST(unix_socket, unconnected_ones_survive)
{
	int s = make(SOCK_STREAM), b = bound(SOCK_SEQPACKET, "@stasis-test-unconn"), d;

	d = make(SOCK_DGRAM);
	cr_point();
	ASSERT_EQ(write(s, "x", 1), -1);
	ASSERT_EQ(listen(b, 1), 0);
	ASSERT_EQ(connect_fd(make(SOCK_SEQPACKET), "@stasis-test-unconn"), 0);
	ASSERT_EQ(write(d, "x", 1), -1);
	ASSERT_EQ(errno, ENOTCONN);
}

/* ---- datagrams ---- */

CR_TEST(unix_socket, datagrams_have_their_senders)
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	char buf[16] = "";
	int s = bound(SOCK_DGRAM, "server"), c1 = bound(SOCK_DGRAM, "client"),
	    c2 = make(SOCK_DGRAM);

	ASSERT_EQ(connect_fd(c1, "server"), 0);
	ASSERT_EQ(connect_fd(c2, "server"), 0);
	ASSERT_EQ(write(c2, "nameless", 8), 8);
	ASSERT_EQ(write(c1, "named", 5), 5);
	cr_point();
	ASSERT_EQ(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len), 8);
	ASSERT_EQ(len, 0);
	memset(&a, 0, len = sizeof(a));
	ASSERT_EQ(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len), 5);
	ASSERT_STR(a.sun_path, "client");
	talk(c1, s);
	talk(c2, s);
	ASSERT_EQ(sendto(s, "back", 4, 0, (struct sockaddr *)&a, len), 4);
	expect(c1, "back");
}

CR_TEST(unix_socket, datagrams_of_closed_senders_survive)
{
	int s = bound(SOCK_DGRAM, "server"), c = connected(SOCK_DGRAM, "server");

	ASSERT_EQ(write(c, "one", 3), 3);
	ASSERT_EQ(write(c, "", 0), 0);
	ASSERT_EQ(write(c, "three", 5), 5);
	close(c);
	cr_point();
	expect(s, "one");
	expect(s, "");
	expect(s, "three");
	expect_nothing(s);
	talk(connected(SOCK_DGRAM, "server"), s);
}

CR_TEST(unix_socket, datagrams_of_a_deleted_receiver_survive)
{
	int s = bound(SOCK_DGRAM, "server"), c = connected(SOCK_DGRAM, "server");

	ASSERT_EQ(write(c, "one", 3), 3);
	ASSERT_EQ(unlink("server"), 0);
	cr_point();
	expect(s, "one");
	talk(c, s);
}

CR_TEST(unix_socket, a_datagram_socket_talks_to_itself)
{
	int s = bound(SOCK_DGRAM, "self");

	ASSERT_EQ(connect_fd(s, "self"), 0);
	ASSERT_EQ(write(s, "me", 2), 2);
	cr_point();
	expect(s, "me");
	talk(s, s);
}

CR_TEST(unix_socket, one_of_a_pair_went_elsewhere)
{
	int fd[2], s = bound(SOCK_DGRAM, "server");

	pair(SOCK_DGRAM, fd);
	ASSERT_EQ(connect_fd(fd[1], "server"), 0);
	cr_point();
	talk(fd[1], s);
	ASSERT_EQ(send(fd[0], "x", 1, MSG_NOSIGNAL), -1);
}

/* ---- files in flight ---- */

static void files_in_flight(int type)
{
	int fd[2], p[2], back[2] = { -1, -1 };

	pair(type, fd);
	ASSERT_EQ(pipe(p), 0);
	send_fds(fd[0], "pipe", p, 2);
	close(p[0]);
	ASSERT_EQ(write(p[1], "via", 3), 3);
	cr_point();
	ASSERT_EQ(recv_fds(fd[1], "pipe", 16, back), 2);
	ASSERT_EQ(write(back[1], "new", 3), 3);
	ASSERT_EQ(write(p[1], "old", 3), 3);
	char buf[16] = "";
	ASSERT_EQ(read(back[0], buf, sizeof(buf)), 9);
	ASSERT_STR(buf, "vianewold");
}
FOR_TYPES(files_in_flight)

CR_TEST(unix_socket, files_in_flight_dgram)
{
	files_in_flight(SOCK_DGRAM);
}

CR_TEST(unix_socket, messages_with_files_in_a_stream_stay_apart)
{
	int fd[2], p[2], back[2];
	char c;

	pair(SOCK_STREAM, fd);
	ASSERT_EQ(pipe(p), 0);
	ASSERT_EQ(write(fd[0], "before", 6), 6);
	send_fds(fd[0], "with", &p[1], 1);
	send_fds(fd[0], "two", p, 2);
	ASSERT_EQ(write(fd[0], "after", 5), 5);
	cr_point();
	ASSERT_EQ(recv_fds(fd[1], "beforewith", 32, back), 1);
	ASSERT_EQ(write(back[0], "x", 1), 1);
	ASSERT_EQ(recv_fds(fd[1], "two", 32, back), 2);
	ASSERT_EQ(recv_fds(fd[1], "after", 32, back), 0);
	ASSERT_EQ(read(p[0], &c, 1), 1);
}

CR_TEST(unix_socket, sockets_nest_in_flight)
{
	int outer[2], inner[2], p[2], got;
	char buf[8] = "";

	pair(SOCK_STREAM, outer);
	pair(SOCK_STREAM, inner);
	ASSERT_EQ(pipe(p), 0);
	send_fds(inner[0], "p", &p[0], 1);
	close(p[0]);
	send_fds(outer[0], "i", &inner[1], 1);
	close(inner[0]);
	close(inner[1]);
	cr_point();
	ASSERT_EQ(recv_fds(outer[1], "i", 1, &got), 1);
	ASSERT_EQ(recv_fds(got, "p", 1, &got), 1);
	ASSERT_EQ(write(p[1], "deep", 4), 4);
	ASSERT_EQ(read(got, buf, sizeof(buf)), 4);
	ASSERT_STR(buf, "deep");
}

CR_TEST(unix_socket, a_socket_waits_in_its_own_queue)
{
	int fd[2], got;

	pair(SOCK_DGRAM, fd);
	send_fds(fd[0], "me", &fd[1], 1);
	send_fds(fd[1], "you", &fd[0], 1);
	cr_point();
	ASSERT_EQ(recv_fds(fd[1], "me", 8, &got), 1);
	talk(fd[0], got);
	ASSERT_EQ(recv_fds(fd[0], "you", 8, &got), 1);
	talk(got, fd[1]);
}

CR_TEST(unix_socket, an_epoll_instance_in_flight_works)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 77 };
	int fd[2], p[2], ep = epoll_create1(0);

	pair(SOCK_STREAM, fd);
	ASSERT_EQ(pipe(p), 0);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e), 0);
	send_fds(fd[0], "e", &ep, 1);
	close(ep);
	cr_point();
	ASSERT_EQ(recv_fds(fd[1], "e", 1, &ep), 1);
	ASSERT_EQ(epoll_wait(ep, &e, 1, 0), 0);
	ASSERT_EQ(write(p[1], "x", 1), 1);
	ASSERT_EQ(epoll_wait(ep, &e, 1, 0), 1);
	ASSERT_EQ(e.data.u32, 77);
}

CR_TEST(unix_socket, shared_files_in_flight_stay_shared)
{
	int fd[2], file = open("f", O_RDWR | O_CREAT, 0600), got[3];

	pair(SOCK_SEQPACKET, fd);
	send_fds(fd[0], "a", (int[]){ file, file }, 2);
	send_fds(fd[0], "b", &file, 1);
	cr_point();
	ASSERT_EQ(recv_fds(fd[1], "a", 1, got), 2);
	ASSERT_EQ(recv_fds(fd[1], "b", 1, got + 2), 1);
	ASSERT_EQ(write(got[0], "12", 2), 2);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(lseek(got[i], 0, SEEK_CUR), 2);
	ASSERT_EQ(lseek(file, 0, SEEK_CUR), 2);
}

/* ---- credentials ---- */

static struct ucred peer_of(int fd)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	ASSERT_EQ(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len), 0);
	return c;
}

CR_TEST(unix_socket, peer_credentials_survive)
{
	int l = listening(SOCK_STREAM, "@stasis-test-cred", 5), fd[2], a, c, status;
	struct ucred before, again;
	pid_t child;

	pair(SOCK_STREAM, fd);
	c = make(SOCK_STREAM);
	child = fork();
	if (!child)
		_exit(setgid(222) || setuid(111) || connect_fd(c, "@stasis-test-cred"));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	a = accept(l, NULL, NULL);
	before = peer_of(a);
	ASSERT_EQ(before.pid, child);
	cr_point();
	again = peer_of(a);
	ASSERT_EQ(again.pid, child);
	ASSERT_EQ(again.uid, 111);
	ASSERT_EQ(again.gid, 222);
	ASSERT_EQ(peer_of(fd[0]).pid, getpid());
	ASSERT_EQ(peer_of(c).pid, getpid());
	talk(a, c);
}

CR_TEST(unix_socket, credentials_of_messages_survive)
{
	char control[256], buf[8];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd[2], on = 1;
	struct ucred *c;

	pair(SOCK_SEQPACKET, fd);
	ASSERT_EQ(setsockopt(fd[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	ASSERT_EQ(write(fd[0], "who", 3), 3);
	cr_point();
	ASSERT_EQ(recvmsg(fd[1], &msg, 0), 3);
	ASSERT(CMSG_FIRSTHDR(&msg));
	ASSERT_EQ(CMSG_FIRSTHDR(&msg)->cmsg_type, SCM_CREDENTIALS);
	c = (struct ucred *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
	ASSERT_EQ(c->pid, getpid());
	ASSERT_EQ(c->uid, getuid());
}

/* ---- options ---- */

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	ASSERT_EQ(getsockopt(fd, SOL_SOCKET, name, &value, &len), 0);
	return value;
}

static void option_set(int fd, int name, int value)
{
	ASSERT_EQ(setsockopt(fd, SOL_SOCKET, name, &value, sizeof(value)), 0);
}

CR_TEST(unix_socket, options_survive)
{
	struct timeval tv = { 3, 500000 }, back;
	socklen_t len = sizeof(back);
	int fd[2];

	pair(SOCK_STREAM, fd);
	option_set(fd[0], SO_SNDBUF, 40000);
	option_set(fd[1], SO_RCVBUF, 50000);
	option_set(fd[0], SO_PASSCRED, 1);
	option_set(fd[0], SO_PRIORITY, 5);
	option_set(fd[1], SO_RCVLOWAT, 3);
	option_set(fd[1], SO_PEEK_OFF, 2);
	ASSERT_EQ(setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	cr_point();
	ASSERT_EQ(option(fd[0], SO_SNDBUF), 80000);
	ASSERT_EQ(option(fd[1], SO_RCVBUF), 100000);
	ASSERT_EQ(option(fd[0], SO_PASSCRED), 1);
	ASSERT_EQ(option(fd[1], SO_PASSCRED), 0);
	ASSERT_EQ(option(fd[0], SO_PRIORITY), 5);
	ASSERT_EQ(option(fd[1], SO_RCVLOWAT), 3);
	ASSERT_EQ(option(fd[1], SO_PEEK_OFF), 2);
	ASSERT_EQ(option(fd[0], SO_PEEK_OFF), -1);
	ASSERT_EQ(getsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &back, &len), 0);
	ASSERT_EQ(back.tv_sec, 3);
	ASSERT_EQ(back.tv_usec, 500000);
}

CR_TEST(unix_socket, a_description_is_shared_by_fork)
{
	int fd[2], status;
	pid_t child;

	pair(SOCK_STREAM, fd);
	child = fork();
	if (!child) {
		char c;

		close(fd[0]);
		_exit(read(fd[1], &c, 1) == 1 && write(fd[1], "y", 1) == 1 ? 0 : 1);
	}
	close(fd[1]);
	cr_point();
	ASSERT_EQ(write(fd[0], "x", 1), 1);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	expect(fd[0], "y");
}

/* ---- outside ---- */

/* A process that is not in the tree: its parent is gone. It holds fd as long as we live. */
static void give_to_outsider(int fd)
{
	pid_t us = getpid(), child = fork();

	if (!child) {
		if (!fork()) {
			(void)setsid();
			for (int i = 0; i < 1024; i++)
				if (i != fd)
					close(i);
			/* We may be away for a moment: dumped. */
			for (int gone = 0; gone < 30; gone = kill(us, 0) == 0 ? 0 : gone + 1)
				usleep(100000);
			_exit(0);
		}
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, NULL, 0), child);
	close(fd);
}

CR_TEST(unix_socket, a_stream_peer_outside_is_refused, .refused = "E-UNIX-OUTSIDE")
{
	int fd[2];

	pair(SOCK_STREAM, fd);
	give_to_outsider(fd[1]);
	cr_point();
	ASSERT_EQ(write(fd[0], "x", 1), 1);
}

CR_TEST(unix_socket, a_dgram_peer_outside_is_refused, .refused = "E-UNIX-OUTSIDE")
{
	int s = bound(SOCK_DGRAM, "outside"), c = connected(SOCK_DGRAM, "outside");

	give_to_outsider(s);
	cr_point();
	ASSERT_EQ(write(c, "x", 1), 1);
}

CR_TEST(unix_socket, a_dgram_peer_outside_is_connected_again, .dump_options = "--ext-unix-sk",
	.restore_options = "--ext-unix-sk", .outsiders = true)
{
	int s = bound(SOCK_DGRAM, "outside"), c = connected(SOCK_DGRAM, "outside");

	give_to_outsider(s);
	cr_point();
	ASSERT_EQ(write(c, "x", 1), 1);
	ASSERT_STR(name_of(c, true), "outside");
}
