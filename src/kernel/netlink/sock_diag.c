/* The generic part of NETLINK_SOCK_DIAG. See sock_diag.h. */
#include "kernel/netlink/sock_diag.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sched.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "kernel/sys.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

#define ANSWER_ROOM (64 * 1024)
#define REQUEST_MAX 256

static int diag_socket(struct sock_diag *ret)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int r;

	if (!nl)
		return -errno;
	r = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (r < 0) {
		(void)mnl_socket_close(nl); /* nothing was said on it yet */
		return r;
	}
	ret->nl = nl;
	return 0;
}

int sock_diag_open(int netns_fd, struct sock_diag *ret)
{
	scoped(fd_close) int own = -EBADF;
	int r, back;

	if (netns_fd < 0)
		return diag_socket(ret);
	own = sys_openat(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC, 0);
	if (own < 0)
		return own;
	r = sys_setns(netns_fd, CLONE_NEWNET);
	if (r < 0)
		return r;
	r = diag_socket(ret);
	back = sys_setns(own, CLONE_NEWNET);
	if (r == 0 && back < 0)
		sock_diag_done(ret);
	return back < 0 ? back : r;
}

void sock_diag_done(struct sock_diag *d)
{
	if (d->nl)
		(void)mnl_socket_close(d->nl); /* only read from */
	d->nl = NULL;
}

struct answer {
	sock_diag_fn fn;
	void *ctx;
	int err;
};

static int answer_take(const struct nlmsghdr *h, void *data)
{
	struct answer *a = data;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return MNL_CB_OK;
	a->err = a->fn(a->ctx, h);
	return a->err < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int answers_read(struct sock_diag *d, unsigned seq, struct answer *a)
{
	scoped(mem_free) char *buf = mem_alloc(1, ANSWER_ROOM);
	unsigned port = mnl_socket_get_portid(d->nl);
	int more = MNL_CB_OK;

	if (!buf)
		return -ENOMEM;
	while (more > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(d->nl, buf, ANSWER_ROOM);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		more = mnl_cb_run(buf, (size_t)n, seq, port, answer_take, a);
		if (more < 0)
			return a->err < 0 ? a->err : -errno;
	}
	return 0;
}

static int diag_ask(struct sock_diag *d, uint16_t flags, const void *req, size_t len,
		    struct answer *a)
{
	char buf[NLMSG_HDRLEN + REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	assert(len <= REQUEST_MAX);
	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = 1;
	memcpy(mnl_nlmsg_put_extra_header(h, len), req, len);
	if (mnl_socket_sendto(d->nl, h, h->nlmsg_len) < 0)
		return -errno;
	return answers_read(d, h->nlmsg_seq, a);
}

int sock_diag_dump(struct sock_diag *d, const void *req, size_t len, sock_diag_fn fn, void *ctx)
{
	struct answer a = { .fn = fn, .ctx = ctx };

	return diag_ask(d, NLM_F_DUMP, req, len, &a);
}

int sock_diag_get(struct sock_diag *d, const void *req, size_t len, sock_diag_fn fn, void *ctx)
{
	struct answer a = { .fn = fn, .ctx = ctx };

	/* The answer is followed by an acknowledgement, which ends the reading. */
	return diag_ask(d, NLM_F_ACK, req, len, &a);
}

int sock_netns_open(int fd)
{
	return sys_ioctl(fd, SIOCGSKNS, 0);
}
