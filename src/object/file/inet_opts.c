/*
 * Options of the IP and TCP layers of a socket. Like CRIU we record what differs from zero.
 *
 * Not covered, because the kernel does not tell: memberships in multicast groups.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/in6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "kernel/sys.h"
#include "object/file/inet_common.h"
#include "schema/sk-inet.pb-c.h"

#define TTL_MAX 255

enum opt_for { FOR_V4 = 1, FOR_V6 = 2, FOR_RAW = 4, FOR_TCP = 8 };

/* One row per option that is a number; `for` says which sockets have it. */
static const struct opt_row {
	const char *name;
	int level, option;
	unsigned at;     /* in struct inet_opts */
	bool is_bool;    /* a bool there, else a uint32_t */
	unsigned wanted; /* enum opt_for: all of these */
} opt_rows[] = {
#define OPT_BOOL(field, level, option, wanted)                                                     \
	{                                                                                          \
#option, level, option, offsetof(struct inet_opts, field), true, wanted            \
	}
#define OPT_NUMBER(field, level, option, wanted)                                                   \
	{                                                                                          \
#option, level, option, offsetof(struct inet_opts, field), false, wanted           \
	}
	OPT_BOOL(freebind, IPPROTO_IP, IP_FREEBIND, FOR_V4),
	OPT_BOOL(pktinfo, IPPROTO_IP, IP_PKTINFO, FOR_V4),
	OPT_NUMBER(tos, IPPROTO_IP, IP_TOS, FOR_V4),
	OPT_NUMBER(ttl, IPPROTO_IP, IP_TTL, FOR_V4),
	OPT_BOOL(nodefrag, IPPROTO_IP, IP_NODEFRAG, FOR_V4 | FOR_RAW),
	OPT_BOOL(hdrincl, IPPROTO_IP, IP_HDRINCL, FOR_V4 | FOR_RAW),
	OPT_BOOL(freebind, IPPROTO_IPV6, IPV6_FREEBIND, FOR_V6),
	OPT_BOOL(pktinfo, IPPROTO_IPV6, IPV6_RECVPKTINFO, FOR_V6),
	OPT_BOOL(hdrincl, IPPROTO_IPV6, IPV6_HDRINCL, FOR_V6 | FOR_RAW),
	OPT_BOOL(nodelay, IPPROTO_TCP, TCP_NODELAY, FOR_TCP),
	OPT_BOOL(cork, IPPROTO_TCP, TCP_CORK, FOR_TCP),
	OPT_NUMBER(keepcnt, IPPROTO_TCP, TCP_KEEPCNT, FOR_TCP),
	OPT_NUMBER(keepidle, IPPROTO_TCP, TCP_KEEPIDLE, FOR_TCP),
	OPT_NUMBER(keepintvl, IPPROTO_TCP, TCP_KEEPINTVL, FOR_TCP),
#undef OPT_BOOL
#undef OPT_NUMBER
};

static bool opt_applies(const struct opt_row *row, const struct inet_socket *s)
{
	unsigned is = (s->family == AF_INET ? FOR_V4 : FOR_V6) |
		      (s->type == SOCK_RAW ? FOR_RAW : 0) | (inet_is_tcp(s) ? FOR_TCP : 0);

	return (row->wanted & is) == row->wanted;
}

static uint32_t opt_value(const struct inet_opts *o, const struct opt_row *row)
{
	const char *at = (const char *)o + row->at;

	return row->is_bool ? *(const bool *)at : *(const uint32_t *)at;
}

static void opt_store(struct inet_opts *o, const struct opt_row *row, uint32_t value)
{
	char *at = (char *)o + row->at;

	if (row->is_bool)
		*(bool *)at = value != 0;
	else
		*(uint32_t *)at = value;
}

static bool has_icmp_filter(const struct inet_socket *s)
{
	return s->type == SOCK_RAW &&
	       s->proto == (s->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static int icmp_filter_read(int fd, const struct inet_socket *s, struct inet_opts *o)
{
	bool v4 = s->family == AF_INET;
	socklen_t len = v4 ? sizeof(struct icmp_filter) : sizeof(struct icmp6_filter);

	o->n_icmp_filter = len / sizeof(o->icmp_filter[0]);
	return sys_getsockopt(fd, v4 ? SOL_RAW : IPPROTO_ICMPV6, v4 ? ICMP_FILTER : ICMPV6_FILTER,
			      o->icmp_filter, &len);
}

int inet_opts_read(int fd, const struct inet_socket *s, struct inet_opts *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(opt_rows); i++) {
		const struct opt_row *row = &opt_rows[i];
		int value = 0, r;
		socklen_t len = sizeof(value);

		if (!opt_applies(row, s))
			continue;
		r = sys_getsockopt(fd, row->level, row->option, &value, &len);
		if (r < 0)
			return r;
		opt_store(ret, row, (uint32_t)value);
	}
	ret->has_tos = s->family == AF_INET && ret->tos;
	ret->has_ttl = s->family == AF_INET && ret->ttl;
	return has_icmp_filter(s) ? icmp_filter_read(fd, s, ret) : 0;
}

int inet_opts_write(int fd, const struct inet_socket *s, const char **ret_name)
{
	const struct inet_opts *o = &s->opts;
	bool v4 = s->family == AF_INET;

	for (size_t i = 0; i < ARRAY_SIZE(opt_rows); i++) {
		const struct opt_row *row = &opt_rows[i];
		int value = (int)opt_value(o, row), r;

		if (!opt_applies(row, s) || !value)
			continue;
		*ret_name = row->name;
		r = sys_setsockopt(fd, row->level, row->option, &value, sizeof(value));
		if (r < 0)
			return r;
	}
	*ret_name = "ICMP_FILTER";
	if (!o->n_icmp_filter)
		return 0;
	return sys_setsockopt(fd, v4 ? SOL_RAW : IPPROTO_ICMPV6, v4 ? ICMP_FILTER : ICMPV6_FILTER,
			      o->icmp_filter, o->n_icmp_filter * sizeof(o->icmp_filter[0]));
}

static IpOptsRawEntry *raw_encode(const struct inet_opts *o, struct arena *a)
{
	IpOptsRawEntry *raw = ARENA_NEW(a, IpOptsRawEntry);

	if (!raw)
		return NULL;
	ip_opts_raw_entry__init(raw);
	raw->has_hdrincl = raw->hdrincl = o->hdrincl;
	raw->has_nodefrag = raw->nodefrag = o->nodefrag;
	raw->n_icmpv_filter = o->n_icmp_filter;
	raw->icmpv_filter = arena_dup(a, o->icmp_filter, sizeof(o->icmp_filter));
	return raw;
}

int inet_opts_encode(const struct inet_socket *s, struct InetSkEntry *out, struct arena *a)
{
	const struct inet_opts *o = &s->opts;
	IpOptsEntry *ip = ARENA_NEW(a, IpOptsEntry);
	TcpOptsEntry *tcp = ARENA_NEW(a, TcpOptsEntry);

	if (!ip || !tcp)
		return -ENOMEM;
	ip_opts_entry__init(ip);
	ip->has_freebind = ip->freebind = o->freebind;
	ip->has_pktinfo = ip->pktinfo = o->pktinfo;
	ip->has_tos = o->has_tos;
	ip->tos = o->tos;
	ip->has_ttl = o->has_ttl;
	ip->ttl = o->ttl;
	ip->raw = s->type == SOCK_RAW ? raw_encode(o, a) : NULL;
	tcp_opts_entry__init(tcp);
	tcp->has_nodelay = tcp->nodelay = o->nodelay;
	tcp->has_cork = tcp->cork = o->cork;
	tcp->has_keepcnt = (tcp->keepcnt = o->keepcnt);
	tcp->has_keepidle = (tcp->keepidle = o->keepidle);
	tcp->has_keepintvl = (tcp->keepintvl = o->keepintvl);
	out->ip_opts = ip;
	out->tcp_opts = tcp;
	return a->failed ? -ENOMEM : 0;
}

static int raw_decode(struct inet_socket *s, const IpOptsRawEntry *raw)
{
	struct inet_opts *o = &s->opts;

	o->hdrincl = raw->has_hdrincl && raw->hdrincl;
	o->nodefrag = raw->has_nodefrag && raw->nodefrag;
	if (!has_icmp_filter(s) || !raw->n_icmpv_filter)
		return 0;
	o->n_icmp_filter = s->family == AF_INET ? 1 : ARRAY_SIZE(o->icmp_filter);
	if (raw->n_icmpv_filter != o->n_icmp_filter)
		return -EUCLEAN;
	memcpy(o->icmp_filter, raw->icmpv_filter, o->n_icmp_filter * sizeof(o->icmp_filter[0]));
	return 0;
}

int inet_opts_decode(struct inet_socket *s, const struct InetSkEntry *in)
{
	const IpOptsEntry *ip = in->ip_opts;
	const TcpOptsEntry *tcp = in->tcp_opts;
	struct inet_opts *o = &s->opts;

	if (ip) {
		o->freebind = ip->has_freebind && ip->freebind;
		o->pktinfo = ip->has_pktinfo && ip->pktinfo;
		o->tos = ip->has_tos ? ip->tos : 0;
		o->ttl = ip->has_ttl ? ip->ttl : 0;
		if (o->tos > UINT8_MAX || o->ttl > TTL_MAX)
			return -EUCLEAN;
	}
	if (tcp) {
		o->nodelay = tcp->has_nodelay && tcp->nodelay;
		o->cork = tcp->has_cork && tcp->cork;
		o->keepcnt = tcp->has_keepcnt ? tcp->keepcnt : 0;
		o->keepidle = tcp->has_keepidle ? tcp->keepidle : 0;
		o->keepintvl = tcp->has_keepintvl ? tcp->keepintvl : 0;
	}
	return ip && ip->raw && s->type == SOCK_RAW ? raw_decode(s, ip->raw) : 0;
}
