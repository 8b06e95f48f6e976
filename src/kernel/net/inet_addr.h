#pragma once
/* An address of an inet socket, IPv4 or IPv6, with its port: between the kernel's sockaddrs,
 * inet_diag and images. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/base.h"

struct inet_addr {
	uint16_t family; /* AF_INET, AF_INET6 */
	uint16_t port;   /* in host order */
	uint32_t ip[4];  /* in network order; AF_INET has the first word only */
	uint32_t scope;  /* IPv6: interface index, or 0 */
};

union inet_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The length of the sockaddr that was made. */
socklen_t inet_addr_to_sockaddr(const struct inet_addr *a, union inet_sockaddr *ret);
/* -EINVAL for another family or a length that does not fit it. */
int inet_addr_from_sockaddr(const union inet_sockaddr *sa, socklen_t len,
			    struct inet_addr *ret) nodiscard;

/* ::ffff:1.2.3.4 */
bool inet_addr_is_mapped(const struct inet_addr *a);
/* What goes over the wire: a mapped address as AF_INET, others as they are. */
struct inet_addr inet_addr_unmap(const struct inet_addr *a);
/* 0.0.0.0 or :: */
bool inet_addr_is_any(const struct inet_addr *a);
/* Link-local addresses mean nothing without an interface. */
bool inet_addr_needs_scope(const struct inet_addr *a);

#define INET_ADDR_TEXT 64
/* "127.0.0.1:80", "[::1]:80"; gives buf. */
const char *inet_addr_text(const struct inet_addr *a, char buf[INET_ADDR_TEXT]);

/* getsockname(2), and the peer also of sockets that are not connected any more (SO_PEERNAME). 0;
 * -ENOTCONN when there is none; -errno. */
int inet_addr_local(int fd, struct inet_addr *ret) nodiscard;
int inet_addr_peer(int fd, struct inet_addr *ret) nodiscard;
