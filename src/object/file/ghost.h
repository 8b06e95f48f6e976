#pragma once
/*
 * Ghosts: inodes that are open but have no name any more. Content (with its holes) and attributes
 * are stored; at restore the inode comes to be at its old name, is opened there by all its users,
 * and loses the name again.
 */
#include "object/file/path_common.h"

struct image_reader;

struct ghost {
	uint32_t id;       /* names ghost-file-<id, base 16>.img */
	uint64_t dev, ino; /* kernel's encoding of the device */
	uint32_t uid, gid, mode;
	uint64_t rdev; /* of device nodes, as st_rdev */
	uint64_t size; /* of regular files */
	bool has_times;
	struct timespec atime, mtime;
	bool chunks;  /* the content is in pieces with holes between */
	char *target; /* of symbolic links, owned */

	const struct file *first; /* dump: through which the content is read */

	/* Restore. */
	bool is_unnamed;             /* was made without a name (O_TMPFILE): can be given one */
	int fd;                      /* such a one, owned */
	char *name;                  /* another: where it is, owned; NULL: not yet made */
	uint64_t made_dev, made_ino; /* as stat(2) shows what was made */
};

void ghost_free(struct ghost *g);
SCOPED(struct ghost *, ghost_free);

/* ---- ghost_image.c ---- */

/* Attributes from a stat and (for links) the descriptor. NULL when out of memory. */
struct ghost *ghost_new(const struct stat *st, int fd);
/* Dump: writes its image. Reported. */
int ghost_write(struct ghost *g, struct dump_images *out) nodiscard;
/* Restore: reads and checks its attributes. Reported. */
int ghost_load(struct load_images *in, uint32_t id, struct ghost **ret) nodiscard;
/* Restore: reads the content into a fresh regular file. Reported. */
int ghost_fill(const struct ghost *g, struct load_images *in, int fd) nodiscard;

/* ---- ghost.c: restore, in the broker ---- */

/*
 * Sees to it that the ghost of pf exists, and has pf's name when that is free: *ret_name (borrowed)
 * is where to open it. Reported.
 */
int ghost_appear(struct env *env, struct path_file *pf, const char **ret_name) nodiscard;

/*
 * The same for one that is_unnamed: makes it as g->fd. When the file system does not know unnamed
 * files nothing is made, and ghost_appear() is the way. Reported.
 */
int ghost_make_unnamed(struct env *env, struct path_file *pf) nodiscard;
