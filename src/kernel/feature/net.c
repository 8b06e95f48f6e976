/* Probes about networking: sockets, sock_diag, rtnetlink, netfilter, TUN. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/inet_diag.h>
#include <linux/net_namespace.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "kernel/feature/probe.h"
#include "kernel/sys.h"

/* Of headers that cannot be included beside libc's. */
enum {
	REPAIR_SEND_QUEUE = 2,        /* TCP_SEND_QUEUE */
	V6_FREEBIND = 78,             /* IPV6_FREEBIND */
	BUF_LOCK = 72,                /* SO_BUF_LOCK */
	IPTABLES_GET_INFO = 64,       /* IPT_SO_GET_INFO */
	UNIX_FILE = SIOCPROTOPRIVATE, /* SIOCUNIXFILE */
};

static int new_socket(int domain, int type, int protocol)
{
	return sys_socket(domain, type | SOCK_CLOEXEC, protocol);
}

int probe_sk_ns(void)
{
	scoped(fd_close) int sk = new_socket(AF_UNIX, SOCK_DGRAM, 0);
	scoped(fd_close) int ns = -EBADF;

	if (sk < 0)
		return sk;
	ns = sys_ioctl(sk, SIOCGSKNS, 0);
	return probe_answer(ns);
}

int probe_sk_unix_file(void)
{
	scoped(fd_close) int sk = new_socket(AF_UNIX, SOCK_DGRAM, 0);
	int r = sk < 0 ? sk : sys_ioctl(sk, UNIX_FILE, 0);

	/* This socket has no file; a kernel that looks says so. */
	return r == -ENOENT ? 1 : probe_answer(r);
}

int probe_sockopt_buf_lock(void)
{
	scoped(fd_close) int sk = new_socket(AF_UNIX, SOCK_DGRAM, 0);
	int value;
	socklen_t len = sizeof(value);

	return sk < 0 ? sk : probe_answer(sys_getsockopt(sk, SOL_SOCKET, BUF_LOCK, &value, &len));
}

int probe_ipv6_freebind(void)
{
	scoped(fd_close) int sk = new_socket(AF_INET6, SOCK_DGRAM, 0);
	int yes = 1;

	if (sk < 0)
		return sk == -EAFNOSUPPORT ? 0 : sk;
	return probe_answer(sys_setsockopt(sk, IPPROTO_IPV6, V6_FREEBIND, &yes, sizeof(yes)));
}

static int set_tcp(int sk, int option, int value)
{
	return sys_setsockopt(sk, IPPROTO_TCP, option, &value, sizeof(value));
}

int probe_tcp_repair(void)
{
	scoped(fd_close) int sk = new_socket(AF_INET, SOCK_STREAM, 0);

	return sk < 0 ? sk : probe_answer(set_tcp(sk, TCP_REPAIR, 1));
}

/*
 * Under repair a connection is made and closed by decree, without a packet. Older kernels refuse to
 * enter repair again once one side is closed.
 */
int probe_tcp_half_closed(void)
{
	scoped(fd_close) int sk = new_socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int r = sk < 0 ? sk : set_tcp(sk, TCP_REPAIR, 1);

	if (r == 0)
		r = set_tcp(sk, TCP_REPAIR_QUEUE, REPAIR_SEND_QUEUE);
	if (r == 0)
		r = sys_connect(sk, (const struct sockaddr *)&to, sizeof(to));
	if (r == 0)
		r = sys_shutdown(sk, SHUT_WR);
	if (r < 0)
		return r;
	r = set_tcp(sk, TCP_REPAIR, 1);
	return r == -EPERM ? 0 : probe_answer(r);
}

int probe_has_ipt_legacy(void)
{
	scoped(fd_close) int sk = new_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	/* struct ipt_getinfo: a table's name, then numbers for us to ignore. */
	struct {
		char name[32];
		unsigned numbers[13];
	} info = { .name = "filter" };
	socklen_t len = sizeof(info);
	int r = sk < 0 ? sk : sys_getsockopt(sk, IPPROTO_IP, IPTABLES_GET_INFO, &info, &len);

	return r == -ENOENT ? 0 : probe_answer(r);
}

static int open_tun(void)
{
	return sys_openat(AT_FDCWD, "/dev/net/tun", O_RDWR | O_CLOEXEC, 0);
}

int probe_tun(void)
{
	scoped(fd_close) int fd = open_tun();
	unsigned features = 0;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENODEV ? 0 : fd;
	return probe_answer(sys_ioctl_ptr(fd, TUNGETFEATURES, &features));
}

int probe_tun_ns(void)
{
	scoped(fd_close) int fd = open_tun();
	scoped(fd_close) int ns = -EBADF;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENODEV ? 0 : fd;
	ns = sys_ioctl(fd, SIOCGSKNS, 0);
	return ns == -EBADFD ? 0 : probe_answer(ns);
}

/* One netlink message under construction. */
struct message {
	size_t len;
	_Alignas(NLMSG_ALIGNTO) char bytes[512];
};

static void *message_add(struct message *m, const void *data, size_t len)
{
	void *at = m->bytes + m->len;

	assert(m->len + NLMSG_ALIGN(len) <= sizeof(m->bytes));
	if (data)
		memcpy(at, data, len);
	m->len += NLMSG_ALIGN(len);
	return at;
}

static struct nlmsghdr *message_begin(struct message *m, unsigned type, unsigned flags,
				      const void *body, size_t len)
{
	struct nlmsghdr h = {
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
	};
	struct nlmsghdr *at = message_add(m, &h, sizeof(h));

	message_add(m, body, len);
	return at;
}

static struct nlattr *message_attr(struct message *m, unsigned type, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = (uint16_t)type };
	struct nlattr *at = message_add(m, &a, sizeof(a));

	message_add(m, data, len);
	return at;
}

static void message_attr_end(struct message *m, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)(m->bytes + m->len - (char *)nest);
	nest->nla_type |= NLA_F_NESTED;
}

static void message_end(struct message *m, struct nlmsghdr *h)
{
	h->nlmsg_len = (uint32_t)(m->bytes + m->len - (char *)h);
}

/*
 * Sends what m holds and gives the verdict: the first error among the answers, or 0. Every request
 * here either asks for an acknowledgement or is a dump, so there is an answer.
 */
static int message_ask(int protocol, const struct message *m)
{
	scoped(fd_close) int sk = new_socket(AF_NETLINK, SOCK_RAW, protocol);
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = 2 };
	_Alignas(NLMSG_ALIGNTO) char buf[16384];
	ssize_t n;
	int r;

	if (sk < 0)
		return sk;
	r = sys_setsockopt(sk, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (r < 0)
		return r;
	n = sys_sendto(sk, m->bytes, m->len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	if (n >= 0)
		n = sys_recvfrom(sk, buf, sizeof(buf), 0, NULL, NULL);
	if (n < 0)
		return (int)n;
	for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) &&
		    e->error)
			return e->error;
	}
	return 0;
}

/* Asks for all sockets of a family: ENOENT when nobody answers for it. */
static int ask_diag(const void *request, size_t len)
{
	struct message m = { 0 };
	struct nlmsghdr *h = message_begin(&m, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request, len);
	int r;

	message_end(&m, h);
	r = message_ask(NETLINK_SOCK_DIAG, &m);
	return r == -ENOENT || r == -EPROTONOSUPPORT ? 0 : probe_answer(r);
}

int probe_net_diag_raw(void)
{
	struct inet_diag_req_v2 q = {
		.sdiag_family = AF_INET,
		.sdiag_protocol = IPPROTO_RAW,
		.idiag_states = ~0u,
	};

	return ask_diag(&q, sizeof(q));
}

int probe_unix_diag(void)
{
	struct unix_diag_req q = { .sdiag_family = AF_UNIX, .udiag_states = ~0u };

	return ask_diag(&q, sizeof(q));
}

int probe_packet_diag(void)
{
	struct packet_diag_req q = { .sdiag_family = AF_PACKET };

	return ask_diag(&q, sizeof(q));
}

int probe_netlink_diag(void)
{
	struct netlink_diag_req q = {
		.sdiag_family = AF_NETLINK,
		.sdiag_protocol = NDIAG_PROTO_ALL,
	};

	return ask_diag(&q, sizeof(q));
}

int probe_nsid(void)
{
	struct rtgenmsg body = { .rtgen_family = AF_UNSPEC };
	struct message m = { 0 };
	struct nlmsghdr *h = message_begin(&m, RTM_GETNSID, NLM_F_ACK, &body, sizeof(body));
	uint32_t pid = (uint32_t)sys_getpid();

	message_attr(&m, NETNSA_PID, &pid, sizeof(pid));
	message_end(&m, h);
	return probe_answer(message_ask(NETLINK_ROUTE, &m));
}

/* Asks for a new link "probe" of some kind, with one more attribute. */
static int ask_new_link(const char *kind, unsigned type, uint32_t value)
{
	struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
	struct message m = { 0 };
	struct nlmsghdr *h = message_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
					   &body, sizeof(body));
	struct nlattr *info;

	message_attr(&m, IFLA_IFNAME, "probe", 6);
	if (type)
		message_attr(&m, type, &value, sizeof(value));
	info = message_attr(&m, IFLA_LINKINFO, NULL, 0);
	message_attr(&m, IFLA_INFO_KIND, kind, strlen(kind));
	message_attr_end(&m, info);
	message_end(&m, h);
	return message_ask(NETLINK_ROUTE, &m);
}

static const char *const link_kinds[] = { "dummy", "veth", "bridge", "ifb" };

/* A kernel that looks at the attribute finds no namespace of that number. */
static int link_in_numbered_ns(void *arg)
{
	const uint32_t no_such_number = 12345;
	int r = sys_unshare(CLONE_NEWNET);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(link_kinds); i++) {
		int answer = ask_new_link(link_kinds[i], IFLA_LINK_NETNSID, no_such_number);

		if (answer == -EINVAL)
			return 1;
		if (answer != -EOPNOTSUPP)
			return answer < 0 ? answer : 0;
	}
	return r < 0 ? r : -ENODATA; /* no kind of link to try with */
}

int probe_link_nsid(void)
{
	return probe_in_child(link_in_numbered_ns, NULL);
}

/* Moves "probe" into the namespace where it is, with an index that cannot be. */
static int move_link_with_index(void *arg)
{
	struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
	struct message m = { 0 };
	struct nlmsghdr *h = message_begin(&m, RTM_NEWLINK, NLM_F_ACK, &body, sizeof(body));
	uint32_t pid = (uint32_t)sys_getpid();
	int32_t impossible = -1;
	int r = sys_unshare(CLONE_NEWNET);

	if (r < 0)
		return r;
	r = -EOPNOTSUPP;
	for (size_t i = 0; r == -EOPNOTSUPP && i < ARRAY_SIZE(link_kinds); i++)
		r = ask_new_link(link_kinds[i], 0, 0);
	if (r < 0)
		return r == -EOPNOTSUPP ? -ENODATA : r;
	message_attr(&m, IFLA_IFNAME, "probe", 6);
	message_attr(&m, IFLA_NET_NS_PID, &pid, sizeof(pid));
	message_attr(&m, IFLA_NEW_IFINDEX, &impossible, sizeof(impossible));
	message_end(&m, h);
	/* An older kernel passes over the index and finds nothing to do. */
	r = message_ask(NETLINK_ROUTE, &m);
	return r == -ERANGE || r == -EINVAL ? 1 : r < 0 ? r : 0;
}

int probe_newifindex(void)
{
	return probe_in_child(move_link_with_index, NULL);
}

static unsigned nft_type(unsigned message)
{
	return NFNL_SUBSYS_NFTABLES << 8 | message;
}

int probe_nftables(void)
{
	struct nfgenmsg body = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct message m = { 0 };
	struct nlmsghdr *h =
		message_begin(&m, nft_type(NFT_MSG_GETTABLE), NLM_F_DUMP, &body, sizeof(body));

	message_end(&m, h);
	return probe_answer(message_ask(NETLINK_NETFILTER, &m));
}

/* In a network of our own: a table with a chain that drops what comes in. */
static int lock_network(void *arg)
{
	struct nfgenmsg inet = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct nfgenmsg batch = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };
	uint32_t hook_num = htonl(NF_INET_LOCAL_IN), priority = 0, policy = htonl(NF_DROP);
	struct message m = { 0 };
	struct nlmsghdr *h;
	struct nlattr *hook;
	int r = sys_unshare(CLONE_NEWNET);

	if (r < 0)
		return r;
	h = message_begin(&m, NFNL_MSG_BATCH_BEGIN, 0, &batch, sizeof(batch));
	message_end(&m, h);

	h = message_begin(&m, nft_type(NFT_MSG_NEWTABLE), NLM_F_CREATE, &inet, sizeof(inet));
	message_attr(&m, NFTA_TABLE_NAME, "probe", 6);
	message_end(&m, h);

	h = message_begin(&m, nft_type(NFT_MSG_NEWCHAIN), NLM_F_CREATE | NLM_F_ACK, &inet,
			  sizeof(inet));
	message_attr(&m, NFTA_CHAIN_TABLE, "probe", 6);
	message_attr(&m, NFTA_CHAIN_NAME, "in", 3);
	hook = message_attr(&m, NFTA_CHAIN_HOOK, NULL, 0);
	message_attr(&m, NFTA_HOOK_HOOKNUM, &hook_num, sizeof(hook_num));
	message_attr(&m, NFTA_HOOK_PRIORITY, &priority, sizeof(priority));
	message_attr_end(&m, hook);
	message_attr(&m, NFTA_CHAIN_POLICY, &policy, sizeof(policy));
	message_attr(&m, NFTA_CHAIN_TYPE, "filter", 7);
	message_end(&m, h);

	h = message_begin(&m, NFNL_MSG_BATCH_END, 0, &batch, sizeof(batch));
	message_end(&m, h);
	r = message_ask(NETLINK_NETFILTER, &m);
	return r < 0 ? r : 1;
}

int probe_network_lock_nftables(void)
{
	return probe_answer(probe_in_child(lock_network, NULL));
}
