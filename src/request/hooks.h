#pragma once
/*
 * What others are told while an operation goes on: action scripts, a listener (the RPC), the pid
 * file and the status descriptor. dump/ and restore/ call these at the stages named below.
 *
 * A script is run with CRTOOLS_SCRIPT_ACTION (the hook's name), CRTOOLS_IMAGE_DIR (a path that
 * leads to the images, /proc/PID/fd/N of ours) and, once the root task exists, CRTOOLS_INIT_PID
 * (its pid as we see it) in its environment, one after the other in the order given. A script that
 * fails fails the operation, except after the point of no return (post-resume), where it is only
 * reported.
 */
#include "report/report.h"
#include "request/values.h"

/* Name, and the text that others know it by; in the order of the operation. */
#define HOOKS(X)                                                                                   \
	X(PRE_DUMP, "pre-dump")                 /* before the tree is stopped */                   \
	X(NETWORK_LOCK, "network-lock")         /* stopped; its network is about to be locked */   \
	X(QUERY_EXT_FILES, "query-ext-files")   /* RPC only */                                     \
	X(POST_DUMP, "post-dump")               /* images complete, tree still stopped */          \
	X(PRE_RESTORE, "pre-restore")           /* before the first task is made */                \
	X(SETUP_NAMESPACES, "setup-namespaces") /* root task and namespaces made */                \
	X(POST_SETUP_NAMESPACES, "post-setup-namespaces") /* namespaces filled */                  \
	X(ORPHAN_PTS_MASTER, "orphan-pts-master")         /* RPC only */                           \
	X(POST_RESTORE, "post-restore")                   /* everything restored, all stopped */   \
	X(NETWORK_UNLOCK, "network-unlock")                                                        \
	X(PRE_RESUME, "pre-resume")                                                                \
	X(POST_RESUME, "post-resume")                                                              \
	X(STATUS_READY, "status-ready") /* pages can be asked for */

enum hook {
#define X(id, text) HOOK_##id,
	HOOKS(X)
#undef X
		HOOK_MAX,
};

struct hooks {
	const char *const *scripts; /* borrowed */
	size_t n_scripts;
	int images_fd;       /* borrowed */
	const char *pidfile; /* NULL when none is wanted; relative to work_fd */
	int work_fd;         /* borrowed */
	int status_fd;       /* borrowed until hooks_ready() closes it; -1 when none */
	/* Called before the scripts. 0 or -errno, reported. NULL when nobody listens. */
	int (*listen)(void *ctx, enum hook hook, pid_t root_pid, struct report *rep);
	void *ctx;
};

const char *hook_text(enum hook hook);

/* Tells everybody. root_pid 0: there is none yet. 0 or -errno, reported. */
int hooks_run(const struct hooks *h, enum hook hook, pid_t root_pid, struct report *rep) nodiscard;

/* Writes the pid to the pid file, which must not exist yet (O_EXCL). Does nothing when none is
 * wanted. 0 or -errno, reported. */
int hooks_write_pidfile(const struct hooks *h, pid_t pid, struct report *rep) nodiscard;
/* Removes it again: the reverse, when the operation fails later. */
void hooks_remove_pidfile(const struct hooks *h);

/* Writes one zero byte to the status descriptor and closes it. Does nothing when there is none. 0
 * or -errno, reported. */
int hooks_ready(struct hooks *h, struct report *rep) nodiscard;
