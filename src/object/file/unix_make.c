/*
 * Making unix sockets at restore, all of them at once, in the process that opens everything:
 *
 *	bare		socket(2) and socketpair(2)
 *	named		bind(2), listen(2)
 *	accepted	what has its name from a listener gets it the same way: connect(2),
 *accept4(2) connected	clients that wait to be accepted; datagram sockets by name
 *
 * A closed peer is an end of ours, closed again when the queues are full. What a socket tells of
 * its peer (SO_PEERCRED) is who made the call: a short-lived child makes it, with that pid and ids.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/unix_common.h"
#include "report/log.h"

/* One call to be made as somebody; in memory that is shared with the child. */
struct call {
	int (*fn)(struct call *c);
	int type, fd[2], backlog;
	const struct unix_sock *to;
	int err;
};

static int call_pair(struct call *c)
{
	return sys_socketpair(AF_UNIX, c->type | SOCK_CLOEXEC, 0, c->fd);
}

static int call_listen(struct call *c)
{
	return sys_listen(c->fd[0], c->backlog);
}

static int call_connect(struct call *c)
{
	return unix_connect_to(c->to, c->fd[0]);
}

_Noreturn static void call_in_child(struct call *c, const struct sk_cred *cred)
{
	/* Ids change, capabilities stay. */
	c->err = sys_prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
	if (c->err >= 0)
		c->err = sys_setresgid(cred->gid, cred->gid, cred->gid);
	if (c->err >= 0)
		c->err = sys_setresuid(cred->uid, cred->uid, cred->uid);
	if (c->err >= 0)
		c->err = c->fn(c);
	_exit(0);
}

/* A child with this pid, or with any other when it is not free. */
static pid_t child_make(pid_t pid)
{
	struct clone_args args = { .flags = CLONE_FILES,
				   .set_tid = (uint64_t)(uintptr_t)&pid,
				   .set_tid_size = 1 };
	pid_t child = sys_clone3(&args, sizeof(args));

	if (child >= 0)
		return child;
	args.set_tid = args.set_tid_size = 0;
	return sys_clone3(&args, sizeof(args));
}

static int call_as(struct call *c, const struct unix_sock *s)
{
	siginfo_t info = { 0 };
	struct sk_cred cred;
	pid_t child;
	int r;

	if (s && s->has_cred)
		cred = s->cred;
	else if (s && s->file.task)
		/* CRIU's images do not say: the first task that has it, before it drops its ids. */
		cred = (struct sk_cred){ (uint32_t)s->file.task->pid, geteuid(), getegid() };
	else
		return c->fn(c);
	c->err = -ECHILD;
	child = child_make((pid_t)cred.pid);
	if (child == 0)
		call_in_child(c, &cred);
	if (child < 0)
		return child;
	do {
		r = sys_waitid(P_PID, (id_t)child, &info, WEXITED | __WALL);
	} while (r == -EINTR);
	return r < 0 ? r : c->err;
}

struct making {
	struct env *env;
	struct unix_all *all;
	struct call *call; /* in shared memory */
};

static int fail(const struct making *mk, int err, const struct unix_sock *s, const char *what)
{
	char text[UNIX_TEXT_MAX];

	return report_fail(mk->env->report, err, "cannot %s %s", what, unix_text(s, text));
}

/* ---- who is what ---- */

static bool name_is_same(const struct unix_sock *a, const struct unix_sock *b)
{
	return a->type == b->type && a->name_len && a->name_len == b->name_len &&
	       a->deleted == b->deleted && memcmp(a->name, b->name, a->name_len) == 0 &&
	       strcmp(a->name_dir ? a->name_dir : "", b->name_dir ? b->name_dir : "") == 0 &&
	       strcmp(a->path ? a->path : "", b->path ? b->path : "") == 0;
}

/* Shut down before it was connected: the other side does not know. */
static bool is_shut_early(const struct unix_sock *s)
{
	uint8_t mirrored = (uint8_t)((s->peer->shutdown & 1) << 1 | s->peer->shutdown >> 1);

	return s->shutdown & ~mirrored;
}

static bool is_mutual(const struct unix_sock *s)
{
	return s->peer && s->peer != s && s->peer->peer == s && s->peer->type == s->type;
}

/*
 * Connections that were accepted have the name of their listener. When that is gone, the first of
 * them leads: a listener of ours gives the name to all. So it does where the client was shut down
 * before it was connected, which no pair can be.
 */
static void leader_find(const struct making *mk, struct unix_sock *s)
{
	struct unix_sock *first = NULL;
	unsigned n = 0;

	if (unix_is_dgram(s) || s->state != TCP_ESTABLISHED || !s->name_len)
		return;
	unix_for_each(other, mk->all)
	{
		if (!name_is_same(s, other))
			continue;
		if (other->state == TCP_LISTEN) {
			s->leader = other;
			return;
		}
		if (other->state == TCP_ESTABLISHED) {
			first = first ? first : other;
			n++;
		}
	}
	if (n > 1 || (is_mutual(s) && is_shut_early(s->peer)))
		s->leader = first;
}

static bool waits_at_listener(const struct unix_sock *s)
{
	return s->peer && s->peer->state == TCP_LISTEN && !(s->peer->uflags & UNIX_EXTERN) &&
	       !unix_is_dgram(s);
}

/* Made by accept(2), not by socket(2). Of two candidates the one that was met first. */
static bool is_accepted(const struct unix_sock *s)
{
	return s->leader && (!is_mutual(s) || !s->peer->leader || s->file.id < s->peer->file.id);
}

/* ---- bare ---- */

static int sock_keep(const struct making *mk, struct unix_sock *s, int fd)
{
	return env_deposit_take(mk->env, &s->file, fd);
}

static int helper_keep(const struct making *mk, struct unix_sock *s, int fd)
{
	int r;

	s->helper = fd;
	r = env_lift_fd(mk->env, &s->helper);
	return r < 0 ? fail(mk, r, s, "keep the peer of") : 0;
}

/* A pair of s and either another socket of the model or one of ours. */
static int pair_make(struct making *mk, struct unix_sock *s, struct unix_sock *other)
{
	const struct unix_sock *who = s->has_cred || !other ? s : other;
	int r;

	*mk->call = (struct call){ .fn = call_pair, .type = (int)s->type };
	r = call_as(mk->call, who);
	if (r < 0)
		return fail(mk, r, s, "make");
	r = sock_keep(mk, s, mk->call->fd[0]);
	if (r < 0)
		return r;
	return other ? sock_keep(mk, other, mk->call->fd[1]) : helper_keep(mk, s, mk->call->fd[1]);
}

static int lone_make(struct making *mk, struct unix_sock *s)
{
	int fd = sys_socket(AF_UNIX, (int)s->type | SOCK_CLOEXEC, 0);

	return fd < 0 ? fail(mk, fd, s, "make") : sock_keep(mk, s, fd);
}

static int inherited_take(struct making *mk, struct unix_sock *s, bool *ret_done)
{
	const struct external *inherit;
	char key[32];
	int fd;

	(void)snprintf(key, sizeof(key), "socket:[%u]", s->ino);
	inherit = env_find_inherit(mk->env, key);
	if (!inherit)
		return 0;
	fd = fd_dup_above(inherit->fd, mk->env->floor);
	if (fd < 0)
		return fail(mk, fd, s, "use the descriptor given for");
	s->uflags |= UNIX_INHERIT;
	*ret_done = true;
	return sock_keep(mk, s, fd);
}

static int dgram_make(struct making *mk, struct unix_sock *s)
{
	struct unix_sock *p = s->peer;

	if (is_mutual(s) && p->file.made_fd < 0)
		return pair_make(mk, s, p);
	/* A peer without a name: it was the other end of a pair, and went elsewhere. */
	if (p && p != s && !p->name_len && p->file.made_fd < 0)
		return pair_make(mk, s, p);
	unix_for_each(other, mk->all) if (other != s && other->peer == s && !s->name_len &&
					  other->file.made_fd < 0 &&
					  unix_is_dgram(other)) return pair_make(mk, other, s);
	if (s->peer_closed || (!s->name_len && s->queue.n && !p))
		return pair_make(mk, s, NULL);
	return lone_make(mk, s);
}

static int bare_make(struct making *mk, struct unix_sock *s)
{
	bool done = false;
	int r;

	if (s->file.made_fd >= 0 || is_accepted(s))
		return 0;
	r = inherited_take(mk, s, &done);
	if (r < 0 || done)
		return r;
	if (s->uflags & UNIX_EXTERN || s->state != TCP_ESTABLISHED || waits_at_listener(s))
		return unix_is_dgram(s) && !(s->uflags & UNIX_EXTERN) ? dgram_make(mk, s)
								      : lone_make(mk, s);
	if (unix_is_dgram(s))
		return dgram_make(mk, s);
	if (!s->peer)
		return pair_make(mk, s, NULL); /* its peer was closed */
	if (s->peer->uflags & UNIX_EXTERN)
		return report_refuse_with(
			mk->env->report, -ENOTSUP, CODE_UNIX_OUTSIDE, "give it with --inherit-fd",
			"socket %u was connected to a process outside of the tree", s->ino);
	if (is_mutual(s) && !is_accepted(s->peer))
		return pair_make(mk, s, s->peer);
	return lone_make(mk, s);
}

/* ---- named ---- */

static int listen_as(struct making *mk, const struct unix_sock *s, const struct unix_sock *who,
		     int fd, int backlog)
{
	int r;

	*mk->call = (struct call){ .fn = call_listen, .fd = { fd, -EBADF }, .backlog = backlog };
	r = call_as(mk->call, who);
	return r < 0 ? fail(mk, r, s, "listen at") : 0;
}

/* Our own listener with the name of s, or with none that anybody sees. */
static int server_make(struct making *mk, struct unix_sock *s, const struct unix_sock *who)
{
	int fd = sys_socket(AF_UNIX, (int)s->type | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return fail(mk, fd, s, "make a listener for");
	s->server = fd;
	r = env_lift_fd(mk->env, &s->server);
	if (r < 0)
		return fail(mk, r, s, "keep a listener for");
	r = s->name_len ? unix_place(mk->env, s, s->server) : 0;
	return r < 0 ? r : listen_as(mk, s, who, s->server, 1);
}

static int name_give(struct making *mk, struct unix_sock *s)
{
	int r = 0;

	if (s->uflags & (UNIX_EXTERN | UNIX_INHERIT))
		return 0;
	if (s->name_len && !s->leader)
		r = unix_place(mk->env, s, s->file.made_fd);
	else if (s->leader == s)
		r = server_make(mk, s, s->peer);
	if (r == 0 && s->state == TCP_LISTEN && !(s->uflags & UNIX_EXTERN))
		r = listen_as(mk, s, s, s->file.made_fd, (int)s->backlog);
	return r;
}

/* ---- accepted ---- */

static int accept_one(struct making *mk, struct unix_sock *s, int listener, int client)
{
	int fd, r;

	*mk->call = (struct call){ .fn = call_connect, .fd = { client, -EBADF }, .to = s->leader };
	r = call_as(mk->call, s);
	if (r < 0)
		return fail(mk, r, s, "connect to");
	fd = sys_accept(listener, NULL, NULL, SOCK_CLOEXEC);
	return fd < 0 ? fail(mk, fd, s, "accept") : sock_keep(mk, s, fd);
}

static int accepted_make(struct making *mk, struct unix_sock *s)
{
	bool early = is_mutual(s) && is_shut_early(s->peer);
	int listener, client, r = 0;

	if (s->file.made_fd >= 0 || !is_accepted(s))
		return 0;
	if (!is_mutual(s)) {
		client = sys_socket(AF_UNIX, (int)s->type | SOCK_CLOEXEC, 0);
		if (client < 0)
			return fail(mk, client, s, "make the peer of");
		r = helper_keep(mk, s, client);
		if (r < 0)
			return r;
		client = s->helper;
	} else {
		client = s->peer->file.made_fd;
	}
	if (early)
		r = sys_shutdown(client, s->peer->shutdown - 1);
	if (r < 0)
		return fail(mk, r, s->peer, "shut down");
	listener = s->leader->server >= 0 ? s->leader->server : s->leader->file.made_fd;
	return accept_one(mk, s, listener, client);
}

/* ---- connected ---- */

/* It never waits: the queue of a listener may be full. */
static int client_connect(struct making *mk, struct unix_sock *s)
{
	int fd = s->file.made_fd, r = sys_fcntl(fd, F_SETFL, O_NONBLOCK);

	if (r == 0)
		r = unix_connect_to(s->peer, fd);
	if (r == 0)
		r = sys_fcntl(fd, F_SETFL, 0);
	return r < 0 ? fail(mk, r, s, "connect") : 0;
}

static int dgram_connect(struct making *mk, struct unix_sock *s)
{
	struct unix_sock *p = s->peer;
	int r;

	if (!p || p->uflags & UNIX_INHERIT || is_mutual(s) || !p->name_len)
		return 0; /* pairs are connected */
	if (p->uflags & UNIX_EXTERN)
		return unix_connect_outside(mk->env, p, s->file.made_fd);
	r = unix_connect_to(p, s->file.made_fd);
	return r < 0 ? fail(mk, r, s, "connect") : 0;
}

static int sock_connect(struct making *mk, struct unix_sock *s)
{
	if (s->uflags & (UNIX_EXTERN | UNIX_INHERIT))
		return 0;
	if (unix_is_dgram(s))
		return dgram_connect(mk, s);
	return waits_at_listener(s) ? client_connect(mk, s) : 0;
}

static int all_steps(struct making *mk)
{
	static int (*const steps[])(struct making *, struct unix_sock *) = {
		bare_make,
		name_give,
		accepted_make,
		sock_connect,
	};

	unix_for_each(s, mk->all) leader_find(mk, s);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		unix_for_each(s, mk->all)
		{
			int r = steps[i](mk, s);

			if (r < 0)
				return r;
		}
	return 0;
}

int unix_make_all(struct env *env)
{
	struct making mk = { .env = env, .all = unix_all_of(env->model) };
	void *shared;
	int r = sys_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0,
			 &shared);

	if (r < 0)
		return report_fail(env->report, r, "cannot share a page");
	mk.call = shared;
	r = all_steps(&mk);
	(void)!sys_munmap(shared, PAGE_SIZE);
	mk.all->is_made = r == 0;
	return r;
}
