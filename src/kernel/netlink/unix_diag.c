/* Unix sockets by sock_diag(7). See unix_diag.h. */
#include "kernel/netlink/unix_diag.h"

#include <libmnl/libmnl.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

struct parse {
	struct arena *arena;
	struct unix_diag *u;
};

static int name_parse(const struct nlattr *attr, struct unix_diag *u)
{
	size_t len = mnl_attr_get_payload_len(attr);
	const uint8_t *name = mnl_attr_get_payload(attr);

	if (len > sizeof(u->name))
		return -EBADMSG;
	memcpy(u->name, name, len);
	/* A path may come with the zero byte that ends it. */
	u->name_len = len && name[0] ? strnlen((const char *)name, len) : len;
	return 0;
}

static int icons_parse(const struct nlattr *attr, struct arena *arena, struct unix_diag *u)
{
	size_t len = mnl_attr_get_payload_len(attr);

	u->n_icons = len / sizeof(uint32_t);
	u->icons = ARENA_ARRAY(arena, uint32_t, u->n_icons + 1);
	if (!u->icons)
		return -ENOMEM;
	memcpy(u->icons, mnl_attr_get_payload(attr), u->n_icons * sizeof(uint32_t));
	return 0;
}

/* The payload of an attribute that has a fixed size. */
static const void *fixed(const struct nlattr *attr, size_t size)
{
	return mnl_attr_get_payload_len(attr) >= size ? mnl_attr_get_payload(attr) : NULL;
}

static int attr_parse(const struct nlattr *attr, struct parse *p)
{
	struct unix_diag *u = p->u;
	const struct unix_diag_rqlen *rq;
	const struct unix_diag_vfs *vfs;
	const void *at;

	switch (mnl_attr_get_type(attr)) {
	case UNIX_DIAG_NAME:
		return name_parse(attr, u);
	case UNIX_DIAG_VFS:
		vfs = fixed(attr, sizeof(*vfs));
		if (!vfs)
			return -EBADMSG;
		u->has_vfs = true;
		u->vfs_ino = vfs->udiag_vfs_ino;
		u->vfs_dev = vfs->udiag_vfs_dev;
		return 0;
	case UNIX_DIAG_PEER:
		at = fixed(attr, sizeof(u->peer));
		if (!at)
			return -EBADMSG;
		u->has_peer = true;
		memcpy(&u->peer, at, sizeof(u->peer));
		return 0;
	case UNIX_DIAG_ICONS:
		return icons_parse(attr, p->arena, u);
	case UNIX_DIAG_RQLEN:
		rq = fixed(attr, sizeof(*rq));
		if (!rq)
			return -EBADMSG;
		u->rqueue = rq->udiag_rqueue;
		u->wqueue = rq->udiag_wqueue;
		return 0;
	case UNIX_DIAG_SHUTDOWN:
		at = fixed(attr, sizeof(u->shutdown));
		if (!at)
			return -EBADMSG;
		memcpy(&u->shutdown, at, sizeof(u->shutdown));
		return 0;
	default:
		return 0;
	}
}

int unix_diag_parse(const struct nlmsghdr *h, struct arena *arena, struct unix_diag *ret)
{
	const struct unix_diag_msg *m = mnl_nlmsg_get_payload(h);
	struct unix_diag u = { 0 };
	struct parse p = { .arena = arena, .u = &u };
	const struct nlattr *attr;
	const char *end;
	int r;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || m->udiag_family != AF_UNIX)
		return -EBADMSG;
	u.ino = m->udiag_ino;
	u.type = m->udiag_type;
	u.state = m->udiag_state;
	attr = mnl_nlmsg_get_payload_offset(h, sizeof(*m));
	end = mnl_nlmsg_get_payload_tail(h);
	for (; mnl_attr_ok(attr, (int)(end - (const char *)attr)); attr = mnl_attr_next(attr)) {
		r = attr_parse(attr, &p);
		if (r < 0)
			return r;
	}
	*ret = u;
	return 0;
}

struct dump {
	struct arena *arena;
	unix_diag_fn fn;
	void *ctx;
};

static int dump_one(void *ctx, const struct nlmsghdr *h)
{
	struct dump *d = ctx;
	struct unix_diag u;
	int r = unix_diag_parse(h, d->arena, &u);

	return r < 0 ? r : d->fn(d->ctx, &u);
}

int unix_diag_dump(struct sock_diag *d, struct arena *arena, unix_diag_fn fn, void *ctx)
{
	const struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_states = ~0u,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER |
			      UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN,
	};
	struct dump dump = { .arena = arena, .fn = fn, .ctx = ctx };

	return sock_diag_dump(d, &req, sizeof(req), dump_one, &dump);
}
