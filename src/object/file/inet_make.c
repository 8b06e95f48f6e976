/*
 * Making inet sockets. All of them in one go, in rounds, because they get in each other's way:
 *
 *	bind		every socket without a peer, with SO_REUSEADDR on, whatever it was
 *	listen		not before all are bound: nobody can be bound beside a listener
 *	connect		connections in repair mode, which may be bound beside anybody
 *	set		options as they were, the ones that count at bind(2) too
 */
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/inet_common.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/sk-opts.pb-c.h"

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

/* What a socket is called in reports. */
#define SOCKET_FRAME(rep, s)                                                                       \
	char local_text_[INET_ADDR_TEXT];                                                          \
	REPORT_FRAME(rep, "socket %s", inet_addr_text(&(s)->local, local_text_))

static bool wants_reuseport(const struct inet_socket *s)
{
	return s->sk->has_so_reuseport && s->sk->so_reuseport;
}

/* The option may have been taken back by some of those who share the port. */
static bool port_is_shared(const struct model *m, const struct inet_socket *s)
{
	if (s->type == SOCK_RAW)
		return false;
	vec_for_each(f, &m->files) {
		const struct inet_socket *other;

		if ((*f)->kind->tag != FD_TYPES__INETSK)
			continue;
		other = inet_socket_of(*f);
		if (other->local.port == s->local.port && other->proto == s->proto &&
		    wants_reuseport(other))
			return true;
	}
	return false;
}

/* What is on before bind(2), whatever it will be afterwards. */
static int reuse_set(const struct model *m, const struct inet_socket *s, int fd)
{
	int r = sk_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r == 0 && port_is_shared(m, s))
		r = sk_set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return r;
}

static int scope_find(int fd, const struct inet_socket *s, struct inet_addr *ret)
{
	struct ifreq ifr = { 0 };
	int r;

	*ret = s->local;
	if (!s->ifname[0])
		return 0;
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", s->ifname);
	r = sys_ioctl_ptr(fd, SIOCGIFINDEX, &ifr);
	if (r == 0)
		ret->scope = (uint32_t)ifr.ifr_ifindex;
	return r;
}

/* An address that is not there yet (IPv6 takes a while) can be bound with freebind. */
static int freebind_set(int fd, const struct inet_socket *s, bool on)
{
	if (s->type == SOCK_RAW)
		return 0;
	if (s->family == AF_INET6)
		return sk_set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, on);
	return sk_set_int(fd, IPPROTO_IP, IP_FREEBIND, on);
}

static int socket_bind(int fd, const struct inet_socket *s)
{
	union inet_sockaddr sa;
	struct inet_addr local;
	bool free = s->opts.freebind || s->family == AF_INET6;
	int r = scope_find(fd, s, &local);

	if (r == 0 && free)
		r = freebind_set(fd, s, true);
	if (r == 0)
		r = sys_bind(fd, &sa.sa, inet_addr_to_sockaddr(&local, &sa));
	if (r == 0 && free && !s->opts.freebind)
		r = freebind_set(fd, s, false);
	return r;
}

static bool is_bound(const struct inet_socket *s)
{
	return s->local.port || !inet_addr_is_any(&s->local);
}

static int socket_make(const struct inet_socket *s, int *ret_fd)
{
	int fd = sys_socket((int)s->family, (int)s->type | SOCK_CLOEXEC, (int)s->proto), r;

	if (fd < 0)
		return fd;
	r = s->v6only ? sk_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int inet_check_port(struct check *k, const struct inet_socket *s)
{
	const struct ns *net = k->model->root->ns[NS_NET];
	scoped(fd_close) int fd = -EBADF;
	char text[INET_ADDR_TEXT];
	int r;

	if (!s->local.port || s->type == SOCK_RAW || (net && net->place != NS_OURS))
		return 0;
	r = socket_make(s, &fd);
	if (r == 0 && s->sk->so_bound_dev)
		r = sys_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, s->sk->so_bound_dev,
				   (socklen_t)__builtin_strlen(s->sk->so_bound_dev) + 1);
	if (r == 0)
		r = reuse_set(k->model, s, fd);
	if (r == 0)
		r = socket_bind(fd, s);
	if (r == -EADDRINUSE)
		return report_refuse(k->report, r, CODE_PORT_TAKEN, "%s is in use",
				     inet_addr_text(&s->local, text));
	return r < 0 ? report_fail(k->report, r, "cannot bind %s", inet_addr_text(&s->local, text))
		     : 0;
}

/* ---- the rounds ---- */

typedef int (*round_fn)(struct env *env, struct inet_socket *s);

static int round_bind(struct env *env, struct inet_socket *s)
{
	int fd = -EBADF, r = socket_make(s, &fd);

	if (r < 0)
		return report_fail(env->report, r, "cannot make it");
	r = env_deposit_take(env, &s->file, fd);
	if (r < 0)
		return r;
	fd = s->file.made_fd;
	r = sk_opts_apply_reuse(env, fd, s->sk);
	if (r < 0)
		return r;
	r = reuse_set(env->model, s, fd);
	if (r < 0)
		return report_fail(env->report, r, "cannot let it share its port");
	if (inet_is_connection(s) || !is_bound(s))
		return 0;
	r = socket_bind(fd, s);
	if (r == -EADDRINUSE)
		return report_refuse(env->report, r, CODE_PORT_TAKEN, "it is in use");
	return r < 0 ? report_fail(env->report, r, "cannot bind it") : 0;
}

static int round_listen(struct env *env, struct inet_socket *s)
{
	int r = s->state == TCP_LISTEN && inet_is_tcp(s)
			? sys_listen(s->file.made_fd, (int)s->backlog)
			: 0;

	if (r == -EADDRINUSE)
		return report_refuse(env->report, r, CODE_PORT_TAKEN, "somebody listens there");
	return r < 0 ? report_fail(env->report, r, "cannot listen") : 0;
}

/* Buffers as large as they may be, and no waiting: both are put right with the options. */
static int conn_make(struct env *env, struct inet_socket *s)
{
	int fd = s->file.made_fd, r = sk_buffer_raise(fd, false, INT32_MAX);
	const char *what = "raise its buffers";
	char peer[INET_ADDR_TEXT];

	if (r == 0)
		r = sk_buffer_raise(fd, true, INT32_MAX);
	if (r == 0)
		r = sys_fcntl(fd, F_SETFL, O_NONBLOCK);
	if (r == 0)
		r = tcp_conn_write(fd, s->conn, &s->local, &s->peer, &what);
	return r < 0 ? report_fail(env->report, r, "connection to %s: cannot %s",
				   inet_addr_text(&s->peer, peer), what)
		     : 0;
}

static int round_connect(struct env *env, struct inet_socket *s)
{
	union inet_sockaddr sa;
	char peer[INET_ADDR_TEXT];
	int r;

	if (inet_is_connection(s) && s->conn)
		return conn_make(env, s);
	if (inet_is_connection(s)) { /* --tcp-close: ended, as far as the task can see */
		(void)!sys_shutdown(s->file.made_fd, SHUT_RDWR); /* -ENOTCONN: it works */
		return 0;
	}
	if (inet_is_tcp(s) || (!s->peer.port && inet_addr_is_any(&s->peer)))
		return 0;
	r = sys_connect(s->file.made_fd, &sa.sa, inet_addr_to_sockaddr(&s->peer, &sa));
	return r < 0 ? report_fail(env->report, r, "cannot connect it to %s",
				   inet_addr_text(&s->peer, peer))
		     : 0;
}

/* SK_SHUTDOWN counts from one; shutdown(2) from zero. What is not connected is shut down all the
 * same, although the kernel says that it is not. */
static int round_set(struct env *env, struct inet_socket *s)
{
	int fd = s->file.made_fd, r = env_apply_common(env, &s->file, fd, false);
	const char *name = "an option";

	if (r < 0)
		return r;
	r = inet_opts_write(fd, s, &name);
	if (r < 0)
		return report_fail(env->report, r, "cannot set %s", name);
	r = sk_opts_apply(env, fd, s->sk);
	if (r < 0)
		return r;
	r = s->shutdown ? sys_shutdown(fd, (int)s->shutdown - 1) : 0;
	return r < 0 && r != -ENOTCONN ? report_fail(env->report, r, "cannot shut it down") : 0;
}

int inet_make_all(struct env *env)
{
	static const round_fn rounds[] = { round_bind, round_listen, round_connect, round_set };
	int r = tcp_lock_made(env);

	for (size_t i = 0; i < ARRAY_SIZE(rounds) && r == 0; i++)
		vec_for_each(f, &env->model->files) {
			struct inet_socket *s;

			if ((*f)->kind->tag != FD_TYPES__INETSK || (*f)->maker || r < 0)
				continue;
			s = inet_socket_of(*f);
			SOCKET_FRAME(env->report, s);
			r = rounds[i](env, s);
		}
	return r;
}
