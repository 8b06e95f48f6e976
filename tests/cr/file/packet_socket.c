/* Packet sockets: device, options, memberships, rings. */
#include "../harness.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

static int int_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	ASSERT_EQ(getsockopt(fd, SOL_PACKET, name, &value, &len), 0);
	return value;
}

static void int_option_set(int fd, int name, int value)
{
	ASSERT_EQ(setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)), 0);
}

CR_TEST(packet_socket, device_and_options_survive)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_ifindex = 1,
				  .sll_protocol = htons(ETH_P_IP) };
	struct packet_mreq join = { .mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	socklen_t len = sizeof(ll);

	ASSERT(fd >= 0);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	int_option_set(fd, PACKET_VERSION, TPACKET_V2);
	int_option_set(fd, PACKET_AUXDATA, 1);
	int_option_set(fd, PACKET_RESERVE, 16);
	ASSERT_EQ(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &join, sizeof(join)), 0);
	cr_point();
	ASSERT_EQ(getsockname(fd, (struct sockaddr *)&ll, &len), 0);
	ASSERT_EQ(ll.sll_ifindex, 1);
	ASSERT_EQ(ntohs(ll.sll_protocol), ETH_P_IP);
	ASSERT_EQ(int_option(fd, PACKET_VERSION), TPACKET_V2);
	ASSERT_EQ(int_option(fd, PACKET_AUXDATA), 1);
	ASSERT_EQ(int_option(fd, PACKET_RESERVE), 16);
	ASSERT_EQ(int_option(fd, PACKET_ORIGDEV), 0);
	ASSERT_EQ(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &join, sizeof(join)), 0);
}

CR_TEST(packet_socket, ring_is_there_again)
{
	struct tpacket_req req = {
		.tp_block_size = 4096, .tp_block_nr = 2, .tp_frame_size = 2048, .tp_frame_nr = 4
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), version = TPACKET_V2;

	ASSERT(fd >= 0);
	ASSERT_EQ(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)), 0);
	cr_point();
	/* With a ring, the version is settled. */
	ASSERT_EQ(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), -1);
	ASSERT_EQ(errno, EBUSY);
}
