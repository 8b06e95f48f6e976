#pragma once
/*
 * A directory of images: opening files beneath it and nowhere else, and the order in which a dump
 * becomes complete.
 *
 * Files are opened by name with openat2(2) RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS (openat(2) with
 * O_NOFOLLOW before Linux 5.6); only the link `parent` of a chain of dumps is followed. A directory
 * may be used by several threads at once; a reader or writer belongs to one.
 */
#include "image/error.h"
#include "image/manifest.h"

struct InventoryEntry;
struct image_dir;

enum image_dir_mode {
	IMAGE_DIR_READ, /* for restoring, showing, verifying: nothing is changed */
	IMAGE_DIR_DUMP, /* for a dump: making the first file ends the life of an older dump there */
	IMAGE_DIR_PAGES, /* for a page server: adds files to somebody else's dump */
};

enum image_sync {
	IMAGE_SYNC_NONE, /* complete for other processes, not for a crash of the machine */
	IMAGE_SYNC_DISK, /* on disk before it is complete: fsync(2) of each file */
};

/*
 * Opens an existing directory. The result is the caller's, for image_dir_free(). The second form
 * takes a descriptor of the directory, on failure too. 0, -ENOMEM, or the errno of open(2), with
 * err filled.
 */
int image_dir_open(const char *path, enum image_dir_mode mode, struct image_error *err,
		   struct image_dir **ret_dir) nodiscard;
int image_dir_take_fd(int fd, enum image_dir_mode mode, struct image_error *err,
		      struct image_dir **ret_dir) nodiscard;
void image_dir_free(struct image_dir *dir);
SCOPED(struct image_dir *, image_dir_free);

/* The directory's descriptor, borrowed (O_RDONLY, not O_PATH). */
int image_dir_fd(const struct image_dir *dir);

/* Moves the directory's descriptor to the lowest free number >= floor. 0 or -errno, it is then
 * where it was. */
int image_dir_move_above(struct image_dir *dir, int floor) nodiscard;

/*
 * The dump that this one is an increment of, opened for reading: what the link `parent` leads to,
 * from this directory on. *ret_parent is NULL when there is none. -ELOOP when the chain has more
 * than a thousand members.
 */
int image_dir_open_parent(const struct image_dir *dir, struct image_error *err,
			  struct image_dir **ret_parent) nodiscard;
/* Makes or replaces the link; target NULL removes it. symlinkat(2), renameat(2). */
int image_dir_set_parent(struct image_dir *dir, const char *target,
			 struct image_error *err) nodiscard;

/*
 * Puts the manifest in force: from now on a file that is opened must be listed, and have the size
 * and (unless it is raw, see raw.h) the sums it had when it was written.
 *
 * *ret_state says whether there is one and whether it belongs to this dump: another program may
 * have dumped into the same directory since, and then nothing is checked. 0, -ENOENT when there is
 * no inventory (the dump is not complete), -EUCLEAN when the inventory or the manifest is damaged.
 */
enum manifest_state { MANIFEST_ABSENT, MANIFEST_STALE, MANIFEST_IN_FORCE };
int image_dir_use_manifest(struct image_dir *dir, struct image_error *err,
			   enum manifest_state *ret_state) nodiscard;
/* The manifest in force, or as far as written; borrowed, never NULL. Not for use while other
 * threads write. */
const struct manifest *image_dir_manifest(const struct image_dir *dir);

/*
 * The last step of a dump: writes the manifest and the inventory, the latter under its final name
 * only when everything else is there (and on disk, if asked).
 */
int image_dir_complete(struct image_dir *dir, const struct InventoryEntry *inventory,
		       enum image_sync sync, struct image_error *err) nodiscard;
/*
 * Makes a new manifest of the images as they are now, for a complete dump that was changed on
 * purpose (by crit, or by taking pages out that later dumps have). Mode IMAGE_DIR_PAGES. -ENOENT
 * when there is no inventory.
 */
int image_dir_reseal(struct image_dir *dir, enum image_sync sync,
		     struct image_error *err) nodiscard;
/* The last step of a page server: its own manifest. */
int image_dir_complete_pages(struct image_dir *dir, enum image_sync sync,
			     struct image_error *err) nodiscard;

/* ---- for the readers and writers of this room ---- */

/* Opens a regular file of the directory; the descriptor is the caller's. Creating means mode 0600,
 * read and write, truncated. -ENOENT, -ELOOP for a symlink,
 * -EINVAL for a bad name or something that is no file, other errno of openat2(2). */
enum image_access { IMAGE_OPEN, IMAGE_CREATE };
int image_dir_open_file(struct image_dir *dir, const char *name, enum image_access access,
			struct image_error *err) nodiscard;
/* Records the sums of a file that is written completely; they are the directory's from then on. */
int image_dir_add_sums_take(struct image_dir *dir, const char *name, uint64_t size,
			    struct sums sums) nodiscard;
/* What the manifest in force says of a file that is `size` bytes long now: *ret_file, NULL when no
 * manifest is in force. -ENOENT when it is not listed (an older dump left it), -EUCLEAN when its
 * size differs. */
int image_dir_expect(const struct image_dir *dir, const char *name, uint64_t size,
		     struct image_error *err, const struct manifest_file **ret_file) nodiscard;
/* The same, with all the sums. */
int image_dir_check_file(const struct image_dir *dir, const char *name, int fd, uint64_t size,
			 struct image_error *err) nodiscard;
