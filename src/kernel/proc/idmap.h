#pragma once
/* /proc/PID/uid_map and gid_map: how a user namespace maps ids, as the reader's namespace sees it.
 */
#include "kernel/proc/dir.h"

#define PROC_IDMAP_MAX 340 /* the kernel's limit since 4.15 */

struct proc_id_range {
	uint32_t inside, outside, count;
};

struct proc_idmap {
	size_t n;
	struct proc_id_range range[PROC_IDMAP_MAX];
};

enum proc_idmap_of { PROC_UIDS, PROC_GIDS };

/* -EINVAL on damage, empty ranges, or more than the kernel allows. An empty map is fine. */
int proc_idmap_parse(const char *text, size_t len, struct proc_idmap *ret) nodiscard;
int proc_idmap_read(const struct proc_pid *p, enum proc_idmap_of what,
		    struct proc_idmap *ret) nodiscard;

/* The id outside for an id inside, and back; false when it is not mapped. */
bool proc_idmap_out(const struct proc_idmap *m, uint32_t inside, uint32_t *ret);
bool proc_idmap_in(const struct proc_idmap *m, uint32_t outside, uint32_t *ret);
