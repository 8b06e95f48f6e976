/* inet_diag: requests and answers. See inet_diag.h. */
/* First: it has a field with the name of a macro of ours. */
#include <linux/inet_diag.h>

#include "kernel/netlink/inet_diag.h"

#include <libmnl/libmnl.h>

struct call {
	inet_diag_fn fn;
	void *ctx;
};

static int attr_take(const struct nlattr *attr, void *arg)
{
	struct inet_diag *i = arg;

	if (mnl_attr_get_type(attr) != INET_DIAG_SHUTDOWN)
		return MNL_CB_OK;
	if (mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
		return MNL_CB_ERROR;
	i->shutdown = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

int inet_diag_parse(const struct nlmsghdr *h, struct inet_diag *ret)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(h);
	struct inet_diag i = { 0 };

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return -EBADMSG;
	i.ino = m->idiag_inode;
	i.state = m->idiag_state;
	if (mnl_attr_parse(h, sizeof(*m), attr_take, &i) != MNL_CB_OK)
		return -EBADMSG;
	*ret = i;
	return 0;
}

static int answer_take(void *arg, const struct nlmsghdr *h)
{
	const struct call *call = arg;
	struct inet_diag i;
	int r = inet_diag_parse(h, &i);

	return r < 0 ? r : call->fn(call->ctx, &i);
}

int inet_diag_dump(struct sock_diag *d, int family, int proto, inet_diag_fn fn, void *ctx)
{
	const struct inet_diag_req_v2 req = {
		.sdiag_family = (uint8_t)family,
		.sdiag_protocol = (uint8_t)proto,
		.idiag_states = UINT32_MAX,
	};
	struct call call = { .fn = fn, .ctx = ctx };

	return sock_diag_dump(d, &req, sizeof(req), answer_take, &call);
}
