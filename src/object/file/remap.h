#pragma once
/*
 * Files whose path does not lead to them any more: what the kind `reg` as a whole keeps beside its
 * files, and remap-fpath.img.
 *
 *	LINKED	other names exist: a temporary link is made at dump, beside the old name, and taken
 *		away after the restore
 *	GHOST	no name exists: content and attributes are in ghost-file-ID.img
 *	PROCFS	it is of a dead task's directory in procfs: somebody must have the pid for a moment
 */
#include "base/vec.h"
#include "object/file/path_common.h"

struct scaffold;

struct remap_entry {
	uint32_t orig_id, remap_id;
	enum remap type;
};

/* What entries are looked up by. */
enum remaps_by { REMAPS_BY_FILE, REMAPS_BY_LINK, REMAPS_BY_DEAD_PID };

struct remaps {
	struct {
		VEC(struct remap_entry);
	} entries;
	struct map ghosts; /* dump: by (dev, ino); restore: by (0, id) -> struct ghost */
	struct map links;  /* dump: by (dev, ino) -> struct path_file of the temporary link */
	uint32_t last_ghost;
	bool has_root; /* dump: path_root() keeps what it opened last */
	int root;
	const struct ns *root_ns;

	/* Restore: by (REMAPS_BY_..., id) -> struct remap_entry. */
	struct map index;

	/* Restore, in the broker. */
	struct scaffold *scaffold; /* names that exist only while files are opened */
	unsigned pending;          /* files still to be opened at such names */
	struct {
		VEC(pid_t);
	} stand_ins; /* for dead tasks, until the tree is complete */
};

/* Those of a model; NULL when out of memory. */
struct remaps *remaps_of(struct model *m);
void remaps_free(struct remaps *rs);

/* Dump: notes that pf is remapped. 0 or -ENOMEM. */
int remap_add(struct remaps *rs, const struct path_file *pf, uint32_t remap_id) nodiscard;
/* Dump: remap-fpath.img, when there is anything to say. Reported. */
int remaps_write(struct remaps *rs, struct dump_images *out) nodiscard;
/* Dump: makes the temporary links; undone through c->undo. Reported. */
int remaps_make_links(struct collect *c, struct remaps *rs) nodiscard;

/* Restore: reads remap-fpath.img, and the beginnings of the ghost files. Reported. */
int remaps_load(struct model *m, struct load_images *in) nodiscard;
/* Restore: what the table says of a file that is being decoded. -ENOMEM. */
int remap_decode(struct model *m, struct path_file *pf) nodiscard;
/* Restore: when all files are loaded: ties them to their links. Reported. */
int remaps_tie(struct model *m, struct report *rep) nodiscard;
/*
 * Restore: gives the inode that lies at `at` the name of pf as well, when that is free. *ret_name
 * (borrowed) is where it is to be opened. Reported.
 */
int remap_appear(struct env *env, struct path_file *pf, const char *at,
		 const char **ret_name) nodiscard;
/* Restore: one file less to be opened at such names; with the last one they disappear. */
void remap_opened(struct remaps *rs);
/* Restore: takes the temporary links away. What cannot be is warned of. */
void remaps_remove_links(struct env *env, struct remaps *rs);
