#pragma once
/*
 * Control groups as directories: finding them, their members, and the freezer of versions 1 and 2.
 * Their properties are files like any others and belong to who dumps them.
 */
#include "base/usec.h"
#include "kernel/proc/dir.h"
#include "kernel/proc/mountinfo.h"

/* One mounted hierarchy. */
struct cgroup_mount {
	int version;       /* 1 or 2 */
	char *mountpoint;  /* owned, unescaped */
	char *root;        /* owned: which part of the hierarchy is mounted there */
	char *controllers; /* owned: super options of version 1 ("rw,freezer"), "" for version 2 */
};

struct cgroup_mounts {
	VEC(struct cgroup_mount);
};

/* Collects the cgroup mounts among a mountinfo text (of our own, to be able to open them). */
int cgroup_mounts_parse(const char *text, size_t len, struct cgroup_mounts *ret) nodiscard;
/* The same, from the calling process's mountinfo. */
int cgroup_mounts_read(struct cgroup_mounts *ret) nodiscard;
void cgroup_mounts_done(struct cgroup_mounts *m);
SCOPED_OBJECT(struct cgroup_mounts, cgroup_mounts_done);
/*
 * The mount of a version 1 hierarchy with this controller ("freezer", "name=systemd"), or with
 * NULL of version 2. NULL when it is not mounted.
 */
const struct cgroup_mount *cgroup_mounts_find(const struct cgroup_mounts *m,
					      const char *controller);
/*
 * The directory of a group, given its path as /proc/PID/cgroup shows it to the reader: opens it
 * (O_PATH). -ENOENT: outside of what is mounted, or gone; -ENAMETOOLONG.
 */
int cgroup_dir_open(const struct cgroup_mount *m, struct span path) nodiscard;

/* Appends the members (version 2: "cgroup.procs", processes; version 1 "tasks": threads). A number
 * 0 stands for a task outside of our pid namespace. -EOPNOTSUPP: a threaded group of version 2. */
int cgroup_members_read(int dir, const char *file, struct proc_text *text,
			struct proc_numbers *ret) nodiscard;

/* A group that can be frozen with all groups below it. */
struct cgroup_freezer {
	int dir; /* O_PATH, owned */
	int version;
};

#define CGROUP_FREEZER_NONE ((struct cgroup_freezer){ .dir = -EBADF })

/* Opens by a path in a mounted hierarchy. -ENOTDIR, -ENOENT; -EINVAL: no cgroup; -ENOTSUP: a group
 * without freezer (version 1: other controller; version 2: the root, or before Linux 5.2). */
int cgroup_freezer_open(const char *path, struct cgroup_freezer *ret) nodiscard;
void cgroup_freezer_done(struct cgroup_freezer *f);
SCOPED_OBJECT(struct cgroup_freezer, cgroup_freezer_done);

enum cgroup_freeze { CGROUP_THAWED, CGROUP_FREEZING, CGROUP_FROZEN };

/* Parses freezer.state; -EINVAL. */
int cgroup_freezer_state_parse(const char *text, size_t len, enum cgroup_freeze *ret) nodiscard;
/* Parses the "frozen" of cgroup.events; -EINVAL when it is missing. */
int cgroup_events_parse_frozen(const char *text, size_t len, bool *ret) nodiscard;

/* What was asked for (FREEZING) and what has been reached (FROZEN). */
int cgroup_freezer_get(const struct cgroup_freezer *f, enum cgroup_freeze *ret) nodiscard;

/*
 * Freezes and waits until all members are frozen. -ETIMEDOUT: some are not yet (uninterruptible, or
 * being forked all the time); the request stands, thaw to take it back. A traced and stopped member
 * counts as frozen in version 2 but keeps version 1 from getting there.
 */
int cgroup_freeze(const struct cgroup_freezer *f, usec_t timeout) nodiscard;
/* Thaws. -EBUSY (version 2 only): a group above is frozen, members stay so. */
int cgroup_thaw(const struct cgroup_freezer *f) nodiscard;
