/*
 * Packet sockets: protocol, device, options, memberships, rings, fan-out. sock_diag(7) knows them.
 *
 * Not covered: packets that wait to be read, which are lost as on a busy host, and rings that a
 * task has mapped (mappings of sockets are refused with the memory).
 */
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "kernel/netlink/packet_diag.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "object/file/sk_common.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/packet-sock.pb-c.h"
#include "schema/sk-opts.pb-c.h"

#define MEMBERS_MAX 4096

struct packet_socket {
	struct file file;
	PacketSockEntry *entry; /* everything but what all files have */
};

/* struct packet_mreq with room for the longest address. */
struct membership {
	int ifindex;
	unsigned short type, len;
	uint8_t addr[PACKET_ADDR_MAX];
};

static struct packet_socket *packet_of(struct file *f)
{
	return container_of(f, struct packet_socket, file);
}

/* ---- dump ---- */

static bool packet_match(const struct fd_view *v)
{
	return sk_is_of(v, AF_PACKET);
}

static PacketRing *ring_note(const struct packet_ring *r, struct arena *a)
{
	PacketRing *ring = ARENA_NEW(a, PacketRing);

	if (!ring)
		return NULL;
	packet_ring__init(ring);
	ring->block_size = r->block_size;
	ring->block_nr = r->block_nr;
	ring->frame_size = r->frame_size;
	ring->frame_nr = r->frame_nr;
	ring->retire_tmo = r->retire_tmo;
	ring->sizeof_priv = r->sizeof_priv;
	ring->features = r->features;
	return ring;
}

/* Who joined a group several times is in it several times. */
static int members_note(const struct packet_diag *p, struct arena *a, PacketSockEntry *e)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_members; i++)
		n += p->members[i].count;
	if (n > MEMBERS_MAX)
		return -E2BIG;
	e->mclist = ARENA_ARRAY(a, PacketMclist *, n + 1);
	for (size_t i = 0; i < p->n_members && e->mclist; i++)
		for (uint32_t k = 0; k < p->members[i].count; k++) {
			PacketMclist *m = ARENA_NEW(a, PacketMclist);

			if (!m)
				return -ENOMEM;
			packet_mclist__init(m);
			m->index = p->members[i].ifindex;
			m->type = p->members[i].type;
			m->addr.len = p->members[i].len;
			m->addr.data = p->members[i].addr;
			e->mclist[e->n_mclist++] = m;
		}
	return e->mclist ? 0 : -ENOMEM;
}

static int diag_note(const struct packet_diag *p, struct arena *a, PacketSockEntry **ret)
{
	PacketSockEntry *e = ARENA_NEW(a, PacketSockEntry);

	if (!e)
		return -ENOMEM;
	packet_sock_entry__init(e);
	e->type = p->type;
	e->protocol = htons(p->protocol);
	e->ifindex = p->ifindex;
	e->version = p->version;
	e->reserve = p->reserve;
	e->timestamp = p->timestamp;
	e->copy_thresh = p->copy_thresh;
	e->aux_data = p->auxdata;
	e->orig_dev = p->origdev;
	e->vnet_hdr = p->vnethdr;
	e->loss = p->loss;
	e->has_fanout = p->has_fanout;
	e->fanout = p->has_fanout ? p->fanout : UINT32_MAX;
	e->rx_ring = p->has_rx ? ring_note(&p->rx, a) : NULL;
	e->tx_ring = p->has_tx ? ring_note(&p->tx, a) : NULL;
	*ret = e;
	return a->failed ? -ENOMEM : members_note(p, a, e);
}

static int packet_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	scoped(sock_diag_done) struct sock_diag diag = { 0 };
	scoped(fd_close) int netns = sock_netns_open(v->fd);
	struct packet_socket *s = packet_of(f);
	struct packet_diag p;
	int r = netns < 0 ? netns : sock_diag_open(netns, &diag);

	if (r == 0)
		r = packet_diag_find(&diag, &c->arena, (uint32_t)f->ino, &p);
	if (r == 0)
		r = diag_note(&p, &c->arena, &s->entry);
	if (r < 0)
		return report_fail(c->report, r, "cannot read the state of the packet socket");
	return sk_opts_read(c->report, v->fd, &c->arena, &s->entry->opts);
}

static int packet_encode(const struct file *f, struct file_record *out)
{
	const struct packet_socket *s = container_of(f, const struct packet_socket, file);
	const struct ns *net = f->task ? f->task->ns[NS_NET] : NULL;
	PacketSockEntry *e = arena_dup(out->arena, s->entry, sizeof(*s->entry));

	if (!e)
		return -ENOMEM;
	e->id = f->id;
	e->flags = f->flags;
	e->fown = fown_encode(&f->fown, out->arena);
	e->has_ns_id = net != NULL;
	e->ns_id = net ? net->id : 0;
	out->fe->psk = e;
	return e->fown ? 0 : -ENOMEM;
}

/* ---- restore ---- */

static int packet_decode(struct model *m, struct file *f, const struct file_record *in)
{
	PacketSockEntry *e = in->fe->psk;

	if (!e || e->protocol > UINT16_MAX || e->ifindex > INT32_MAX ||
	    sk_opts_check(e->opts) < 0 ||
	    (e->type != SOCK_RAW && e->type != SOCK_DGRAM && e->type != SOCK_PACKET))
		return -EUCLEAN;
	for (size_t i = 0; i < e->n_mclist; i++)
		if (e->mclist[i]->addr.len > PACKET_ADDR_MAX)
			return -EUCLEAN;
	f->flags = e->flags;
	f->fown = fown_decode(e->fown);
	packet_of(f)->entry = e;
	return 0;
}

/* The old kind is bound to a device by name, and has no options. */
static int packet_bind(const PacketSockEntry *e, int fd)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = (int)e->ifindex };
	struct sockaddr old = { .sa_family = AF_PACKET };
	struct ifreq ifr = { .ifr_ifindex = (int)e->ifindex };
	int r;

	if (e->type != SOCK_PACKET)
		return sys_bind(fd, (const struct sockaddr *)&ll, sizeof(ll));
	if (!e->ifindex)
		return 0;
	r = sys_ioctl_ptr(fd, SIOCGIFNAME, &ifr);
	if (r < 0)
		return r;
	memcpy(old.sa_data, ifr.ifr_name, sizeof(old.sa_data) - 1); /* longer ones are cut */
	return sys_bind(fd, &old, sizeof(old));
}

static int options_set(struct env *env, const PacketSockEntry *e, int fd)
{
	const struct {
		const char *text;
		int name;
		uint32_t value;
	} opts[] = {
		{ "PACKET_VERSION", PACKET_VERSION, e->version },
		{ "PACKET_RESERVE", PACKET_RESERVE, e->reserve },
		{ "PACKET_TIMESTAMP", PACKET_TIMESTAMP, e->timestamp },
		{ "PACKET_COPY_THRESH", PACKET_COPY_THRESH, e->copy_thresh },
		{ "PACKET_AUXDATA", PACKET_AUXDATA, e->aux_data },
		{ "PACKET_ORIGDEV", PACKET_ORIGDEV, e->orig_dev },
		{ "PACKET_VNET_HDR", PACKET_VNET_HDR, e->vnet_hdr },
		{ "PACKET_LOSS", PACKET_LOSS, e->loss },
	};

	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		int r = opts[i].value ? sk_set_int(fd, SOL_PACKET, opts[i].name, (int)opts[i].value)
				      : 0;

		if (r < 0)
			return report_fail(env->report, r, "cannot set %s to %u", opts[i].text,
					   opts[i].value);
	}
	return 0;
}

static int members_join(const PacketSockEntry *e, int fd)
{
	for (size_t i = 0; i < e->n_mclist; i++) {
		const PacketMclist *m = e->mclist[i];
		struct membership join = { .ifindex = (int)m->index,
					   .type = (unsigned short)m->type,
					   .len = (unsigned short)m->addr.len };
		int r;

		if (m->addr.len)
			memcpy(join.addr, m->addr.data, m->addr.len);
		r = sys_setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &join, sizeof(join));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Versions 1 and 2 know the first four fields only. */
static int ring_set(const PacketSockEntry *e, int fd, int name, const PacketRing *ring)
{
	const struct tpacket_req3 req = {
		.tp_block_size = ring ? ring->block_size : 0,
		.tp_block_nr = ring ? ring->block_nr : 0,
		.tp_frame_size = ring ? ring->frame_size : 0,
		.tp_frame_nr = ring ? ring->frame_nr : 0,
		.tp_retire_blk_tov = ring ? ring->retire_tmo : 0,
		.tp_sizeof_priv = ring ? ring->sizeof_priv : 0,
		.tp_feature_req_word = ring ? ring->features : 0,
	};
	socklen_t len = e->version == TPACKET_V3 ? sizeof(req) : sizeof(struct tpacket_req);

	return ring ? sys_setsockopt(fd, SOL_PACKET, name, &req, len) : 0;
}

static int packet_set(struct env *env, const PacketSockEntry *e, int fd)
{
	int r = options_set(env, e, fd);

	if (r < 0)
		return r;
	r = members_join(e, fd);
	if (r < 0)
		return report_fail(env->report, r, "cannot join its groups");
	r = ring_set(e, fd, PACKET_RX_RING, e->rx_ring);
	if (r == 0)
		r = ring_set(e, fd, PACKET_TX_RING, e->tx_ring);
	if (r < 0)
		return report_fail(env->report, r, "cannot make its rings");
	if (e->has_fanout && e->fanout != UINT32_MAX)
		r = sk_set_int(fd, SOL_PACKET, PACKET_FANOUT, (int)e->fanout);
	return r < 0 ? report_fail(env->report, r, "cannot join fan-out group %#x", e->fanout) : 0;
}

static int packet_create(struct env *env, struct file *f, int *ret_fd)
{
	const PacketSockEntry *e = packet_of(f)->entry;
	scoped(fd_close) int fd =
		sys_socket(AF_PACKET, (int)e->type | SOCK_CLOEXEC, (int)e->protocol);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make a packet socket");
	r = packet_bind(e, fd);
	if (r < 0)
		return report_fail(env->report, r, "cannot bind it to interface %u", e->ifindex);
	r = e->type == SOCK_PACKET ? 0 : packet_set(env, e, fd);
	if (r == 0)
		r = env_apply_common(env, f, fd, false);
	if (r == 0)
		r = sk_opts_apply(env, fd, e->opts);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

const struct file_kind file_kind_packet_socket = {
	.name = "packet_socket",
	.about = "packet sockets",
	.tag = FD_TYPES__PACKETSK,
	.size = sizeof(struct packet_socket),
	.match = packet_match,
	.collect = packet_collect,
	.encode = packet_encode,
	.decode = packet_decode,
	.create = packet_create,
};
