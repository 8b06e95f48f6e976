#pragma once
/* The restore context: of one task (in that task), or of the broker (task is NULL). */
#include "object/images.h"
#include "object/kinds.h"

struct env {
	struct model *model;
	struct report *report;
	const struct policy *policy;
	struct load_images *in;
	struct task *task; /* whose process this is; NULL in the broker */
	int floor;         /* our own descriptors live at or above this number */
	int broker;        /* pidfd of the broker, in tasks */
	int root_fd;       /* the tree's root directory, for opening paths */
	struct undo *undo; /* reverses of what was created outside the tree */
};

struct proc_pid;

/* /proc/self of the process we are, in the proc below the tree's root; owned by the caller. -ENOENT
 * when there is none. */
int env_proc_self(const struct env *env, struct proc_pid *ret) nodiscard;

/* Moves a fresh descriptor above the floor so that no slot collides with it. 0 or -errno; *fd
 * changes. */
int env_lift_fd(const struct env *env, int *fd) nodiscard;

/* Keeps the descriptor (taken) that is a file from now on, at the number where everybody looks for
 * it: the planned one of what a task makes. Reported. */
int env_keep_fd_take(struct env *env, struct file *f, int fd) nodiscard;

/* Hands over a descriptor for another file that one call made as well (the other end of a pipe).
 * Takes fd. */
int env_deposit_take(struct env *env, struct file *other, int fd) nodiscard;

/*
 * A descriptor for a file that was made by its maker, in this process: in the broker its own
 * (borrowed, *ret_owned false), in a task a fetched copy (pidfd_getfd(2)), to be closed by the
 * caller when *ret_owned.
 */
int env_file_fd(struct env *env, const struct file *f, int *ret_fd, bool *ret_owned) nodiscard;

/*
 * Opens once more what fd is open on, with O_* flags of its own: a new description of the same
 * inode (through /proc/self/fd). Close-on-exec, above the floor, owned by the caller; or -errno.
 */
int env_reopen(const struct env *env, int fd, unsigned flags) nodiscard;

/* What --inherit-fd gives for a key ("pipe:[1234]"), or NULL. Borrowed; its fd is the caller's of
 * stasis: duplicate it. */
const struct external *env_find_inherit(const struct env *env, const char *key);

/* What every description has in common and open() could not set: status flags and position. */
int env_apply_common(struct env *env, const struct file *f, int fd, bool seek) nodiscard;

/* Who gets its signals, and which. When all tasks exist: the engine does it for every file. */
int env_apply_owner(const struct env *env, const struct file *f, int fd) nodiscard;
