#pragma once
/*
 * Option values that are more than a word or a number, in the form that requests hand on. Texts are
 * borrowed from the options they were read into.
 *
 * The parsers take the text of an option's argument, check it completely, and answer -EINVAL when
 * it has not the form; saying so is their caller's business.
 */
#include <sys/types.h>

#include "base/mem.h"
#include "base/vec.h"

/* What becomes of the tree after a dump, or in what state a restore leaves it. */
enum final_state { FINAL_DEFAULT, FINAL_STOPPED, FINAL_RUNNING };

/* --manage-cgroups. */
enum cgroup_mode {
	CGROUP_IGNORE,
	CGROUP_NONE,
	CGROUP_PROPS,
	CGROUP_SOFT,
	CGROUP_FULL,
	CGROUP_STRICT,
};

enum pre_dump_mode { PRE_DUMP_SPLICE, PRE_DUMP_READ };
enum network_lock { NETWORK_LOCK_IPTABLES, NETWORK_LOCK_NFTABLES, NETWORK_LOCK_SKIP };
enum request_validation { REQUEST_VALIDATE_SIZE, REQUEST_VALIDATE_BUILD_ID };

/* --cpu-cap: what is compared at a restore; IMAGE: and written at a dump. */
enum cpu_cap {
	CPU_CAP_FPU = 1 << 0,
	CPU_CAP_CPU = 1 << 1,
	CPU_CAP_INS = 1 << 2,
	CPU_CAP_IMAGE = 1 << 3,
};
#define CPU_CAP_ALL     (CPU_CAP_FPU | CPU_CAP_CPU | CPU_CAP_INS)
#define CPU_CAP_DEFAULT (CPU_CAP_FPU | CPU_CAP_INS)

struct text_list {
	VEC(const char *);
};

struct number_list {
	VEC(int);
};

/* Something outside of the tree, as --external says it: "mnt[/data]:DATA" is type "mnt", id
 * "/data", value "DATA". */
struct outside {
	const char *key;   /* "mnt[/data]", how images and kinds name it */
	const char *type;  /* "mnt" */
	const char *id;    /* "/data", may be "" */
	const char *value; /* behind the colon, or NULL */
};

struct outside_list {
	VEC(struct outside);
};

/* --inherit-fd "fd[7]:pipe:[1234]": our descriptor 7 stands for that resource. */
struct inherit {
	const char *key; /* "pipe:[1234]" */
	int fd;
};

struct inherit_list {
	VEC(struct inherit);
};

/* --join-ns "net:1234" or "user:/run/ns/u,1000,1000". */
struct join_ns {
	const char *type; /* ipc, net, time, user, uts or mnt */
	const char *path; /* of the namespace file */
	bool has_ids;
	uid_t uid;
	gid_t gid;
};

struct join_ns_list {
	VEC(struct join_ns);
};

/* --cgroup-root "cpu:/a" or "/a" (controller NULL: all others). */
struct cgroup_root {
	const char *controller;
	const char *path;
};

struct cgroup_root_list {
	VEC(struct cgroup_root);
};

int cpu_cap_parse(const char *text, unsigned *ret) nodiscard;
int cgroup_mode_parse(const char *text, enum cgroup_mode *ret) nodiscard;
int pre_dump_mode_parse(const char *text, enum pre_dump_mode *ret) nodiscard;
int network_lock_parse(const char *text, enum network_lock *ret) nodiscard;
int validation_parse(const char *text, enum request_validation *ret) nodiscard;
/* Everything copied lives in the arena. -ENOMEM besides -EINVAL. */
int outside_parse(struct arena *a, const char *text, struct outside *ret) nodiscard;
/* An external of the given parts, value may be NULL: for the older spellings of the same thing. */
int outside_make(struct arena *a, const char *type, const char *id, const char *value,
		 struct outside *ret) nodiscard;
int inherit_parse(struct arena *a, const char *text, struct inherit *ret) nodiscard;
int join_ns_parse(struct arena *a, const char *text, struct join_ns *ret) nodiscard;
int cgroup_root_parse(struct arena *a, const char *text, struct cgroup_root *ret) nodiscard;
