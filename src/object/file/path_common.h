#pragma once
/*
 * Files that have a path: the state of the kind `reg`, and what other kinds with a name in the file
 * system (FIFOs, terminals) do with such a file beside them.
 *
 *	dump		the kernel's text of the path -> does it still lead to this inode?
 *	restore		path -> the inode of the expected type -> open
 */
#include "kernel/build_id.h"
#include "object/collect.h"
#include "object/env.h"

struct RegFileEntry;

struct path_file {
	struct file file; /* file.mode is the expected st_mode, 0 when unknown */
	char *name;       /* owned: the path below the root of its mount namespace, beginning with
			     '/'; of an external one its key, "file[MNT:INO]" */
	bool is_external;
	bool has_size; /* size is to be compared at restore */
	uint64_t size;
	struct build_id build_id; /* len 0: none */
	bool is_checked;          /* restore: size, mode and build-id were compared */
};

static inline struct path_file *path_file_of(struct file *f)
{
	return (struct path_file *)f;
}

static inline const struct path_file *path_file_of_const(const struct file *f)
{
	return (const struct path_file *)f;
}

/*
 * Dump: fills in name, size and build-id of a file met through a view (borrowed), and finds out
 * whether the name still leads to it. Reported: E-FILE-UNREACHABLE and the like.
 */
int path_file_collect(struct collect *c, struct file *f, const struct fd_view *v) nodiscard;

/* Images. Encoding takes memory of the arena; -ENOMEM. Decoding copies; -EUCLEAN on a bad name. */
int path_file_encode(const struct path_file *pf, struct arena *arena,
		     struct RegFileEntry **ret) nodiscard;
int path_file_decode(struct path_file *pf, const struct RegFileEntry *re) nodiscard;
void path_file_done(struct path_file *pf);

/*
 * Restore: opens it with the given O_* flags (those that only make sense at creation are left out)
 * and checks that it is what it was: type, and at the first opening also mode, size and build-id.
 * *ret_fd is the caller's. Reported: E-FILE-MISSING, E-FILE-CHANGED.
 */
int path_file_open(struct env *env, struct path_file *pf, uint32_t flags, int *ret_fd) nodiscard;
