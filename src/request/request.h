#pragma once
/*
 * What an operation is asked to do: one struct for each, filled once by request_*() and not changed
 * afterwards. Texts and lists are borrowed from the options that it was made from.
 *
 * The descriptors in `places` are opened by places_open() before and closed by places_done() after
 * the operation; the engine only uses them.
 */
#include "request/hooks.h"
#include "request/options.h"

/* Where images and side files lie. */
struct places {
	const char *images; /* as given, for messages */
	int images_fd;      /* directory */
	const char *work;
	int work_fd; /* directory of log, pid file and statistics; may equal images_fd */
};

/* What the user permits the engine to do or to find. */
struct allow {
	bool shell_job;
	bool link_remap;
	bool evasive_devices;
	bool file_locks;
	bool ext_unix_sk;
	bool tcp_established;
	bool tcp_close;
	bool skip_in_flight;
	bool force_irmap;
	bool weak_sysctls;
	bool uprobes;
	bool unprivileged;
	bool skip_file_rwx_check;
	bool orphan_pts_master; /* RPC only */
	uint64_t ghost_limit;   /* bytes; UINT64_MAX: any size */
	enum request_validation file_validation;
	enum network_lock network_lock;
	const struct text_list *irmap_scan_paths;
	const struct outside_list *externals;
	const struct inherit_list *inherits; /* restore only */
};

/* A dump, also the one that stops before writing: check -t PID and tree -t PID. */
struct dump_request {
	pid_t pid; /* of the root, as we see it */
	struct places places;
	struct allow allow;
	enum final_state leave;    /* FINAL_DEFAULT: killed */
	usec_t timeout;            /* for stopping the tree and for every wait on it */
	const char *freeze_cgroup; /* directory of a control group, or NULL */
	unsigned cpu_cap;
	bool json, verbose; /* of what tree and check print */
	struct hooks hooks;
};

enum restore_after {
	AFTER_WAIT,   /* stay the root's parent until it ends */
	AFTER_DETACH, /* end, leave it to init (or to our parent, with sibling) */
	AFTER_EXEC,   /* become exec_argv, the root's parent */
};

struct restore_request {
	struct places places;
	struct allow allow;
	enum final_state leave; /* FINAL_DEFAULT: running */
	enum restore_after after;
	bool sibling;    /* the root becomes a child of our parent (CLONE_PARENT) */
	bool dry_run;    /* stop when the plan is made */
	bool print_plan; /* on stdout; with -v each step of the programs as well */
	char *const *exec_argv;
	unsigned cpu_cap;
	usec_t timeout; /* for every wait on a task that is being built */
	bool json, verbose;
	struct hooks hooks;
};

/* check without a pid: what this host can do. */
struct check_request {
	const struct text_list *features; /* only these, when not empty */
	bool extra, experimental;
	bool list; /* every kind and feature that is known */
	bool json, verbose;
};

/* Opens the directories that the options name. 0 or -errno, reported (E-IMAGES-DIR). */
int places_open(const struct options *o, struct report *rep, struct places *ret) nodiscard;
void places_done(struct places *p);
SCOPED_OBJECT(struct places, places_done);

/* Make requests of options that passed options_check(). `places` is copied, not taken. 0 or
 * -EINVAL, reported. */
int request_dump(const struct options *o, const struct places *places, struct report *rep,
		 struct dump_request *ret) nodiscard;
/* args: what follows the command, for --exec-cmd. */
int request_restore(const struct options *o, const struct places *places, char *const *args,
		    struct report *rep, struct restore_request *ret) nodiscard;
int request_check(const struct options *o, struct report *rep, struct check_request *ret) nodiscard;
