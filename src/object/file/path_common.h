#pragma once
/*
 * Files that have a path: the state of the kind `reg`, and what other kinds with a name in the file
 * system (FIFOs, terminals, bound sockets) do with such a file beside them.
 *
 *	dump		the kernel's text of the path -> does it still lead to this inode?
 *	restore		path -> the inode of the expected type -> open
 *
 * A path that does not lead to its file any more is remapped (remap.h): to a ghost, to a temporary
 * link, to the directory of a dead task in procfs.
 */
#include "kernel/build_id.h"
#include "object/collect.h"
#include "object/env.h"

struct RegFileEntry;
struct check;
struct ghost;

enum remap { REMAP_NONE, REMAP_LINKED, REMAP_GHOST, REMAP_PROCFS };

struct path_file {
	struct file file; /* file.mode is the expected st_mode, 0 when unknown */
	char *name;       /* owned: the path below the root of its mount namespace, beginning with
			     '/'; of an external one its key, "file[MNT:INO]" */
	bool is_external;
	bool has_mnt_id; /* file.mnt_id is of a mount namespace that is dumped, too */
	bool has_size;   /* size is to be compared at restore */
	uint64_t size;
	struct build_id build_id; /* len 0: none */

	enum remap remap;
	struct ghost *ghost;    /* REMAP_GHOST; borrowed */
	struct path_file *link; /* REMAP_LINKED: the temporary link; borrowed */
	pid_t dead_pid;         /* REMAP_PROCFS */
	bool is_link;           /* is itself a temporary link: nobody's open file */

	/* Restore. */
	bool is_handle; /* is only a place that a file of another kind is opened at: made O_PATH */
	bool is_proven; /* size, mode and build-id were compared */
};

static inline struct path_file *path_file_of(struct file *f)
{
	return (struct path_file *)f;
}

static inline const struct path_file *path_file_of_const(const struct file *f)
{
	return (const struct path_file *)f;
}

/* ---- dump ---- */

/*
 * Fills in name, size and build-id of a file met through a view (borrowed), and finds out whether
 * the name still leads to it or how it is to be remapped. Reported: E-FILE-UNREACHABLE,
 * E-LINK-REMAP, E-GHOST-LIMIT.
 */
int path_file_collect(struct collect *c, struct file *f, const struct fd_view *v) nodiscard;

/*
 * For kinds whose files lie at a path: a file of kind `reg` beside f (which has its task, fd, flags
 * and so on already), collected and registered in the model. Its id goes into f's own record.
 */
int path_file_add(struct collect *c, const struct file *f, const struct fd_view *v,
		  struct path_file **ret) nodiscard;

/* The directory that the kernel's paths of a task's files begin at (O_PATH, borrowed, until the
 * next call): the root of its mount namespace, not of its chroot. -errno, not reported. */
int path_root(struct collect *c, const struct task *t, int *ret_fd) nodiscard;

/* ---- images ---- */

/* Encoding takes memory of the arena; -ENOMEM. Decoding copies; -EUCLEAN when it cannot be. */
int path_file_encode(const struct path_file *pf, struct arena *arena,
		     struct RegFileEntry **ret) nodiscard;
int path_file_decode(struct path_file *pf, const struct RegFileEntry *re) nodiscard;
void path_file_done(struct path_file *pf);

/* ---- restore ---- */

/* The file of kind `reg` with that id, or NULL. */
struct path_file *path_file_find(const struct model *m, uint32_t id);

/*
 * For kinds whose files lie at a path, in their plan(): the file with that id as such a place. It
 * will not be opened itself. NULL when there is none of kind `reg`.
 */
struct path_file *path_file_use_as_handle(struct model *m, uint32_t id);

/*
 * The place: an O_PATH descriptor (borrowed, file.made_fd; made now if it was not yet). It leads to
 * the inode also when that has lost its name meanwhile, through path_reopen().
 */
int path_file_handle(struct env *env, struct path_file *pf, int *ret_fd) nodiscard;

/* Opens what a descriptor leads to once more, with its own flags, through /proc/self/fd. The
 * result is close-on-exec and the caller's. -errno of open(2); not reported. */
int path_reopen(int fd, uint32_t flags) nodiscard;

/*
 * Opens it with the given O_* flags (those that only make sense at creation are left out) and
 * checks that it is what it was. *ret_fd is the caller's. Reported: E-FILE-MISSING, E-FILE-CHANGED.
 */
int path_file_open(struct env *env, struct path_file *pf, uint32_t flags, int *ret_fd) nodiscard;

/* Before anything is created: whether the file is there and the same. Everything that is not is
 * reported. */
int path_file_check(struct check *k, struct path_file *pf) nodiscard;

/*
 * Beneath the root (a descriptor): symbolic links that are absolute do not lead out of it. A name
 * begins with '/'. -errno of openat2(2).
 */
int path_open_beneath(int root, const char *name, uint32_t flags) nodiscard;
/* The directory that a name lies in (O_PATH, the caller's) and its last component (in name).
 * -EISDIR for the root itself. */
int path_open_parent(int root, const char *name, const char **ret_base, int *ret_fd) nodiscard;

/* Flags of open(2) as they are given again: without those that act once. */
uint32_t path_open_flags(uint32_t flags);
/* Whether they are of a file that was made without a name. */
bool path_flags_unnamed(uint32_t flags);
