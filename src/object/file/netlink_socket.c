/*
 * Netlink sockets: protocol, address, groups, peer. The socket tells it all itself.
 *
 * Not covered: messages that wait to be read (refused: answers of a kernel that may be another one
 * after the restore) and options of the netlink layer.
 */
#include <linux/netlink.h>
#include <string.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "object/file/sk_common.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/sk-netlink.pb-c.h"
#include "schema/sk-opts.pb-c.h"

#define GROUP_WORDS 32 /* more groups than any protocol has */
#define WORD_BITS   32

/* `state` of images, as the kernel numbers it. */
enum netlink_state { NETLINK_IDLE, NETLINK_HAS_PEER };

struct netlink_socket {
	struct file file;
	uint32_t protocol, portid;
	uint32_t groups[GROUP_WORDS];
	size_t n_groups; /* words, without zeros at the end */
	uint32_t dst_portid, dst_group;
	SkOptsEntry *opts;
};

static struct netlink_socket *netlink_of(struct file *f)
{
	return container_of(f, struct netlink_socket, file);
}

/* ---- dump ---- */

static bool netlink_match(const struct fd_view *v)
{
	return sk_is_of(v, AF_NETLINK);
}

static int netlink_refuse(struct collect *c, int fd)
{
	uint8_t byte;
	ssize_t n = sys_recvfrom(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);

	if (n == -EAGAIN)
		return 0;
	return report_refuse_with(c->report, -ENOTSUP, CODE_SOCKET_KIND,
				  "dump when the program has read its answers",
				  "messages or an error wait in the netlink socket");
}

static int groups_read(int fd, struct netlink_socket *s)
{
	socklen_t len = sizeof(s->groups);
	int r = sys_getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, s->groups, &len);

	if (r < 0)
		return r;
	s->n_groups = MIN(len / sizeof(s->groups[0]), (size_t)GROUP_WORDS);
	while (s->n_groups && !s->groups[s->n_groups - 1])
		s->n_groups--;
	return 0;
}

static int addresses_read(int fd, struct netlink_socket *s)
{
	struct sockaddr_nl sa = { 0 };
	socklen_t len = sizeof(sa);
	int r = sys_getsockname(fd, (struct sockaddr *)&sa, &len);

	s->portid = sa.nl_pid;
	len = sizeof(sa);
	if (r == 0)
		r = sys_getpeername(fd, (struct sockaddr *)&sa, &len);
	if (r < 0)
		return r;
	s->dst_portid = sa.nl_pid;
	s->dst_group = (uint32_t)ffs((int)sa.nl_groups);
	return groups_read(fd, s);
}

static int netlink_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct netlink_socket *s = netlink_of(f);
	int protocol = 0, r = netlink_refuse(c, v->fd);

	if (r < 0)
		return r;
	r = sk_get_int(v->fd, SOL_SOCKET, SO_PROTOCOL, &protocol);
	s->protocol = (uint32_t)protocol;
	if (r == 0)
		r = addresses_read(v->fd, s);
	if (r < 0)
		return report_fail(c->report, r, "cannot read its addresses");
	return sk_opts_read(c->report, v->fd, &c->arena, &s->opts);
}

static int netlink_encode(const struct file *f, struct file_record *out)
{
	const struct netlink_socket *s = container_of(f, const struct netlink_socket, file);
	const struct ns *net = f->task ? f->task->ns[NS_NET] : NULL;
	NetlinkSkEntry *ne = ARENA_NEW(out->arena, NetlinkSkEntry);

	if (!ne)
		return -ENOMEM;
	netlink_sk_entry__init(ne);
	ne->id = f->id;
	ne->ino = (uint32_t)f->ino;
	ne->protocol = s->protocol;
	ne->state = s->dst_portid || s->dst_group ? NETLINK_HAS_PEER : NETLINK_IDLE;
	ne->flags = f->flags;
	ne->portid = s->portid;
	ne->n_groups = s->n_groups;
	ne->groups = arena_dup(out->arena, s->groups, sizeof(s->groups));
	ne->dst_portid = s->dst_portid;
	ne->dst_group = s->dst_group;
	ne->fown = fown_encode(&f->fown, out->arena);
	ne->opts = s->opts;
	ne->has_ns_id = net != NULL;
	ne->ns_id = net ? net->id : 0;
	out->fe->nlsk = ne;
	return ne->fown && ne->groups ? 0 : -ENOMEM;
}

/* ---- restore ---- */

static int netlink_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const NetlinkSkEntry *ne = in->fe->nlsk;
	struct netlink_socket *s = netlink_of(f);

	if (!ne || ne->n_groups > GROUP_WORDS || ne->dst_group > WORD_BITS ||
	    sk_opts_check(ne->opts) < 0)
		return -EUCLEAN;
	f->flags = ne->flags;
	f->fown = fown_decode(ne->fown);
	s->protocol = ne->protocol;
	s->portid = ne->portid;
	s->n_groups = ne->n_groups;
	if (ne->n_groups)
		memcpy(s->groups, ne->groups, ne->n_groups * sizeof(s->groups[0]));
	s->dst_portid = ne->dst_portid;
	s->dst_group = ne->dst_group;
	s->opts = ne->opts;
	return 0;
}

/* A port is mostly the kernel's choice, and nobody knows it by heart: another one will do. */
static int portid_bind(struct env *env, const struct netlink_socket *s, int fd)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_pid = s->portid };
	int r = sys_bind(fd, (const struct sockaddr *)&sa, sizeof(sa));

	if (r != -EADDRINUSE)
		return r;
	report_warn(env->report, CODE_NOTE, "netlink port %u is in use: it gets another one",
		    s->portid);
	sa.nl_pid = 0;
	return sys_bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
}

static int groups_join(const struct netlink_socket *s, int fd)
{
	for (size_t i = 0; i < s->n_groups * WORD_BITS; i++) {
		int r;

		if (!(s->groups[i / WORD_BITS] >> i % WORD_BITS & 1))
			continue;
		r = sk_set_int(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, (int)i + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int peer_connect(const struct netlink_socket *s, int fd)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_pid = s->dst_portid,
				  .nl_groups =
					  s->dst_group ? UINT32_C(1) << (s->dst_group - 1) : 0 };

	if (!s->dst_portid && !s->dst_group)
		return 0;
	return sys_connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
}

static int netlink_create(struct env *env, struct file *f, int *ret_fd)
{
	const struct netlink_socket *s = netlink_of(f);
	scoped(fd_close) int fd = sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)s->protocol);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make a netlink socket of protocol %u",
				   s->protocol);
	r = s->portid ? portid_bind(env, s, fd) : 0;
	if (r < 0)
		return report_fail(env->report, r, "cannot bind it to port %u", s->portid);
	r = groups_join(s, fd);
	if (r < 0)
		return report_fail(env->report, r, "cannot join its groups");
	r = peer_connect(s, fd);
	if (r < 0)
		return report_fail(env->report, r, "cannot connect it to port %u", s->dst_portid);
	r = env_apply_common(env, f, fd, false);
	if (r == 0)
		r = sk_opts_apply(env, fd, s->opts);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

const struct file_kind file_kind_netlink_socket = {
	.name = "netlink_socket",
	.about = "netlink sockets",
	.tag = FD_TYPES__NETLINKSK,
	.size = sizeof(struct netlink_socket),
	.match = netlink_match,
	.collect = netlink_collect,
	.encode = netlink_encode,
	.decode = netlink_decode,
	.create = netlink_create,
};
