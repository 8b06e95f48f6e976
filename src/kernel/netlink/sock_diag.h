#pragma once
/*
 * NETLINK_SOCK_DIAG: what the kernel knows of sockets, asked by family. The generic part; requests
 * and answers of a family belong to its own file (unix_diag.h, inet_diag.h).
 */
#include "base/base.h"

#include "base/scope.h"

struct mnl_socket;
struct nlmsghdr;

struct sock_diag {
	struct mnl_socket *nl; /* owned; NULL: not open */
};

/*
 * Opens a socket for questions about one network namespace: that of netns_fd (borrowed), or our own
 * when it is negative. Needs CAP_SYS_ADMIN there for another one; the calling thread is back in its
 * own afterwards. Owned by the caller (sock_diag_done). -errno of setns(2), socket(2).
 */
int sock_diag_open(int netns_fd, struct sock_diag *ret) nodiscard;
void sock_diag_done(struct sock_diag *d);
SCOPED_OBJECT(struct sock_diag, sock_diag_done);

/* One answer: a message of the family's type, complete. A negative answer ends the dump with it. */
typedef int (*sock_diag_fn)(void *ctx, const struct nlmsghdr *h);

/*
 * Sends a request of the family (its struct, len bytes) for all sockets that it describes and calls
 * fn for each. -ENOENT when the kernel has no such diag module, -EINTR when sockets changed under
 * the dump, else -errno or what fn answered.
 */
int sock_diag_dump(struct sock_diag *d, const void *req, size_t len, sock_diag_fn fn,
		   void *ctx) nodiscard;

/* The same for one socket named in the request: -ENOENT when there is none. */
int sock_diag_get(struct sock_diag *d, const void *req, size_t len, sock_diag_fn fn,
		  void *ctx) nodiscard;

/* The network namespace of any socket (SIOCGSKNS): a descriptor, the caller's, or -errno. Needs
 * CAP_NET_ADMIN in it. */
int sock_netns_open(int fd) nodiscard;
