#pragma once
/*
 * Connections nobody can hear: a table of nftables that drops every packet of certain TCP
 * connections in both directions, except those with a mark of our own. It outlives the process that
 * made it: between dump and restore the kernel has no socket for the connection and would answer
 * its peer with a reset.
 *
 * The table is of family inet in the network namespace of the caller; its name is CRIU-<id of the
 * dump>, so that CRIU finds what we locked and we what it locked. libnftables is loaded when it is
 * first needed. Needs CAP_NET_ADMIN.
 */
#include "kernel/net/inet_addr.h"

/* With "inet " and the NUL. CRIU cuts the name at this length, so the end of the id is missing. */
#define NETLOCK_TABLE_MAX 32

struct netlock_error {
	char text[256]; /* what nftables said, one line */
};

/* Both ends as a socket of the locked side has them. */
struct netlock_pair {
	struct inet_addr local, peer;
};

/* The name of the table of a dump. 0, or -EINVAL for an id that cannot be part of one. */
int netlock_table(const char *dump_id, char ret[NETLOCK_TABLE_MAX]) nodiscard;

/*
 * Makes the table if it is not there and adds connections, all in one transaction: all of them are
 * locked at once or none. -ENOSYS without libnftables, -EIO when nftables refuses (*ret_err says
 * why), -ENOMEM.
 */
int netlock_add(const char *table, const struct netlock_pair *pairs, size_t n,
		struct netlock_error *ret_err) nodiscard;

/* Whether there is such a table. */
bool netlock_is_there(const char *table);

/*
 * Takes away the rules by which CRIU locks a connection with iptables: one in INPUT, one in OUTPUT.
 * What is not there is no error, nor is a host without iptables.
 */
void netlock_iptables_remove(const struct netlock_pair *pair);

/* Takes the table away; one that is not there is no error. */
int netlock_remove(const char *table, struct netlock_error *ret_err) nodiscard;
