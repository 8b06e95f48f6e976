/*
 * Sockets over IPv4 and IPv6: TCP, UDP, UDP-Lite, ping and raw sockets, with their addresses,
 * options, filters and directions that were shut down. Everything is asked of the socket itself,
 * through our duplicate of the descriptor; only what UDP was forbidden to send is the business of
 * sock_diag(7).
 *
 * Not covered: datagrams that wait to be read (they may get lost anyway, and are, with a warning),
 * connections that nobody has accepted yet, memberships in multicast groups.
 */
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "kernel/netlink/inet_diag.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "object/file/inet_common.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/sk-inet.pb-c.h"
#include "schema/sk-opts.pb-c.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define SHUT_READ  1u
#define SHUT_WRITE 2u

/* What the kind keeps: on dump what sock_diag(7) told, on restore where the queues are. */
struct inet_all {
	struct load_images *in;
	struct map shutdowns; /* (0, inode) -> bits, only of those with some */
	bool asked[2][2];     /* UDP and UDP-Lite, IPv4 and IPv6 */
};

static struct inet_all *inet_all_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_inet_socket);

	if (extra && !*extra)
		*extra = NEW(struct inet_all);
	return extra ? *extra : NULL;
}

static void inet_all_done(void *extra)
{
	struct inet_all *all = extra;

	map_done(&all->shutdowns);
	mem_free(all);
}

/* ---- dump ---- */

static bool inet_match(const struct fd_view *v)
{
	return sk_is_of(v, AF_INET) || sk_is_of(v, AF_INET6);
}

static int inet_refuse_kind(struct collect *c, const struct inet_socket *s)
{
	switch (s->type == SOCK_RAW ? IPPROTO_IP : s->proto) {
	case IPPROTO_IP: /* a raw socket may be of any protocol */
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		break;
	case IPPROTO_MPTCP:
		return report_refuse_with(
			c->report, -ENOTSUP, CODE_SOCKET_KIND,
			"make the program use TCP (GODEBUG=multipathtcp=0 for Go)",
			"the socket speaks MPTCP");
	default:
		return report_refuse(c->report, -ENOTSUP, CODE_SOCKET_KIND,
				     "the socket is of protocol %u", s->proto);
	}
	if (s->type == SOCK_STREAM || s->type == SOCK_DGRAM || s->type == SOCK_RAW)
		return 0;
	return report_refuse(c->report, -ENOTSUP, CODE_SOCKET_KIND, "the socket is of type %u",
			     s->type);
}

/* Only poll(2) tells what was shut down without a FIN on the wire. */
static int shutdown_read(int fd, struct inet_socket *s)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	int r = sys_poll(&p, 1, 0);

	if (r < 0)
		return r;
	if (p.revents & POLLRDHUP)
		s->shutdown |= SHUT_READ;
	/* A closed TCP socket is hung up whatever was shut down. */
	if ((p.revents & POLLHUP) && s->state != TCP_CLOSE)
		s->shutdown |= SHUT_READ | SHUT_WRITE;
	return 0;
}

static int tcp_refuse(struct collect *c, const struct inet_socket *s, unsigned waiting)
{
	char peer[INET_ADDR_TEXT];

	if (s->state == TCP_CLOSE)
		return 0;
	if (s->state == TCP_LISTEN) {
		if (!waiting || c->policy->skip_in_flight)
			return 0;
		return report_refuse(c->report, -ENOTSUP, CODE_TCP_IN_FLIGHT,
				     "%u connections wait to be accepted on port %u", waiting,
				     s->local.port);
	}
	if (!tcp_state_is_known(s->state))
		return report_refuse(c->report, -ENOTSUP, CODE_SOCKET_KIND,
				     "the TCP socket is in state %u", s->state);
	if (c->policy->tcp_established || c->policy->tcp_close)
		return 0;
	return report_refuse(c->report, -ENOTSUP, CODE_TCP_ESTABLISHED,
			     "the TCP socket is connected to %s", inet_addr_text(&s->peer, peer));
}

static int tcp_collect(struct collect *c, struct inet_socket *s, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int r = sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);

	if (r < 0)
		return report_fail(c->report, r, "cannot read TCP_INFO");
	s->state = info.tcpi_state;
	if (s->state == TCP_LISTEN) /* fields that have another meaning there */
		s->backlog = info.tcpi_sacked;
	if (s->state == TCP_FIN_WAIT1 || s->state == TCP_FIN_WAIT2 || s->state == TCP_LAST_ACK ||
	    s->state == TCP_CLOSING)
		s->shutdown |= SHUT_WRITE;
	return tcp_refuse(c, s, s->state == TCP_LISTEN ? info.tcpi_unacked : 0);
}

static int udp_refuse_corked(struct collect *c, const struct inet_socket *s, int fd)
{
	int corked = 0, r;

	if (s->type != SOCK_DGRAM || (s->proto != IPPROTO_UDP && s->proto != IPPROTO_UDPLITE))
		return 0;
	r = sk_get_int(fd, IPPROTO_UDP, UDP_CORK, &corked);
	if (r < 0)
		return report_fail(c->report, r, "cannot read UDP_CORK");
	if (!corked)
		return 0;
	return report_refuse(c->report, -ENOTSUP, CODE_SOCKET_KIND,
			     "the UDP socket is corked: what waits in it cannot be read");
}

static int shutdown_note(void *ctx, const struct inet_diag *i)
{
	struct inet_all *all = ctx;

	if (!i->shutdown || !i->ino)
		return 0;
	return map_set(&all->shutdowns, 0, i->ino, (void *)(uintptr_t)i->shutdown);
}

/* Once for all sockets of the kind; they are in one network namespace. */
static int shutdowns_ask(const struct inet_socket *s, int fd, struct inet_all *all)
{
	bool *asked = &all->asked[s->proto == IPPROTO_UDPLITE][s->family == AF_INET6];
	scoped(sock_diag_done) struct sock_diag diag = { 0 };
	scoped(fd_close) int netns = -EBADF;
	int r = 0;

	if (*asked)
		return 0;
	netns = sock_netns_open(fd);
	r = netns < 0 ? netns : sock_diag_open(netns, &diag);
	if (r == 0)
		r = inet_diag_dump(&diag, (int)s->family, (int)s->proto, shutdown_note, all);
	*asked = r == 0;
	return r == -ENOENT ? 0
			    : r; /* no such module: then nothing was shut down, as far as we see */
}

static int udp_read_shutdown(struct collect *c, struct inet_socket *s, int fd)
{
	struct inet_all *all = inet_all_of(c->model);
	int r;

	if (s->type != SOCK_DGRAM || (s->proto != IPPROTO_UDP && s->proto != IPPROTO_UDPLITE))
		return 0;
	r = all ? shutdowns_ask(s, fd, all) : -ENOMEM;
	if (r == 0)
		s->shutdown |= (unsigned)(uintptr_t)map_find(&all->shutdowns, 0, s->file.ino);
	return r < 0 ? report_fail(c->report, r, "cannot list UDP sockets") : 0;
}

static int datagram_collect(struct collect *c, struct inet_socket *s, int fd)
{
	int waiting = 0, r = udp_refuse_corked(c, s, fd);

	if (r < 0)
		return r;
	s->state = inet_addr_is_any(&s->peer) && !s->peer.port ? TCP_CLOSE : TCP_ESTABLISHED;
	if (sys_ioctl_ptr(fd, SIOCINQ, &waiting) == 0 && waiting > 0)
		report_warn(c->report, CODE_NOTE,
			    "datagrams that wait to be read are dropped, the first has %d bytes",
			    waiting);
	return udp_read_shutdown(c, s, fd);
}

/* A link-local address is one of an interface, whose name outlives its number. */
static int scope_read(int fd, struct inet_socket *s)
{
	struct ifreq ifr = { .ifr_ifindex = (int)s->local.scope };
	int r;

	if (!inet_addr_needs_scope(&s->local) || !s->local.port || !s->local.scope)
		return 0;
	r = sys_ioctl_ptr(fd, SIOCGIFNAME, &ifr);
	if (r == 0)
		(void)snprintf(s->ifname, sizeof(s->ifname), "%s", ifr.ifr_name);
	return r;
}

static int addresses_read(int fd, struct inet_socket *s)
{
	int v6only = 0, r = inet_addr_local(fd, &s->local);

	if (r < 0)
		return r;
	r = inet_addr_peer(fd, &s->peer);
	if (r == -ENOTCONN) {
		s->peer = (struct inet_addr){ .family = (uint16_t)s->family };
		r = 0;
	}
	if (r == 0 && s->family == AF_INET6) {
		r = sk_get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only);
		s->v6only = v6only;
	}
	return r < 0 ? r : scope_read(fd, s);
}

static int inet_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct inet_socket *s = inet_socket_of(f);
	int family = 0, type = 0, proto = 0, r;

	r = sk_get_int(v->fd, SOL_SOCKET, SO_DOMAIN, &family);
	if (r == 0)
		r = sk_get_int(v->fd, SOL_SOCKET, SO_TYPE, &type);
	if (r == 0)
		r = sk_get_int(v->fd, SOL_SOCKET, SO_PROTOCOL, &proto);
	if (r < 0)
		return report_fail(c->report, r, "cannot find out what socket it is");
	s->family = (unsigned)family;
	s->type = (unsigned)type;
	s->proto = (unsigned)proto;
	r = inet_refuse_kind(c, s);
	if (r < 0)
		return r;
	r = addresses_read(v->fd, s);
	if (r < 0)
		return report_fail(c->report, r, "cannot read its addresses");
	r = inet_is_tcp(s) ? tcp_collect(c, s, v->fd) : datagram_collect(c, s, v->fd);
	if (r < 0)
		return r;
	r = shutdown_read(v->fd, s);
	if (r == 0)
		r = inet_opts_read(v->fd, s, &s->opts);
	if (r < 0)
		return report_fail(c->report, r, "cannot read its options");
	return sk_opts_read(c->report, v->fd, &c->arena, &s->sk);
}

static int addr_encode(const struct inet_addr *a, unsigned family, struct arena *arena,
		       size_t *ret_n, uint32_t **ret)
{
	*ret_n = family == AF_INET ? 1 : 4;
	*ret = arena_dup(arena, a->ip, sizeof(a->ip));
	return *ret ? 0 : -ENOMEM;
}

static int inet_encode(const struct file *f, struct file_record *out)
{
	const struct inet_socket *s = container_of(f, const struct inet_socket, file);
	const struct ns *net = f->task ? f->task->ns[NS_NET] : NULL;
	InetSkEntry *ie = ARENA_NEW(out->arena, InetSkEntry);

	if (!ie)
		return -ENOMEM;
	inet_sk_entry__init(ie);
	ie->id = f->id;
	ie->ino = (uint32_t)f->ino;
	ie->family = s->family;
	ie->type = s->type;
	ie->proto = s->proto;
	ie->state = s->conn ? s->conn->state : s->state;
	ie->src_port = s->local.port;
	ie->dst_port = s->peer.port;
	ie->flags = f->flags;
	ie->backlog = s->backlog;
	ie->fown = fown_encode(&f->fown, out->arena);
	ie->opts = s->sk;
	ie->has_v6only = s->family == AF_INET6;
	ie->v6only = s->v6only;
	ie->ifname = s->ifname[0] ? arena_str(out->arena, s->ifname) : NULL;
	ie->has_ns_id = net != NULL;
	ie->ns_id = net ? net->id : 0;
	ie->has_shutdown = s->shutdown != 0;
	ie->shutdown = (SkShutdown)s->shutdown;
	out->fe->isk = ie;
	if (!ie->fown ||
	    addr_encode(&s->local, s->family, out->arena, &ie->n_src_addr, &ie->src_addr) < 0 ||
	    addr_encode(&s->peer, s->family, out->arena, &ie->n_dst_addr, &ie->dst_addr) < 0)
		return -ENOMEM;
	return inet_opts_encode(s, ie, out->arena);
}

static int inet_write(struct collect *c, struct dump_images *out)
{
	vec_for_each(f, &c->model->files) {
		const struct inet_socket *s;
		int r;

		if ((*f)->kind->tag != FD_TYPES__INETSK)
			continue;
		s = inet_socket_of(*f);
		r = s->conn ? tcp_image_write(out, s) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- restore ---- */

/* Queues are images of their own: decode() finds the directory here. */
static int inet_load(struct model *m, struct load_images *in)
{
	struct inet_all *all = inet_all_of(m);

	if (!all)
		return report_fail(in->report, -ENOMEM, "cannot hold the images");
	all->in = in;
	return 0;
}

/* The first images had four words for IPv4, too. */
static int addr_decode(const uint32_t *words, size_t n, uint32_t port, unsigned family,
		       struct inet_addr *ret)
{
	size_t need = family == AF_INET ? 1 : 4;

	if (n < need || port > UINT16_MAX)
		return -EUCLEAN;
	*ret = (struct inet_addr){ .family = (uint16_t)family, .port = (uint16_t)port };
	memcpy(ret->ip, words, need * sizeof(words[0]));
	return 0;
}

static bool inet_is_sane(const InetSkEntry *ie)
{
	if (ie->family != AF_INET && ie->family != AF_INET6)
		return false;
	if (ie->type != SOCK_STREAM && ie->type != SOCK_DGRAM && ie->type != SOCK_RAW)
		return false;
	if (ie->state == TCP_LISTEN && (ie->type != SOCK_STREAM || ie->backlog > INT32_MAX))
		return false;
	if (ie->ifname && strlen(ie->ifname) >= IFNAMSIZ)
		return false;
	return ie->proto <= INT32_MAX && (!ie->has_shutdown || (unsigned)ie->shutdown <= 3);
}

static int inet_decode(struct model *m, struct file *f, const struct file_record *in)
{
	struct inet_all *all = inet_all_of(m);
	const InetSkEntry *ie = in->fe->isk;
	struct inet_socket *s = inet_socket_of(f);
	int r;

	if (!all || !all->in) /* -ENOMEM was reported by load() */
		return -ENOMEM;
	if (!ie || !inet_is_sane(ie) || sk_opts_check(ie->opts) < 0)
		return -EUCLEAN;
	f->flags = ie->flags;
	f->fown = fown_decode(ie->fown);
	f->ino = ie->ino;
	s->family = ie->family;
	s->type = ie->type;
	s->proto = ie->proto;
	s->state = ie->state;
	s->backlog = ie->backlog;
	s->v6only = ie->has_v6only && ie->v6only;
	s->shutdown = ie->has_shutdown ? (unsigned)ie->shutdown : 0;
	s->sk = ie->opts;
	if (ie->ifname)
		(void)snprintf(s->ifname, sizeof(s->ifname), "%s", ie->ifname);
	r = addr_decode(ie->src_addr, ie->n_src_addr, ie->src_port, s->family, &s->local);
	if (r == 0)
		r = addr_decode(ie->dst_addr, ie->n_dst_addr, ie->dst_port, s->family, &s->peer);
	if (r == 0)
		r = inet_opts_decode(s, ie);
	if (r == 0 && inet_is_connection(s) && !all->in->policy->tcp_close)
		r = tcp_image_load(all->in, s);
	return r;
}

static int inet_check(struct check *k, struct file *f)
{
	const struct inet_socket *s = inet_socket_of(f);
	char peer[INET_ADDR_TEXT];

	if (inet_is_connection(s)) {
		if (s->state == TCP_CLOSE || k->policy->tcp_established || k->policy->tcp_close)
			return 0;
		return report_refuse(k->report, -ENOTSUP, CODE_TCP_ESTABLISHED,
				     "the TCP socket is connected to %s",
				     inet_addr_text(&s->peer, peer));
	}
	return inet_check_port(k, s);
}

/* All at once: which one may be bound first depends on the others. */
static int inet_create(struct env *env, struct file *f, int *ret_fd)
{
	int r = inet_make_all(env);

	if (r == 0)
		*ret_fd = fd_take(&f->made_fd);
	return r;
}

static void inet_done(struct file *f)
{
	struct inet_socket *s = inet_socket_of(f);

	if (s->repair_fd > 0)
		fd_close(s->repair_fd);
}

const struct file_kind file_kind_inet_socket = {
	.name = "inet_socket",
	.about = "TCP, UDP, ping and raw sockets over IPv4 and IPv6",
	.tag = FD_TYPES__INETSK,
	.size = sizeof(struct inet_socket),
	.match = inet_match,
	.collect = inet_collect,
	.lock = tcp_lock_all,
	.encode = inet_encode,
	.write = inet_write,
	.load = inet_load,
	.decode = inet_decode,
	.check = inet_check,
	.create = inet_create,
	.finish = tcp_release_made,
	.done = inet_done,
	.extra_done = inet_all_done,
};
