/*
 * Dump of unix sockets: most of it is what sock_diag says (once for every network namespace). The
 * file behind a path is asked from the socket (SIOCUNIXFILE), so renamed and deleted ones are
 * known.
 *
 * Connections that wait in a listening socket are kept when their clients are in the tree and have
 * sent nothing yet: what they sent lies in sockets that nobody can reach before accept(2).
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/netlink/unix_diag.h"
#include "kernel/sys.h"
#include "object/file/sk_common.h"
#include "object/file/unix_common.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

#define DELETED_SUFFIX " (deleted)"
#define PATH_TEXT_MAX  4352

/* ---- sock_diag ---- */

struct asking {
	struct collect *c;
	struct unix_all *all;
};

static int diag_note(void *ctx, const struct unix_diag *u)
{
	struct asking *a = ctx;
	struct unix_diag *copy = ARENA_NEW(&a->c->arena, struct unix_diag);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	*copy = *u;
	for (size_t i = 0; i < u->n_icons && r == 0; i++)
		if (u->icons[i])
			r = map_set(&a->all->clients, 0, u->icons[i], copy);
	return r < 0 ? r : map_set(&a->all->diag, 0, u->ino, copy);
}

static int diag_load(struct collect *c, struct unix_all *all, int netns)
{
	scoped(sock_diag_done) struct sock_diag d = { 0 };
	struct asking a = { .c = c, .all = all };
	int r = sock_diag_open(netns, &d);

	return r < 0 ? r : unix_diag_dump(&d, &c->arena, diag_note, &a);
}

/* What the kernel says of a socket, wherever its network is. */
static int diag_of(struct collect *c, struct unix_all *all, int fd, uint64_t ino,
		   const struct unix_diag **ret)
{
	scoped(fd_close) int netns = -EBADF;
	struct stat theirs, ours;
	bool is_ours;
	int r = 0;

	*ret = map_find(&all->diag, 0, ino);
	if (*ret)
		return 0;
	netns = sock_netns_open(fd);
	if (netns < 0)
		return netns;
	if (fstat(netns, &theirs) < 0 || sys_fstatat(AT_FDCWD, "/proc/self/ns/net", &ours, 0) < 0)
		return -EIO;
	is_ours = theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
	if (!map_find(&all->netns, theirs.st_dev, theirs.st_ino)) {
		r = diag_load(c, all, is_ours ? -EBADF : netns);
		if (r == 0)
			r = map_set(&all->netns, theirs.st_dev, theirs.st_ino, all);
	}
	*ret = map_find(&all->diag, 0, ino);
	return r < 0 ? r : *ret ? 0 : -ENOENT;
}

/* ---- names ---- */

/* Takes off the mark of a file without a name, unless that is its name. */
static bool path_is_deleted(char *path, const struct stat *st)
{
	size_t len = strlen(path), mark = strlen(DELETED_SUFFIX);
	struct stat there;

	if (len <= mark || strcmp(path + len - mark, DELETED_SUFFIX) != 0)
		return false;
	if (sys_fstatat(AT_FDCWD, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    there.st_ino == st->st_ino && there.st_dev == st->st_dev)
		return false;
	path[len - mark] = '\0';
	return true;
}

/* A relative name: the directory is the path without it. */
static int name_dir_find(struct unix_sock *s, const char *path)
{
	size_t len = strlen(path);
	const char *slash = strrchr(path, '/');

	if (len > s->name_len + 1 && path[len - s->name_len - 1] == '/' &&
	    memcmp(path + len - s->name_len, s->name, s->name_len) == 0) {
		s->name_dir = str_format("%.*s", (int)(len - s->name_len - 1), path);
		return s->name_dir ? 0 : -ENOMEM;
	}
	if (len == s->name_len + 1 && memcmp(path + 1, s->name, s->name_len) == 0) {
		s->name_dir = str_format("/");
		return s->name_dir ? 0 : -ENOMEM;
	}
	/* Renamed, or a name with dots in it. */
	s->name_dir = str_format("%.*s", slash > path ? (int)(slash - path) : 1, path);
	s->path = str_format("%s", path);
	return s->name_dir && s->path ? 0 : -ENOMEM;
}

static int name_resolve(struct unix_sock *s, const char *path)
{
	if (s->name[0] != '/')
		return name_dir_find(s, path);
	if (strlen(path) == s->name_len && memcmp(path, s->name, s->name_len) == 0)
		return 0;
	s->path = str_format("%s", path);
	return s->path ? 0 : -ENOMEM;
}

static int name_collect(struct collect *c, struct unix_sock *s, int fd)
{
	scoped(fd_close) int file = sys_ioctl(fd, SIOCUNIXFILE, 0);
	char self[32], path[PATH_TEXT_MAX];
	struct stat st;
	ssize_t n;
	int r;

	if (file < 0)
		return report_fail(c->report, file, "cannot open the file a socket is bound to");
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", file);
	n = sys_readlinkat(AT_FDCWD, self, path, sizeof(path) - 1);
	if (n < 0 || fstat(file, &st) < 0)
		return report_fail(c->report, n < 0 ? (int)n : -errno,
				   "cannot look at the file a socket is bound to");
	path[n] = '\0';
	s->deleted = path_is_deleted(path, &st);
	s->has_perms = true;
	s->perm_mode = st.st_mode;
	s->perm_uid = st.st_uid;
	s->perm_gid = st.st_gid;
	r = path[0] == '/' ? name_resolve(s, path) : 0;
	return r < 0 ? report_fail(c->report, r, "cannot note the name of a socket") : 0;
}

/* ---- one socket ---- */

static int kind_check(struct collect *c, const struct unix_diag *u)
{
	if (u->type != SOCK_STREAM && u->type != SOCK_DGRAM && u->type != SOCK_SEQPACKET)
		return report_refuse(c->report, -ENOTSUP, CODE_SOCKET_KIND,
				     "a unix socket of type %u", u->type);
	if (u->state != TCP_LISTEN && u->state != TCP_ESTABLISHED && u->state != TCP_CLOSE)
		return report_refuse(c->report, -EAGAIN, CODE_SOCKET_KIND,
				     "a unix socket in state %u", u->state);
	return 0;
}

static void sock_fill(struct unix_sock *s, const struct unix_diag *u)
{
	s->ino = u->ino;
	s->type = u->type;
	s->state = u->state;
	s->shutdown = u->shutdown & 3;
	s->backlog = u->wqueue;
	s->peer_ino = u->peer;
	s->peer_closed = u->type == SOCK_DGRAM && u->has_peer && !u->peer;
	s->name_len = u->name_len;
	memcpy(s->name, u->name, sizeof(s->name));
	s->peek_off = -1;
}

static void cred_collect(struct unix_sock *s, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return;
	s->has_cred = true;
	s->cred = (struct sk_cred){ (uint32_t)cred.pid, cred.uid, cred.gid };
}

int unix_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct unix_all *all = unix_all_of(c->model);
	struct unix_sock *s = unix_sock_of(f);
	const struct unix_diag *u;
	int r = all ? diag_of(c, all, v->fd, v->st->st_ino, &u) : -ENOMEM;

	if (r < 0)
		return report_fail(c->report, r, "cannot ask the kernel about unix socket %llu",
				   (unsigned long long)v->st->st_ino);
	r = kind_check(c, u);
	if (r < 0)
		return r;
	sock_fill(s, u);
	s->ns_id = f->task->ns[NS_NET] ? f->task->ns[NS_NET]->id : 0;
	r = unix_register(c->model, s);
	if (r < 0)
		return report_fail(c->report, r, "cannot note a socket");
	if (unix_has_path(s))
		r = name_collect(c, s, v->fd);
	if (r == 0)
		r = sk_opts_read(c->report, v->fd, &c->arena, &s->opts);
	if (r < 0)
		return r;
	(void)!sk_get_int(v->fd, SOL_SOCKET, SO_PEEK_OFF, &s->peek_off); /* stays off */
	cred_collect(s, v->fd);
	return 0;
}

/* ---- peers ---- */

static bool is_allowed(const struct collect *c, uint32_t ino)
{
	char key[32];

	(void)snprintf(key, sizeof(key), "unix[%u]", ino);
	for (unsigned i = 0; i < c->policy->n_externals; i++)
		if (strcmp(c->policy->externals[i].key, key) == 0)
			return true;
	return false;
}

static int outside_refuse(struct collect *c, const struct unix_sock *s, const char *why)
{
	char text[UNIX_TEXT_MAX], remedy[96];

	(void)snprintf(remedy, sizeof(remedy),
		       "use --external 'unix[%u]' and give it back with --inherit-fd", s->ino);
	if (!unix_is_dgram(s))
		return report_refuse_with(c->report, -ENOTSUP, CODE_UNIX_OUTSIDE, remedy,
					  "%s is connected to a process outside of the tree%s",
					  unix_text(s, text), why);
	return report_refuse(c->report, -ENOTSUP, CODE_UNIX_OUTSIDE,
			     "%s is connected to a process outside of the tree%s",
			     unix_text(s, text), why);
}

/* An entry that stands for a peer outside of the tree. */
static int outside_add(struct collect *c, const struct unix_sock *s, const struct unix_diag *u)
{
	struct file *f = file_new(s->file.kind);
	struct unix_sock *peer = f ? unix_sock_of(f) : NULL;
	int r;

	if (!f)
		return -ENOMEM;
	f->task = s->file.task;
	r = model_add_file_take(c->model, f);
	if (r < 0)
		return r;
	sock_fill(peer, u);
	peer->uflags = UNIX_EXTERN;
	peer->type = SOCK_DGRAM;
	peer->state = TCP_LISTEN;
	peer->shutdown = 0;
	peer->peer_ino = peer->backlog = 0;
	peer->peer_closed = false;
	return unix_register(c->model, peer);
}

/* A relative name can be found again only from the directory of the task that used it. */
static int outside_find_dir(struct collect *c, const struct unix_sock *s, const struct unix_diag *u)
{
	struct unix_sock *peer = unix_find(c->model, u->ino);
	char path[PATH_TEXT_MAX];
	ssize_t n;

	if (!u->name_len || !u->name[0] || u->name[0] == '/')
		return 0;
	n = proc_link_read(&live_of(s->file.task)->proc, "cwd", path, sizeof(path));
	if (n < 0)
		return (int)n;
	peer->name_dir = str_format("%s", path);
	return peer->name_dir ? 0 : -ENOMEM;
}

static int outside_resolve(struct collect *c, const struct unix_sock *s)
{
	const struct unix_diag *u = map_find(&unix_all_of(c->model)->diag, 0, s->peer_ino);
	bool allowed = is_allowed(c, s->ino);
	int r;

	if (!u)
		return outside_refuse(c, s, "");
	if (!allowed && !c->policy->ext_unix_sk)
		return outside_refuse(c, s, "");
	if (!allowed && u->type != SOCK_DGRAM)
		return outside_refuse(c, s,
				      ", and a connection cannot be made again from one side");
	if (!allowed && !u->name_len)
		return outside_refuse(c, s, " that has no name to find it by");
	r = outside_add(c, s, u);
	if (r == 0)
		r = outside_find_dir(c, s, u);
	return r < 0 ? report_fail(c->report, r, "cannot note the peer of a socket") : 0;
}

static int unreachable_refuse(struct collect *c, const struct unix_sock *s, const char *what)
{
	char text[UNIX_TEXT_MAX];

	return report_refuse_with(c->report, -ENOTSUP, CODE_SOCKET_KIND,
				  "let the program accept its connections before the dump",
				  "%s: %s", unix_text(s, text), what);
}

/* Connected, but to nobody that could be named. */
static int lone_resolve(struct collect *c, struct unix_sock *s)
{
	struct unix_all *all = unix_all_of(c->model);
	const struct unix_diag *listener = map_find(&all->clients, 0, s->ino);

	if (!listener)
		return s->shutdown == 3 ? 0 : unreachable_refuse(c, s, "its peer cannot be found");
	if (s->backlog) /* bytes on the way, here */
		return unreachable_refuse(c, s,
					  "has sent something on a connection that was not yet "
					  "accepted");
	if (!unix_find(c->model, listener->ino))
		return outside_refuse(c, s, ", where it waits to be accepted");
	s->peer_ino = listener->ino;
	return 0;
}

static int listener_resolve(struct collect *c, const struct unix_sock *s)
{
	const struct unix_diag *u = map_find(&unix_all_of(c->model)->diag, 0, s->ino);

	for (size_t i = 0; i < u->n_icons; i++) {
		if (!u->icons[i])
			return unreachable_refuse(c, s,
						  "a client closed its connection before it was "
						  "accepted");
		if (!unix_find(c->model, u->icons[i]) && !c->policy->ext_unix_sk &&
		    !c->policy->skip_in_flight)
			return outside_refuse(c, s, ": a client there waits to be accepted");
	}
	return 0;
}

static int dgram_peer_check(struct collect *c, const struct unix_sock *s,
			    const struct unix_sock *peer)
{
	char text[UNIX_TEXT_MAX];

	if (peer->peer_ino == s->ino || peer->name_len)
		return 0;
	/* Made as a pair, and the other one went elsewhere: it has at most one such partner. */
	unix_for_each(other, unix_all_of(c->model)) if (
		other != s &&
		other->peer_ino == peer->ino) return report_refuse(c->report, -ENOTSUP,
								   CODE_SOCKET_KIND,
								   "%s has a peer without a name "
								   "that others have, too",
								   unix_text(s, text));
	return 0;
}

static int peer_resolve(struct collect *c, struct unix_sock *s)
{
	const struct unix_sock *peer;

	if (s->state == TCP_LISTEN)
		return listener_resolve(c, s);
	if (!s->peer_ino)
		return s->state == TCP_ESTABLISHED && !unix_is_dgram(s) ? lone_resolve(c, s) : 0;
	peer = unix_find(c->model, s->peer_ino);
	if (!peer || (peer->uflags & UNIX_EXTERN && !c->policy->ext_unix_sk))
		return peer ? (is_allowed(c, s->ino) ? 0 : outside_refuse(c, s, ""))
			    : outside_resolve(c, s);
	return unix_is_dgram(s) && !(peer->uflags & UNIX_EXTERN) ? dgram_peer_check(c, s, peer) : 0;
}

static int queue_collect(struct collect *c, struct unix_sock *s)
{
	struct pollfd pfd = { .events = POLLIN };
	scoped(fd_close) int fd = -EBADF;
	int r;

	if (s->state == TCP_LISTEN)
		return 0;
	r = file_borrow_fd(&s->file, &fd);
	pfd.fd = fd;
	if (r == 0)
		r = sys_poll(&pfd, 1, 0);
	if (r < 0)
		return report_fail(c->report, r, "cannot look at what waits in a socket");
	if (!(pfd.revents & POLLIN))
		return 0;
	return sk_queue_read(c, s->file.task, fd, s->type == SOCK_STREAM,
			     &unix_all_of(c->model)->held, &s->queue);
}

/* Of all sockets before any peer is looked for: it may be in flight somewhere. By index: more are
 * met on the way. */
static int queues_collect(struct collect *c, struct unix_all *all)
{
	int r = 0;

	for (size_t i = 0; i < all->by_ino.n; i++) {
		struct unix_sock *s = all->by_ino.entries[i].value;
		int one;

		REPORT_FRAME(c->report, "socket %u", s->ino);
		one = queue_collect(c, s);
		r = one < 0 ? one : r;
	}
	return r;
}

int unix_resolve(struct collect *c, struct file *f)
{
	struct unix_all *all = unix_all_of(c->model);
	struct unix_sock *s = unix_sock_of(f);
	int r = 0, peer;

	if (s->uflags & UNIX_EXTERN)
		return 0;
	if (!all->is_made) {
		all->is_made = true;
		r = queues_collect(c, all);
	}
	peer = peer_resolve(c, s);
	return r < 0 ? r : peer;
}
