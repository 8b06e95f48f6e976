#pragma once
/* Packet sockets by sock_diag(7): bound device, memberships, rings, fan-out. */
#include "kernel/netlink/sock_diag.h"

struct arena;

#define PACKET_ADDR_MAX 32 /* of a link layer */

struct packet_member {
	uint32_t ifindex;
	uint32_t count; /* how often it joined */
	uint16_t type;  /* PACKET_MR_* */
	uint16_t len;
	uint8_t addr[PACKET_ADDR_MAX];
};

struct packet_ring {
	uint32_t block_size, block_nr, frame_size, frame_nr, retire_tmo, sizeof_priv, features;
};

/* One socket. Lists belong to the arena it was read with. */
struct packet_diag {
	uint32_t ino;
	uint8_t type;      /* SOCK_* */
	uint16_t protocol; /* ETH_P_*, in host order */
	uint32_t ifindex, version, reserve, copy_thresh, timestamp;
	bool auxdata, origdev, vnethdr, loss;
	struct packet_member *members;
	size_t n_members;
	bool has_rx, has_tx, has_fanout;
	struct packet_ring rx, tx;
	uint32_t fanout;
};

/*
 * The packet socket of an inode in the namespace. -ENOENT when there is none (or no such diag
 * module), -EBADMSG when an answer makes no sense, -ENOMEM; else as sock_diag_dump().
 */
int packet_diag_find(struct sock_diag *d, struct arena *arena, uint32_t ino,
		     struct packet_diag *ret) nodiscard;
