/* packet_diag: request and answers. See packet_diag.h. */
#include "kernel/netlink/packet_diag.h"

#include <libmnl/libmnl.h>
#include <linux/packet_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

struct find {
	struct arena *arena;
	uint32_t ino;
	bool found;
	int err; /* of the attribute that made no sense */
	struct packet_diag p;
};

/* The payload of an attribute that has a fixed size. */
static const void *fixed(const struct nlattr *attr, size_t size)
{
	return mnl_attr_get_payload_len(attr) >= size ? mnl_attr_get_payload(attr) : NULL;
}

static int info_take(const struct nlattr *attr, struct packet_diag *p)
{
	const struct packet_diag_info *i = fixed(attr, sizeof(*i));

	if (!i)
		return -EBADMSG;
	p->ifindex = i->pdi_index;
	p->version = i->pdi_version;
	p->reserve = i->pdi_reserve;
	p->copy_thresh = i->pdi_copy_thresh;
	p->timestamp = i->pdi_tstamp;
	p->auxdata = i->pdi_flags & PDI_AUXDATA;
	p->origdev = i->pdi_flags & PDI_ORIGDEV;
	p->vnethdr = i->pdi_flags & PDI_VNETHDR;
	p->loss = i->pdi_flags & PDI_LOSS;
	return 0;
}

static int members_take(const struct nlattr *attr, struct find *f)
{
	const struct packet_diag_mclist *m = mnl_attr_get_payload(attr);
	size_t n = mnl_attr_get_payload_len(attr) / sizeof(*m);

	f->p.members = ARENA_ARRAY(f->arena, struct packet_member, n + 1);
	if (!f->p.members)
		return -ENOMEM;
	f->p.n_members = n;
	for (size_t i = 0; i < n; i++) {
		struct packet_member *to = &f->p.members[i];

		if (m[i].pdmc_alen > PACKET_ADDR_MAX)
			return -EBADMSG;
		to->ifindex = m[i].pdmc_index;
		to->count = m[i].pdmc_count;
		to->type = m[i].pdmc_type;
		to->len = m[i].pdmc_alen;
		memcpy(to->addr, m[i].pdmc_addr, to->len);
	}
	return 0;
}

static int ring_take(const struct nlattr *attr, bool *ret_has, struct packet_ring *ret)
{
	const struct packet_diag_ring *r = fixed(attr, sizeof(*r));

	if (!r)
		return -EBADMSG;
	*ret_has = true;
	*ret = (struct packet_ring){
		.block_size = r->pdr_block_size,
		.block_nr = r->pdr_block_nr,
		.frame_size = r->pdr_frame_size,
		.frame_nr = r->pdr_frame_nr,
		.retire_tmo = r->pdr_retire_tmo,
		.sizeof_priv = r->pdr_sizeof_priv,
		.features = r->pdr_features,
	};
	return 0;
}

static int attr_read(const struct nlattr *attr, struct find *f)
{
	const uint32_t *word;

	switch (mnl_attr_get_type(attr)) {
	case PACKET_DIAG_INFO:
		return info_take(attr, &f->p);
	case PACKET_DIAG_MCLIST:
		return members_take(attr, f);
	case PACKET_DIAG_RX_RING:
		return ring_take(attr, &f->p.has_rx, &f->p.rx);
	case PACKET_DIAG_TX_RING:
		return ring_take(attr, &f->p.has_tx, &f->p.tx);
	case PACKET_DIAG_FANOUT:
		word = fixed(attr, sizeof(*word));
		if (!word)
			return -EBADMSG;
		f->p.has_fanout = true;
		f->p.fanout = *word;
		return 0;
	default:
		return 0;
	}
}

static int attr_take(const struct nlattr *attr, void *arg)
{
	struct find *f = arg;

	f->err = attr_read(attr, f);
	return f->err < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int answer_take(void *arg, const struct nlmsghdr *h)
{
	const struct packet_diag_msg *m = mnl_nlmsg_get_payload(h);
	struct find *f = arg;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return -EBADMSG;
	if (m->pdiag_ino != f->ino)
		return 0;
	f->found = true;
	f->p = (struct packet_diag){ .ino = m->pdiag_ino,
				     .type = m->pdiag_type,
				     .protocol = m->pdiag_num };
	if (mnl_attr_parse(h, sizeof(*m), attr_take, f) != MNL_CB_OK)
		return f->err < 0 ? f->err : -EBADMSG;
	return 0;
}

int packet_diag_find(struct sock_diag *d, struct arena *arena, uint32_t ino,
		     struct packet_diag *ret)
{
	const struct packet_diag_req req = {
		.sdiag_family = AF_PACKET,
		.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MCLIST | PACKET_SHOW_RING_CFG |
			      PACKET_SHOW_FANOUT,
	};
	struct find f = { .arena = arena, .ino = ino };
	int r = sock_diag_dump(d, &req, sizeof(req), answer_take, &f);

	if (r == 0 && !f.found)
		r = -ENOENT;
	if (r == 0)
		*ret = f.p;
	return r;
}
