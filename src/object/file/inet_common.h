#pragma once
/*
 * Inet sockets as the files of the kind see them: inet_socket.c is the kind, inet_opts.c has its
 * options of the IP and TCP layers, inet_make.c brings sockets back, tcp_image.c has the queues of
 * connections, tcp_lock.c makes connections stand still.
 */
#include "kernel/net/inet_addr.h"
#include "kernel/net/tcp_repair.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/sk_common.h"
#include "object/images.h"

struct InetSkEntry;

struct inet_opts {
	bool freebind, pktinfo, hdrincl, nodefrag;
	uint32_t tos, ttl;
	bool has_tos, has_ttl;
	uint32_t icmp_filter[8]; /* of raw ICMP sockets */
	unsigned n_icmp_filter;  /* 1 for IPv4, 8 for IPv6, 0 for others */

	bool nodelay, cork;
	uint32_t keepcnt, keepidle, keepintvl;
};

struct inet_socket {
	struct file file;
	unsigned family, type, proto, state;
	struct inet_addr local, peer;
	uint32_t backlog;
	bool v6only;
	char ifname[16];        /* of a local address that means nothing without it; else "" */
	unsigned shutdown;      /* SK_SHUTDOWN: 1 reading, 2 writing */
	struct inet_opts opts;  /* of the IP and TCP layers */
	struct SkOptsEntry *sk; /* those of all sockets */
	struct tcp_conn *conn;  /* NULL: none, or not to be kept */
	int repair_fd;          /* dump: ours, while it is being repaired; owned when above 0 */
};

static inline struct inet_socket *inet_socket_of(struct file *f)
{
	return container_of(f, struct inet_socket, file);
}

/* A TCP socket that has, or had, a peer: CRIU's own test, because images say no more. */
static inline bool inet_is_tcp(const struct inet_socket *s)
{
	return s->type == SOCK_STREAM && s->proto == IPPROTO_TCP;
}

static inline bool inet_is_connection(const struct inet_socket *s)
{
	return inet_is_tcp(s) && s->peer.port;
}

/* ---- inet_opts.c ---- */

/* Reads the options of the IP and TCP layers. -errno. */
int inet_opts_read(int fd, const struct inet_socket *s, struct inet_opts *ret) nodiscard;
/* The reverse; options at their default are not touched. -errno; *ret_name says of which. */
int inet_opts_write(int fd, const struct inet_socket *s, const char **ret_name) nodiscard;
/* To and from the messages. -ENOMEM; -EUCLEAN. */
int inet_opts_encode(const struct inet_socket *s, struct InetSkEntry *out,
		     struct arena *a) nodiscard;
int inet_opts_decode(struct inet_socket *s, const struct InetSkEntry *in) nodiscard;

/* ---- tcp_lock.c ---- */

/*
 * Dump, with everything collected: locks the network of all connections of the tree and reads them
 * in repair mode, where they stay; undone by the undo stack. Reported.
 */
int tcp_lock_all(struct collect *c) nodiscard;
/* Restore, before connections are made: locks them here, if the dump did it elsewhere. Reported. */
int tcp_lock_made(struct env *env) nodiscard;
/* Restore, at the end: lets them go. Reported. */
int tcp_release_made(struct env *env) nodiscard;

/* ---- tcp_image.c ---- */

/* tcp-stream-<ino>.img. Reported. */
int tcp_image_write(struct dump_images *out, const struct inet_socket *s) nodiscard;
/* Reads it into memory of in->arena; the state is the socket's. Reported. */
int tcp_image_load(struct load_images *in, struct inet_socket *s) nodiscard;

/* ---- inet_make.c ---- */

/* Makes all inet sockets of the model that the broker makes (f->made_fd of each). Reported. */
int inet_make_all(struct env *env) nodiscard;
/* Whether this address can be bound now: E-PORT-TAKEN when not. Reported. */
int inet_check_port(struct check *k, const struct inet_socket *s) nodiscard;
