/*
 * TCP connections that stand still. A dump locks the network of all of them by one transaction of
 * nftables, then puts each socket into repair mode and reads it. Both are undone when the tree goes
 * on; when it is killed, the sockets vanish without a packet and the lock stays, because the kernel
 * would answer the peers with resets. A restore locks as well (it may be another host), makes the
 * sockets, and unlocks as its last act.
 */
#include <netinet/tcp.h>

#include "base/fd.h"
#include "kernel/net/netlock.h"
#include "kernel/sys.h"
#include "object/file/inet_common.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/sk-opts.pb-c.h"

struct conns {
	VEC(struct inet_socket *);
};

struct pairs {
	VEC(struct netlock_pair);
};

static struct inet_socket *conn_of(struct file *f)
{
	struct inet_socket *s = f->kind->tag == FD_TYPES__INETSK ? inet_socket_of(f) : NULL;

	return s && inet_is_connection(s) ? s : NULL;
}

/*
 * Those that a lock is for. Closed ones, too: they come back through states in which the kernel
 * answers, and whoever gets that where the peer was would answer with a reset.
 */
static int pairs_collect(const struct model *m, bool made, struct pairs *ret)
{
	vec_for_each(f, &m->files) {
		const struct inet_socket *s = conn_of(*f);
		int r;

		if (!s || (made && !s->conn))
			continue;
		r = vec_push(ret, (struct netlock_pair){ .local = s->local, .peer = s->peer });
		if (r < 0)
			return r;
	}
	return 0;
}

/* Of a network namespace that is dumped with the tree, everything is locked with it. */
static bool net_is_ours(const struct model *m)
{
	const struct ns *net = m->root->ns[NS_NET];

	return !net || net->place == NS_OURS;
}

static int lock_failed(struct report *rep, int r, const struct netlock_error *err)
{
	if (r == -ENOSYS)
		return report_refuse_with(rep, r, CODE_NETWORK_LOCK,
					  "install libnftables, or use --network-lock skip", "%s",
					  err->text);
	return report_refuse_with(rep, r, CODE_NETWORK_LOCK,
				  "use --network-lock skip with a lock of your own", "%s",
				  err->text[0] ? err->text : "nftables refuses");
}

/* What a lock needs to be taken away; lives in an arena. */
struct lock {
	struct report *report;
	char table[NETLOCK_TABLE_MAX];
};

static void lock_undo(void *arg)
{
	const struct lock *l = arg;
	struct netlock_error err;

	if (netlock_remove(l->table, &err) < 0)
		report_warn(l->report, CODE_NETWORK_LOCK, "table %s of nftables stays: %s",
			    l->table, err.text);
}

/* ---- dump ---- */

static int dump_lock(struct collect *c)
{
	struct lock *l = ARENA_NEW(&c->arena, struct lock);
	struct netlock_error err = { 0 };
	struct pairs pairs = { 0 };
	int r = l ? netlock_table(c->model->dump_id, l->table) : -ENOMEM;

	if (r == 0)
		r = pairs_collect(c->model, false, &pairs);
	if (r < 0 || !pairs.n) {
		vec_done(&pairs);
		return r < 0 ? report_fail(c->report, r, "cannot lock connections") : 0;
	}
	l->report = c->report;
	r = netlock_add(l->table, pairs.at, pairs.n, &err);
	vec_done(&pairs);
	if (r < 0)
		return lock_failed(c->report, r, &err);
	r = undo_push(c->hold, "unlock the network", lock_undo, l);
	return r < 0 ? report_fail(c->report, r, "cannot lock connections") : 0;
}

static void repair_undo(void *arg)
{
	const struct inet_socket *s = arg;

	/* Nobody is left to be told; the target would see a broken connection. */
	(void)!tcp_repair_end(s->repair_fd);
	(void)!sk_set_int(s->repair_fd, SOL_SOCKET, SO_REUSEADDR, s->sk->reuseaddr);
}

static int conn_read(struct collect *c, struct inet_socket *s)
{
	int r = file_borrow_fd(&s->file, &s->repair_fd);

	if (r < 0)
		return report_fail(c->report, r, "cannot fetch the descriptor");
	r = tcp_repair_begin(s->repair_fd);
	if (r < 0)
		return report_fail(c->report, r, "cannot begin its repair");
	r = undo_push(c->hold, "end the repair of a connection", repair_undo, s);
	if (r < 0)
		return report_fail(c->report, r, "cannot begin its repair");
	s->conn = ARENA_NEW(&c->arena, struct tcp_conn);
	r = s->conn ? tcp_conn_read(s->repair_fd, &c->arena, s->conn) : -ENOMEM;
	return r < 0 ? report_fail(c->report, r, "cannot read the connection") : 0;
}

int tcp_lock_all(struct collect *c)
{
	int r = 0;

	if (c->policy->tcp_close)
		return 0;
	if (c->policy->network_lock && net_is_ours(c->model))
		r = dump_lock(c);
	vec_for_each(f, &c->model->files) {
		struct inet_socket *s = conn_of(*f);

		if (!s || r < 0)
			continue;
		REPORT_FRAME(c->report, "task %d: fd %d (tcp)", s->file.task->host_pid, s->file.fd);
		r = conn_read(c, s);
	}
	return r;
}

/* ---- restore ---- */

/* The table may be there since the dump, when it was done here: then a failure leaves it. */
int tcp_lock_made(struct env *env)
{
	struct lock *l = ARENA_NEW(&env->in->arena, struct lock);
	struct netlock_error err = { 0 };
	struct pairs pairs = { 0 };
	int r;

	if (!env->policy->network_lock || !env->model->dump_id[0] || !net_is_ours(env->model))
		return 0;
	r = l ? netlock_table(env->model->dump_id, l->table) : -ENOMEM;
	if (r == 0)
		r = pairs_collect(env->model, true, &pairs);
	if (r < 0 || !pairs.n) {
		vec_done(&pairs);
		return r < 0 ? report_fail(env->report, r, "cannot lock connections") : 0;
	}
	l->report = env->report;
	if (!netlock_is_there(l->table))
		r = undo_push(env->undo, "unlock the network", lock_undo, l);
	if (r == 0)
		r = netlock_add(l->table, pairs.at, pairs.n, &err);
	vec_done(&pairs);
	return r < 0 ? lock_failed(env->report, r, &err) : 0;
}

static int conn_release(struct env *env, struct inet_socket *s)
{
	int r;

	REPORT_FRAME(env->report, "file %u (tcp)", s->file.id);
	r = tcp_repair_end(s->file.made_fd);
	if (r == 0)
		r = sk_set_int(s->file.made_fd, SOL_SOCKET, SO_REUSEADDR, s->sk->reuseaddr);
	return r < 0 ? report_fail(env->report, r, "cannot end its repair") : 0;
}

/* Ours, and the dump's, also when the connections were not made (--tcp-close). */
static int made_unlock(struct env *env)
{
	char table[NETLOCK_TABLE_MAX];
	struct netlock_error err = { 0 };
	struct pairs pairs = { 0 };
	int r = pairs_collect(env->model, false, &pairs);

	if (r < 0)
		return report_fail(env->report, r, "cannot unlock connections");
	if (env->policy->iptables_lock)
		vec_for_each(pair, &pairs)
			netlock_iptables_remove(pair);
	if (pairs.n && netlock_table(env->model->dump_id, table) == 0)
		r = netlock_remove(table, &err);
	vec_done(&pairs);
	return r < 0 ? lock_failed(env->report, r, &err) : 0;
}

int tcp_release_made(struct env *env)
{
	int r = 0;

	if (env->policy->network_lock && net_is_ours(env->model))
		r = made_unlock(env);
	vec_for_each(f, &env->model->files) {
		struct inet_socket *s = conn_of(*f);

		if (s && s->conn && r == 0)
			r = conn_release(env, s);
	}
	return r;
}
