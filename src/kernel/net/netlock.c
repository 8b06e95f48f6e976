/* Locking TCP connections by nftables. See netlock.h. */
#include "kernel/net/netlock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "kernel/net/tcp_repair.h"

/* The few functions of libnftables that we call. It is loaded late: most dumps need none of it, and
 * it takes longer to link than some dumps to run. */
struct nft_library {
	void *handle;
	__typeof__(nft_ctx_new) *ctx_new;
	__typeof__(nft_ctx_free) *ctx_free;
	__typeof__(nft_ctx_buffer_output) *buffer_output;
	__typeof__(nft_ctx_buffer_error) *buffer_error;
	__typeof__(nft_ctx_get_error_buffer) *get_error;
	__typeof__(nft_run_cmd_from_buffer) *run;
};

static void nft_library_done(struct nft_library *l)
{
	if (l->handle)
		(void)dlclose(l->handle); /* nothing to be done about it */
}
SCOPED_OBJECT(struct nft_library, nft_library_done);

static int nft_library_load(struct nft_library *l)
{
	l->handle = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!l->handle)
		return -ENOSYS;
	l->ctx_new = dlsym(l->handle, "nft_ctx_new");
	l->ctx_free = dlsym(l->handle, "nft_ctx_free");
	l->buffer_output = dlsym(l->handle, "nft_ctx_buffer_output");
	l->buffer_error = dlsym(l->handle, "nft_ctx_buffer_error");
	l->get_error = dlsym(l->handle, "nft_ctx_get_error_buffer");
	l->run = dlsym(l->handle, "nft_run_cmd_from_buffer");
	return l->ctx_new && l->ctx_free && l->buffer_output && l->buffer_error && l->get_error &&
			       l->run
		       ? 0
		       : -ENOSYS;
}

/* The first line of what nftables says. */
static void error_take(struct netlock_error *err, const char *text)
{
	size_t n = text ? strcspn(text, "\n") : 0;

	n = MIN(n, sizeof(err->text) - 1);
	if (n)
		memcpy(err->text, text, n);
	err->text[n] = '\0';
}

/* All commands of the text are one transaction. */
static int nft_run(const char *commands, struct netlock_error *err)
{
	scoped(nft_library_done) struct nft_library l = { 0 };
	struct nft_ctx *ctx;
	int r = nft_library_load(&l);

	error_take(err, r < 0 ? "libnftables.so.1 cannot be loaded" : NULL);
	if (r < 0)
		return r;
	ctx = l.ctx_new(NFT_CTX_DEFAULT);
	if (!ctx)
		return -ENOMEM;
	r = l.buffer_output(ctx) || l.buffer_error(ctx) ? -ENOMEM : 0;
	if (r == 0 && l.run(ctx, commands) != 0) {
		error_take(err, l.get_error(ctx));
		r = -EIO;
	}
	l.ctx_free(ctx);
	return r;
}

int netlock_table(const char *dump_id, char ret[NETLOCK_TABLE_MAX])
{
	for (const char *p = dump_id; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-')
			return -EINVAL;
	(void)snprintf(ret, NETLOCK_TABLE_MAX, "inet CRIU-%s", dump_id);
	return *dump_id ? 0 : -EINVAL;
}

static int table_text(const char *t, struct str *s)
{
	static const char *const hooks[] = { "output", "input" };
	static const struct {
		const char *set, *type, *header;
	} families[] = { { "conns4", "ipv4_addr", "ip" }, { "conns6", "ipv6_addr", "ip6" } };
	int r = str_addf(s, "add table %s\n", t);

	for (unsigned i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
		r = str_addf(s, "add set %s %s { type %s . inet_service . %s . inet_service; }\n",
			     t, families[i].set, families[i].type, families[i].type);
	for (unsigned h = 0; h < ARRAY_SIZE(hooks) && r == 0; h++) {
		r = str_addf(s,
			     "add chain %s %s { type filter hook %s priority 0; }\n"
			     "flush chain %s %s\n"
			     "add rule %s %s meta mark %#x accept\n",
			     t, hooks[h], hooks[h], t, hooks[h], t, hooks[h], TCP_REPAIR_MARK);
		for (unsigned i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
			r = str_addf(
				s,
				"add rule %s %s %s saddr . tcp sport . %s daddr . tcp dport @%s "
				"drop\n",
				t, hooks[h], families[i].header, families[i].header,
				families[i].set);
	}
	return r;
}

static int element_text(const char *t, const struct inet_addr *from, const struct inet_addr *to,
			struct str *s)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	if (!inet_ntop(from->family, from->ip, src, sizeof(src)) ||
	    !inet_ntop(to->family, to->ip, dst, sizeof(dst)))
		return -EINVAL;
	return str_addf(s, "add element %s conns%c { %s . %u . %s . %u }\n", t,
			from->family == AF_INET ? '4' : '6', src, from->port, dst, to->port);
}

int netlock_add(const char *table, const struct netlock_pair *pairs, size_t n,
		struct netlock_error *ret_err)
{
	scoped(str_done) struct str s = { 0 };
	int r = table_text(table, &s);

	for (size_t i = 0; i < n && r == 0; i++) {
		struct inet_addr local = inet_addr_unmap(&pairs[i].local);
		struct inet_addr peer = inet_addr_unmap(&pairs[i].peer);

		r = element_text(table, &peer, &local, &s);
		if (r == 0)
			r = element_text(table, &local, &peer, &s);
	}
	if (r < 0) {
		error_take(ret_err, "the rules cannot be written");
		return r;
	}
	return nft_run(str_get(&s), ret_err);
}

/* Runs iptables for one rule, quietly. */
static void iptables_delete(const char *chain, const struct inet_addr *from,
			    const struct inet_addr *to)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], sport[8], dport[8], mark[16];
	const char *argv[] = { from->family == AF_INET ? "iptables" : "ip6tables",
			       "-w",
			       "-t",
			       "filter",
			       "-D",
			       chain,
			       "--protocol",
			       "tcp",
			       "-m",
			       "mark",
			       "!",
			       "--mark",
			       mark,
			       "--source",
			       src,
			       "--sport",
			       sport,
			       "--destination",
			       dst,
			       "--dport",
			       dport,
			       "-j",
			       "DROP",
			       NULL };
	posix_spawn_file_actions_t quiet;
	pid_t pid;

	if (!inet_ntop(from->family, from->ip, src, sizeof(src)) ||
	    !inet_ntop(to->family, to->ip, dst, sizeof(dst)))
		return;
	(void)snprintf(sport, sizeof(sport), "%u", from->port);
	(void)snprintf(dport, sizeof(dport), "%u", to->port);
	(void)snprintf(mark, sizeof(mark), "%#x", TCP_REPAIR_MARK);
	if (posix_spawn_file_actions_init(&quiet) != 0)
		return;
	if (posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) ==
		    0 &&
	    posix_spawn_file_actions_adddup2(&quiet, STDOUT_FILENO, STDERR_FILENO) == 0 &&
	    posix_spawnp(&pid, argv[0], &quiet, NULL, (char *const *)argv, environ) == 0)
		(void)!waitpid(pid, NULL, 0); /* whatever it says */
	(void)posix_spawn_file_actions_destroy(&quiet);
}

void netlock_iptables_remove(const struct netlock_pair *pair)
{
	struct inet_addr local = inet_addr_unmap(&pair->local);
	struct inet_addr peer = inet_addr_unmap(&pair->peer);

	iptables_delete("INPUT", &peer, &local);
	iptables_delete("OUTPUT", &local, &peer);
}

bool netlock_is_there(const char *table)
{
	scoped(str_done) struct str s = { 0 };
	struct netlock_error err;

	return str_addf(&s, "list table %s\n", table) == 0 && nft_run(str_get(&s), &err) == 0;
}

int netlock_remove(const char *table, struct netlock_error *ret_err)
{
	scoped(str_done) struct str s = { 0 };
	/* Deleting what is not there is an error; adding what is there is none. */
	int r = str_addf(&s, "add table %s\ndelete table %s\n", table, table);

	return r < 0 ? r : nft_run(str_get(&s), ret_err);
}
