#pragma once
/* Inet sockets by sock_diag(7): what they do not tell themselves. */
#include "kernel/netlink/sock_diag.h"

struct inet_diag {
	uint32_t ino;
	uint8_t state;    /* TCP_* */
	uint8_t shutdown; /* bit 0 receiving, bit 1 sending */
};

typedef int (*inet_diag_fn)(void *ctx, const struct inet_diag *i);

/*
 * All sockets of a family (AF_INET, AF_INET6) and protocol (IPPROTO_UDP...) in the namespace. As
 * sock_diag_dump(); -EBADMSG when an answer makes no sense.
 */
int inet_diag_dump(struct sock_diag *d, int family, int proto, inet_diag_fn fn,
		   void *ctx) nodiscard;

/* Parses one answer. -EBADMSG. */
int inet_diag_parse(const struct nlmsghdr *h, struct inet_diag *ret) nodiscard;
