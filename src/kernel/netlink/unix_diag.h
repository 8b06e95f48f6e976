#pragma once
/* Unix sockets by sock_diag(7): peers, names, queues, pending connections. */
#include <sys/types.h>

#include "kernel/netlink/sock_diag.h"

struct arena;

#define UNIX_NAME_MAX 108 /* of sun_path */

/* One socket. Lists belong to the arena it was read with. */
struct unix_diag {
	uint32_t ino;
	uint8_t type;     /* SOCK_* */
	uint8_t state;    /* TCP_ESTABLISHED, TCP_LISTEN, TCP_CLOSE */
	uint8_t shutdown; /* bit 0 receiving, bit 1 sending */
	bool has_peer;    /* peer 0: it was closed */
	uint32_t peer;    /* inode of the peer */
	size_t name_len;  /* as in sun_path, without the NUL that ends a path */
	uint8_t name[UNIX_NAME_MAX];
	bool has_vfs;
	uint32_t vfs_ino, vfs_dev; /* of the file it is bound to; device in the kernel's encoding */
	uint32_t *icons; /* of a listener: inodes of the clients that wait, 0 for one that was
			    closed */
	size_t n_icons;
	uint32_t rqueue; /* bytes that wait (stream, seqpacket), of the first message (dgram), or
			    connections that wait */
	uint32_t wqueue; /* bytes sent and not yet read; of a listener: its backlog */
};

typedef int (*unix_diag_fn)(void *ctx, const struct unix_diag *u);

/* All unix sockets of the namespace. As sock_diag_dump(); -EBADMSG when an answer makes no sense.
 */
int unix_diag_dump(struct sock_diag *d, struct arena *arena, unix_diag_fn fn, void *ctx) nodiscard;

/* Parses one answer. -EBADMSG, -ENOMEM. */
int unix_diag_parse(const struct nlmsghdr *h, struct arena *arena, struct unix_diag *ret) nodiscard;
