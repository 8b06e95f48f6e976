/*
 * What unix sockets get when all files exist: the contents of their queues, then what would have
 * hampered the filling (shutdown, small buffers, time-outs, filters) and status flags.
 *
 * Messages are sent by whoever may: the peer, or a socket of ours that is connected to the
 * receiver. What needs a task (its pid in the credentials, a file that it makes) is sent when it is
 * there.
 */
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/sk_common.h"
#include "object/file/unix_common.h"

#define PACKET_OVERHEAD 2048 /* what the kernel counts for a message beside its bytes, amply */

static int fail(struct env *env, int err, const struct unix_sock *s, const char *what)
{
	char text[UNIX_TEXT_MAX];

	return report_fail(env->report, err, "cannot %s %s", what, unix_text(s, text));
}

static bool is_ours(const struct unix_sock *s)
{
	return !(s->uflags & (UNIX_EXTERN | UNIX_INHERIT)) && s->file.made_fd >= 0;
}

/* ---- senders ---- */

static struct unix_sock *peer_that_sends(struct unix_all *all, const struct unix_sock *s)
{
	if (s->peer && is_ours(s->peer) && s->peer->peer == s)
		return s->peer;
	unix_for_each(other, all) if (other->peer == s && is_ours(other) &&
				      other->state != TCP_LISTEN) return other;
	return NULL;
}

static struct unix_sock *named_socket(struct unix_all *all, const struct sk_packet *p)
{
	size_t len = p->sender_len && p->sender[0] ? strnlen((const char *)p->sender, p->sender_len)
						   : p->sender_len;

	unix_for_each(other, all) if (is_ours(other) && unix_is_dgram(other) &&
				      other->name_len == len &&
				      memcmp(other->name, p->sender, len) == 0) return other;
	return NULL;
}

/* Our own end that reaches a datagram socket. */
static int helper_of(struct env *env, struct unix_sock *s, int *ret_fd)
{
	int fd, r;

	if (s->helper < 0) {
		fd = sys_socket(AF_UNIX, (int)s->type | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return fd;
		s->helper = fd;
		r = env_lift_fd(env, &s->helper);
		if (r == 0)
			r = s->name_len ? unix_connect_to(s, s->helper) : -ENOTCONN;
		if (r < 0)
			return r;
	}
	*ret_fd = s->helper;
	return 0;
}

/* Whether anybody may send to it, not only a peer. */
static bool is_open(const struct unix_sock *s)
{
	return unix_is_dgram(s) && s->name_len && (!s->peer || s->peer->peer != s) &&
	       !s->peer_closed;
}

/*
 * Whose end sends a message: the one whose name it carries, as far as that one is there; else the
 * peer. *ret_by is NULL for an end of ours.
 */
static int sender_of(struct env *env, struct unix_sock *s, const struct sk_packet *p,
		     struct unix_sock **ret_by, int *ret_fd)
{
	struct unix_all *all = unix_all_of(env->model);
	struct unix_sock *by = peer_that_sends(all, s);

	if (is_open(s) && p->sender_len)
		by = named_socket(all, p);
	else if (is_open(s) && by && by->name_len)
		by = NULL; /* came from somebody without a name */
	*ret_by = by;
	if (!by)
		return helper_of(env, s, ret_fd);
	*ret_fd = by->file.made_fd;
	return 0;
}

/* A sender that is connected elsewhere (or nowhere) is pointed at s for the while. */
static int sender_point(struct unix_sock *by, const struct unix_sock *s)
{
	if (!by || by->peer == s || !unix_is_dgram(s))
		return 0;
	return unix_connect_to(s, by->file.made_fd);
}

static int sender_point_back(struct env *env, struct unix_sock *by, const struct unix_sock *s)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	if (!by || by->peer == s || !unix_is_dgram(s))
		return 0;
	if (!by->peer)
		return sys_connect(by->file.made_fd, &nobody, sizeof(nobody));
	if (by->peer->uflags & UNIX_EXTERN)
		return unix_connect_outside(env, by->peer, by->file.made_fd);
	return by->peer->name_len ? unix_connect_to(by->peer, by->file.made_fd) : -ENOTCONN;
}

static size_t queue_bytes(const struct sk_queue *q)
{
	size_t sum = 0;

	for (size_t i = q->n_sent; i < q->n; i++)
		sum += q->at[i].len + PACKET_OVERHEAD;
	return sum;
}

static int packet_put(struct env *env, struct unix_sock *s, const struct sk_packet *p)
{
	struct unix_sock *by;
	int fd, r, back;

	r = sender_of(env, s, p, &by, &fd);
	if (r < 0)
		return r;
	r = sender_point(by, s);
	if (r == 0)
		r = sk_buffer_raise(fd, false, 2 * (p->len + queue_bytes(&s->queue)));
	if (r == 0)
		r = sk_packet_send(env, fd, p);
	if (r == -ESRCH && env->task) {
		struct sk_packet again = *p; /* its task is gone: at least the user is told */

		again.cred.pid = (uint32_t)env->task->pid;
		r = sk_packet_send(env, fd, &again);
	}
	back = sender_point_back(env, by, s);
	return r < 0 ? r : back;
}

/* A datagram socket that is connected gets messages from its peer only: what came before that is
 * put back while it is not. It has no messages yet that the kernel could drop. */
static int dgram_release(struct unix_sock *s)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	if (!is_open(s) || !s->peer || s->queue.n_sent)
		return 0;
	return sys_connect(s->file.made_fd, &nobody, sizeof(nobody));
}

static int dgram_reconnect(struct env *env, struct unix_sock *s)
{
	if (!is_open(s) || !s->peer)
		return 0;
	if (s->peer->uflags & UNIX_EXTERN)
		return unix_connect_outside(env, s->peer, s->file.made_fd);
	return s->peer->name_len ? unix_connect_to(s->peer, s->file.made_fd) : -ENOTCONN;
}

/* 0 when it is full, 1 when the rest must wait for the tasks. */
static int packets_put(struct env *env, struct unix_sock *s)
{
	struct sk_queue *q = &s->queue;

	for (; q->n_sent < q->n; q->n_sent++) {
		int r = packet_put(env, s, &q->at[q->n_sent]);

		if ((r == -ESRCH || r == -EBADF) && !env->task)
			return 1;
		if (r == -EAGAIN && unix_is_dgram(s))
			return report_refuse_with(env->report, r, CODE_LIMIT,
						  "raise /proc/sys/net/unix/max_dgram_qlen",
						  "%zu messages do not fit into the queue of "
						  "socket %u",
						  q->n, s->ino);
		if (r < 0)
			return fail(env, r, s, "fill the queue of");
	}
	return 0;
}

static int queue_fill(struct env *env, struct unix_sock *s)
{
	int r, filled;

	if (s->queue.n_sent == s->queue.n)
		return 0;
	r = dgram_release(s);
	if (r < 0)
		return fail(env, r, s, "disconnect");
	filled = packets_put(env, s);
	r = filled == 0 ? dgram_reconnect(env, s) : 0;
	return r < 0 ? fail(env, r, s, "connect") : filled;
}

/* ---- the rest ---- */

static int sock_shut(struct env *env, struct unix_sock *s)
{
	int r = 0;

	/* One whose peer is closed is shut down by that. */
	if (s->shutdown && (s->peer || s->helper < 0 || unix_is_dgram(s)))
		r = sys_shutdown(s->file.made_fd, s->shutdown - 1);
	return r == -ENOTCONN || r == 0 ? 0 : fail(env, r, s, "shut down");
}

static int sock_finish(struct env *env, struct unix_sock *s)
{
	int r = sock_shut(env, s);

	if (r == 0)
		r = sk_opts_apply(env, s->file.made_fd, s->opts);
	if (r == 0 && s->peek_off >= 0)
		r = sk_set_int(s->file.made_fd, SOL_SOCKET, SO_PEEK_OFF, s->peek_off);
	if (r < 0)
		return r;
	/* A closed peer is closed here, in the process that all tasks are born from; where tasks
	 * still have to send, they and the broker close it at the end. */
	fd_close(fd_take(&s->helper));
	s->is_ready = true;
	return env_apply_common(env, &s->file, s->file.made_fd, false);
}

int unix_fill_all(struct env *env)
{
	struct unix_all *all = unix_all_of(env->model);
	int r;

	if (!all)
		return 0; /* then nothing was made */
	/* Queues first: shutting one down or shrinking its buffers hampers its peer. */
	unix_for_each(s, all)
	{
		if (!is_ours(s))
			continue;
		r = queue_fill(env, s);
		if (r < 0)
			return r;
	}
	unix_for_each(s, all)
	{
		bool waits = s->queue.n_sent < s->queue.n ||
			     (s->peer && s->peer->queue.n_sent < s->peer->queue.n);

		if (!is_ours(s) || waits)
			continue;
		r = sock_finish(env, s);
		if (r < 0)
			return r;
	}
	return 0;
}

int unix_fill_rest(struct env *env, struct unix_sock *s)
{
	int r;

	if (s->is_ready || !is_ours(s))
		return 0;
	r = queue_fill(env, s);
	return r < 0 ? r : sock_finish(env, s);
}
