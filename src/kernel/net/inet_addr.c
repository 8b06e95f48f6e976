/* Addresses of inet sockets. See inet_addr.h. */
#include "kernel/net/inet_addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "kernel/sys.h"

socklen_t inet_addr_to_sockaddr(const struct inet_addr *a, union inet_sockaddr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == AF_INET) {
		ret->in.sin_family = AF_INET;
		ret->in.sin_port = htons(a->port);
		ret->in.sin_addr.s_addr = a->ip[0];
		return sizeof(ret->in);
	}
	ret->in6.sin6_family = AF_INET6;
	ret->in6.sin6_port = htons(a->port);
	memcpy(&ret->in6.sin6_addr, a->ip, sizeof(a->ip));
	ret->in6.sin6_scope_id = a->scope;
	return sizeof(ret->in6);
}

int inet_addr_from_sockaddr(const union inet_sockaddr *sa, socklen_t len, struct inet_addr *ret)
{
	*ret = (struct inet_addr){ .family = sa->sa.sa_family };
	if (sa->sa.sa_family == AF_INET && len >= sizeof(sa->in)) {
		ret->port = ntohs(sa->in.sin_port);
		ret->ip[0] = sa->in.sin_addr.s_addr;
		return 0;
	}
	if (sa->sa.sa_family == AF_INET6 && len >= sizeof(sa->in6)) {
		ret->port = ntohs(sa->in6.sin6_port);
		memcpy(ret->ip, &sa->in6.sin6_addr, sizeof(ret->ip));
		ret->scope = sa->in6.sin6_scope_id;
		return 0;
	}
	return -EINVAL;
}

bool inet_addr_is_mapped(const struct inet_addr *a)
{
	return a->family == AF_INET6 && !a->ip[0] && !a->ip[1] && a->ip[2] == htonl(0xffff);
}

struct inet_addr inet_addr_unmap(const struct inet_addr *a)
{
	if (!inet_addr_is_mapped(a))
		return *a;
	return (struct inet_addr){ .family = AF_INET, .port = a->port, .ip = { a->ip[3] } };
}

bool inet_addr_is_any(const struct inet_addr *a)
{
	return !a->ip[0] && !a->ip[1] && !a->ip[2] && !a->ip[3];
}

bool inet_addr_needs_scope(const struct inet_addr *a)
{
	struct in6_addr in6;

	if (a->family != AF_INET6)
		return false;
	memcpy(&in6, a->ip, sizeof(in6));
	return IN6_IS_ADDR_LINKLOCAL(&in6) || IN6_IS_ADDR_MC_LINKLOCAL(&in6) ||
	       IN6_IS_ADDR_MC_NODELOCAL(&in6);
}

const char *inet_addr_text(const struct inet_addr *a, char buf[INET_ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(a->family, a->ip, ip, sizeof(ip)); /* at worst "?" */
	(void)snprintf(buf, INET_ADDR_TEXT, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip,
		       a->port);
	return buf;
}

int inet_addr_local(int fd, struct inet_addr *ret)
{
	union inet_sockaddr sa = { 0 };
	socklen_t len = sizeof(sa);
	int r = sys_getsockname(fd, &sa.sa, &len);

	return r < 0 ? r : inet_addr_from_sockaddr(&sa, len, ret);
}

/* getpeername(2) gives nothing once the connection is closed; the option still knows. It refuses
 * more room than it needs. */
int inet_addr_peer(int fd, struct inet_addr *ret)
{
	union inet_sockaddr sa = { 0 };
	socklen_t len = sizeof(sa.in6);
	int r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &sa, &len);

	if (r == -EINVAL) {
		len = sizeof(sa.in);
		r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &sa, &len);
	}

	return r < 0 ? r : inet_addr_from_sockaddr(&sa, len, ret);
}
