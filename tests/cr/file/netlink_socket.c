/* Netlink sockets: port, groups, peer. */
#include "../harness.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static struct sockaddr_nl local_of(int fd)
{
	struct sockaddr_nl sa = { 0 };
	socklen_t len = sizeof(sa);

	ASSERT_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return sa;
}

/* Asks for the link of the loopback device; its answer comes at once. */
static void ask_link(int fd)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} ask = { .h = { .nlmsg_len = sizeof(ask),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST },
		  .i = { .ifi_index = 1 } };

	ASSERT_EQ(send(fd, &ask, sizeof(ask), 0), (ssize_t)sizeof(ask));
}

static void expect_link(int fd)
{
	union {
		struct nlmsghdr h;
		char room[8192];
	} answer;

	ASSERT(recv(fd, &answer, sizeof(answer), 0) > (ssize_t)sizeof(answer.h));
	ASSERT_EQ(answer.h.nlmsg_type, RTM_NEWLINK);
}

CR_TEST(netlink_socket, address_and_groups_survive)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), high = RTNLGRP_NSID;
	uint32_t groups[8] = { 0 }, portid;
	socklen_t len = sizeof(groups);

	ASSERT_EQ(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ASSERT_EQ(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &high, sizeof(high)), 0);
	portid = local_of(fd).nl_pid;
	cr_point();
	sa = local_of(fd);
	ASSERT_EQ(sa.nl_pid, portid);
	ASSERT_EQ(sa.nl_groups & RTMGRP_LINK, RTMGRP_LINK);
	ASSERT_EQ(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len), 0);
	ASSERT_EQ(groups[(RTNLGRP_NSID - 1) / 32] >> (RTNLGRP_NSID - 1) % 32 & 1, 1);
	ask_link(fd);
	expect_link(fd);
}

CR_TEST(netlink_socket, unbound_is_of_use)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	cr_point();
	ASSERT_EQ(local_of(fd).nl_pid, 0);
	ask_link(fd);
	expect_link(fd);
}

CR_TEST(netlink_socket, waiting_answer_is_refused, .refused = "E-SOCKET-KIND")
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	ask_link(fd);
	cr_point();
	expect_link(fd);
}
