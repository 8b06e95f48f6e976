#pragma once
/* What the user allowed or asked for, as far as kinds need to know it. Filled from a request by
 * dump/ and restore/. */
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

struct allow; /* request/request.h */
struct arena;

enum file_validation { VALIDATE_SIZE, VALIDATE_BUILD_ID };

/* One --external or --inherit-fd: "file[mnt_id:inode]:name", "tty[rdev:dev]", "unix[inode]". */
struct external {
	const char *key;   /* "file[1a:2b]" */
	const char *value; /* what stands behind the colon, or NULL */
	int fd;            /* --inherit-fd: the descriptor we were given; else -1 */
};

/* How connections are locked, as inventories number it. We use nftables only. */
enum lock_method { LOCK_IPTABLES, LOCK_NFTABLES, LOCK_SKIP };

struct policy {
	bool shell_job;
	bool ext_unix_sk;
	bool tcp_established;
	bool tcp_close;
	bool skip_in_flight;
	bool network_lock;  /* connections are locked while nobody is there to answer */
	bool iptables_lock; /* restore: CRIU's dump locked them by iptables */
	bool file_locks;
	bool link_remap;
	bool force_irmap;
	bool evasive_devices;
	bool skip_file_rwx_check;
	bool orphan_pts_master;
	bool leave_running;   /* the tree goes on after the dump: consume nothing */
	uint64_t ghost_limit; /* bytes; 0: none */
	enum file_validation file_validation;
	const struct external *externals;
	unsigned n_externals;
	const struct external *inherits;
	unsigned n_inherits;
};

/* What the request allows, copied; lists live in the arena, texts in the request. 0 or -ENOMEM. */
int policy_fill(const struct allow *allow, struct arena *a, struct policy *ret) nodiscard;
