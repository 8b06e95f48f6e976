/* Image directories. See dir.h. */
#include "image/dir.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/listing.h"
#include "image/reader.h"
#include "image/writer.h"
#include "schema/inventory.pb-c.h"

#define CHAIN_MAX 1000
#define PARENT    "parent"
#define TMP       ".tmp" /* added to the name of a file that is renamed when it is whole */

struct image_dir {
	int fd;
	enum image_dir_mode mode;
	unsigned depth;       /* in the chain of parents */
	bool checking;        /* the manifest is in force */
	bool begun;           /* a file was made: an older dump is no more */
	pthread_mutex_t lock; /* of manifest, while writing */
	struct manifest manifest;
};

/* Files whose presence says that a dump is complete, or that vouch for others. */
static const enum image_type seals[] = { IMAGE_INVENTORY, IMAGE_MANIFEST, IMAGE_MANIFEST_PAGES };

static int unlink_name(struct image_dir *dir, const char *name, struct image_error *err)
{
	if (unlinkat(dir->fd, name, 0) < 0 && errno != ENOENT)
		return image_fail(err, name, -errno, "cannot be removed");
	return 0;
}

/* Before the first file of a dump is made. Not sooner: a dump that is refused leaves an older one
 * in the same place as it was. */
static int begin(struct image_dir *dir, struct image_error *err)
{
	int r = 0;

	pthread_mutex_lock(&dir->lock);
	for (size_t i = 0; i < ARRAY_SIZE(seals) && r == 0 && !dir->begun; i++)
		r = unlink_name(dir, image_form(seals[i])->file, err);
	dir->begun = r == 0;
	pthread_mutex_unlock(&dir->lock);
	return r;
}

int image_dir_take_fd(int take_fd, enum image_dir_mode mode, struct image_error *err,
		      struct image_dir **ret_dir)
{
	scoped(fd_close) int fd = take_fd;
	scoped(image_dir_free) struct image_dir *dir = NEW(struct image_dir);
	struct stat st;

	if (!dir)
		return image_fail(err, "", -ENOMEM, "out of memory");
	dir->fd = fd_take(&fd);
	dir->mode = mode;
	pthread_mutex_init(&dir->lock, NULL);

	if (fstat(dir->fd, &st) < 0)
		return image_fail(err, "", -errno, "cannot be examined");
	if (!S_ISDIR(st.st_mode))
		return image_fail(err, "", -ENOTDIR, "is not a directory");
	*ret_dir = ptr_take(&dir);
	return 0;
}

int image_dir_open(const char *path, enum image_dir_mode mode, struct image_error *err,
		   struct image_dir **ret_dir)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return image_fail(err, "", -errno, "%s cannot be opened", path);
	return image_dir_take_fd(fd, mode, err, ret_dir);
}

void image_dir_free(struct image_dir *dir)
{
	if (!dir)
		return;
	fd_close(dir->fd);
	manifest_done(&dir->manifest);
	pthread_mutex_destroy(&dir->lock);
	mem_free(dir);
}

int image_dir_fd(const struct image_dir *dir)
{
	return dir->fd;
}

int image_dir_move_above(struct image_dir *dir, int floor)
{
	int high;

	if (dir->fd >= floor)
		return 0;
	high = fd_dup_above(dir->fd, floor);
	if (high < 0)
		return high;
	fd_close(dir->fd);
	dir->fd = high;
	return 0;
}

const struct manifest *image_dir_manifest(const struct image_dir *dir)
{
	return &dir->manifest;
}

/* ---- the chain ---- */

int image_dir_open_parent(const struct image_dir *dir, struct image_error *err,
			  struct image_dir **ret_parent)
{
	struct stat st;
	int fd, r;

	*ret_parent = NULL;
	if (fstatat(dir->fd, PARENT, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : image_fail(err, PARENT, -errno, "cannot be examined");
	if (dir->depth + 1 >= CHAIN_MAX)
		return image_fail(err, PARENT, -ELOOP, "chain of more than %d dumps", CHAIN_MAX);

	fd = openat(dir->fd, PARENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return image_fail(err, PARENT, -errno, "does not lead to a directory");
	r = image_dir_take_fd(fd, IMAGE_DIR_READ, err, ret_parent);
	if (r == 0)
		(*ret_parent)->depth = dir->depth + 1;
	return r;
}

int image_dir_set_parent(struct image_dir *dir, const char *target, struct image_error *err)
{
	int r;

	if (!target)
		return unlink_name(dir, PARENT, err);

	r = unlink_name(dir, PARENT TMP, err);
	if (r < 0)
		return r;
	if (symlinkat(target, dir->fd, PARENT TMP) < 0)
		return image_fail(err, PARENT, -errno, "cannot be made");
	if (renameat(dir->fd, PARENT TMP, dir->fd, PARENT) < 0)
		return image_fail(err, PARENT, -errno, "cannot be put in place");
	return 0;
}

/* ---- files ---- */

/* openat2(2), or where it is missing (Linux < 5.6) or kept from us by a seccomp filter, what comes
 * closest: names have no slash, so O_NOFOLLOW covers all of them. */
static int open_beneath(int dir, const char *name, int flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do {
		fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN)); /* EAGAIN: a rename raced */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

int image_dir_open_file(struct image_dir *dir, const char *name, enum image_access access,
			struct image_error *err)
{
	/* O_NONBLOCK: a fifo of that name must not make us wait. Files do not care. */
	int flags = O_NONBLOCK | (access == IMAGE_CREATE ? O_RDWR | O_CREAT | O_TRUNC : O_RDONLY);
	scoped(fd_close) int fd = -EBADF;
	struct stat st;
	int r;

	assert(access == IMAGE_OPEN || dir->mode != IMAGE_DIR_READ);
	if (!name[0] || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return image_fail(err, name, -EINVAL, "is not the name of an image");
	if (access == IMAGE_CREATE && dir->mode == IMAGE_DIR_DUMP) {
		r = begin(dir, err);
		if (r < 0)
			return r;
	}

	fd = open_beneath(dir->fd, name, flags);
	if (fd == -ELOOP)
		return image_fail(err, name, fd, "is a symbolic link");
	if (fd == -ENOENT)
		return image_fail(err, name, fd, "does not exist");
	if (fd < 0)
		return image_fail(err, name, fd, "cannot be opened");
	if (fstat(fd, &st) < 0)
		return image_fail(err, name, -errno, "cannot be examined");
	if (!S_ISREG(st.st_mode))
		return image_fail(err, name, -EINVAL, "is not a regular file");
	return fd_take(&fd);
}

int image_dir_add_sums_take(struct image_dir *dir, const char *name, uint64_t size,
			    struct sums sums)
{
	int r;

	pthread_mutex_lock(&dir->lock);
	r = manifest_set_take(&dir->manifest, name, size, sums);
	pthread_mutex_unlock(&dir->lock);
	return r;
}

int image_dir_expect(const struct image_dir *dir, const char *name, uint64_t size,
		     struct image_error *err, const struct manifest_file **ret_file)
{
	const struct manifest_file *f;

	*ret_file = NULL;
	if (!dir->checking)
		return 0;
	f = manifest_find(&dir->manifest, name);
	if (!f) /* left by an older dump into the directory: this one has no such image */
		return image_fail(err, name, -ENOENT, "is not in the manifest of this dump");
	if (f->size != size)
		return image_fail(err, name, -EUCLEAN,
				  "has %" PRIu64 " bytes, and %" PRIu64 " when it was written",
				  size, f->size);
	*ret_file = f;
	return 0;
}

int image_dir_check_file(const struct image_dir *dir, const char *name, int fd, uint64_t size,
			 struct image_error *err)
{
	const struct manifest_file *f;
	size_t block;
	int r = image_dir_expect(dir, name, size, err, &f);

	if (r < 0 || !f)
		return r;
	r = sums_check(fd, size, f->sums.at, &block);
	if (r < 0)
		return image_fail(err, name, r, "cannot be read");
	if (block < f->sums.n)
		return image_fail_at(err, name, block * SUM_BLOCK, -EUCLEAN,
				     "contents changed since they were written");
	return 0;
}

/* ---- the manifest ---- */

/* The run id of the inventory, "" when it has none; the caller's to free. */
static int inventory_run_id(struct image_dir *dir, struct image_error *err, char **ret_id)
{
	scoped(image_reader_free) struct image_reader *in = NULL;
	scoped(arena_done) struct arena a = { 0 };
	const InventoryEntry *inventory;
	ProtobufCMessage *msg;
	int r;

	r = image_reader_open(dir, IMAGE_INVENTORY, IMAGE_ONE, err, &in);
	if (r < 0)
		return r;
	r = image_read(in, &a, &msg);
	if (r == 0)
		return image_fail(err, "inventory.img", -EUCLEAN, "is empty");
	if (r < 0)
		return r;

	inventory = (const InventoryEntry *)msg;
	*ret_id = str_format("%s", inventory->dump_criu_run_id ?: "");
	return *ret_id ? 0 : -ENOMEM;
}

static int load_one(struct image_dir *dir, enum image_type type, struct image_error *err,
		    char **ret_run_id)
{
	scoped(image_reader_free) struct image_reader *in = NULL;
	int r = image_reader_open(dir, type, IMAGE_ONE, err, &in);

	return r < 0 ? r : manifest_load(&dir->manifest, in, ret_run_id);
}

int image_dir_use_manifest(struct image_dir *dir, struct image_error *err,
			   enum manifest_state *ret_state)
{
	scoped(mem_free) char *ours = NULL;
	scoped(mem_free) char *theirs = NULL;
	scoped(mem_free) char *none = NULL;
	int r;

	assert(dir->mode == IMAGE_DIR_READ);
	dir->checking = false;
	manifest_done(&dir->manifest);

	r = inventory_run_id(dir, err, &ours);
	if (r < 0)
		return r;
	r = load_one(dir, IMAGE_MANIFEST, err, &theirs);
	if (r == -ENOENT) {
		*ret_state = MANIFEST_ABSENT;
		return 0;
	}
	if (r < 0)
		return r;
	if (strcmp(ours, theirs) != 0) {
		manifest_done(&dir->manifest);
		*ret_state = MANIFEST_STALE;
		return 0;
	}

	r = load_one(dir, IMAGE_MANIFEST_PAGES, err, &none);
	if (r < 0 && r != -ENOENT)
		return r;
	dir->checking = true;
	*ret_state = MANIFEST_IN_FORCE;
	return 0;
}

/* ---- completion ---- */

static int sync_name(struct image_dir *dir, const char *name, struct image_error *err)
{
	scoped(fd_close) int fd = image_dir_open_file(dir, name, IMAGE_OPEN, err);

	if (fd < 0)
		return fd;
	if (fsync(fd) < 0)
		return image_fail(err, name, -errno, "cannot be brought to disk");
	return 0;
}

static int sync_dir(struct image_dir *dir, struct image_error *err)
{
	if (fsync(dir->fd) < 0)
		return image_fail(err, "", -errno, "cannot be brought to disk");
	return 0;
}

/* With many files one pass over the file system costs less than a journal commit for each of them.
 */
#define SYNC_EACH_MAX 16

static int sync_files(struct image_dir *dir, struct image_error *err)
{
	int r;

	if (dir->manifest.n > SYNC_EACH_MAX)
		return syncfs(dir->fd) < 0
			       ? image_fail(err, "", -errno, "cannot be brought to disk")
			       : 0;

	vec_for_each(f, &dir->manifest) {
		const char *name = (*f)->name;

		/* At this point the inventory still has its other name. */
		if (!strcmp(name, "inventory.img"))
			name = "inventory.img" TMP;
		r = sync_name(dir, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Moves a whole file to its name. */
static int put_in_place(struct image_dir *dir, enum image_type type, enum image_sync sync,
			struct image_error *err)
{
	const char *name = image_form(type)->file;
	char tmp[IMAGE_NAME_MAX + sizeof(TMP)];

	(void)snprintf(tmp, sizeof(tmp), "%s" TMP, name); /* fits: names do */
	if (renameat(dir->fd, tmp, dir->fd, name) < 0)
		return image_fail(err, name, -errno, "cannot be put in place");
	return sync == IMAGE_SYNC_DISK ? sync_dir(dir, err) : 0;
}

static int write_manifest(struct image_dir *dir, enum image_type type, const char *run_id,
			  enum image_sync sync, struct image_error *err)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	char tmp[IMAGE_NAME_MAX + sizeof(TMP)];
	int r;

	(void)snprintf(tmp, sizeof(tmp), "%s" TMP, image_form(type)->file); /* fits: names do */
	r = image_writer_create_as(dir, type, tmp, false, err, &out);
	if (r < 0)
		return r;
	r = manifest_save(&dir->manifest, out, run_id);
	if (r < 0)
		return r;
	r = image_writer_finish(out);
	if (r < 0)
		return r;
	return sync == IMAGE_SYNC_DISK ? sync_name(dir, tmp, err) : 0;
}

static int write_inventory(struct image_dir *dir, const InventoryEntry *inventory,
			   struct image_error *err)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	int r;

	r = image_writer_create_as(dir, IMAGE_INVENTORY, "inventory.img" TMP, true, err, &out);
	if (r < 0)
		return r;
	r = image_write(out, &inventory->base);
	return r < 0 ? r : image_writer_finish(out);
}

int image_dir_complete(struct image_dir *dir, const InventoryEntry *inventory, enum image_sync sync,
		       struct image_error *err)
{
	int r;

	r = write_inventory(dir, inventory, err);
	if (r < 0)
		return r;
	r = write_manifest(dir, IMAGE_MANIFEST, inventory->dump_criu_run_id, sync, err);
	if (r < 0)
		return r;
	r = sync == IMAGE_SYNC_DISK ? sync_files(dir, err) : 0;
	if (r < 0)
		return r;
	r = put_in_place(dir, IMAGE_MANIFEST, sync, err);
	if (r < 0)
		return r;
	return put_in_place(dir, IMAGE_INVENTORY, sync, err);
}

int image_dir_complete_pages(struct image_dir *dir, enum image_sync sync, struct image_error *err)
{
	int r;

	r = write_manifest(dir, IMAGE_MANIFEST_PAGES, NULL, sync, err);
	if (r < 0)
		return r;
	r = sync == IMAGE_SYNC_DISK ? sync_files(dir, err) : 0;
	if (r < 0)
		return r;
	return put_in_place(dir, IMAGE_MANIFEST_PAGES, sync, err);
}

/* Takes the sums of one image anew. */
static int reseal_file(struct image_dir *dir, const char *name, struct image_error *err)
{
	scoped(fd_close) int fd = image_dir_open_file(dir, name, IMAGE_OPEN, err);
	struct sums sums = { 0 };
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return image_fail(err, name, -errno, "cannot be examined");
	r = sums_read(fd, st.st_size, &sums);
	if (r < 0) {
		vec_done(&sums);
		return image_fail(err, name, r, "cannot be read");
	}
	r = image_dir_add_sums_take(dir, name, st.st_size, sums);
	return r < 0 ? image_fail(err, name, r, "out of memory") : 0;
}

int image_dir_reseal(struct image_dir *dir, enum image_sync sync, struct image_error *err)
{
	scoped(listing_done) struct listing list = { 0 };
	scoped(mem_free) char *run_id = NULL;
	int r;

	assert(dir->mode == IMAGE_DIR_PAGES);
	r = inventory_run_id(dir, err, &run_id);
	if (r < 0)
		return r;
	r = listing_read(dir, &list);
	if (r < 0)
		return image_fail(err, "", r, "cannot be listed");

	vec_for_each(l, &list) {
		if (l->type == IMAGE_MANIFEST || l->type == IMAGE_MANIFEST_PAGES ||
		    image_form(l->type)->lead == IMAGE_LEAD_SERVICE)
			continue;
		r = reseal_file(dir, l->name, err);
		if (r < 0)
			return r;
	}

	/* The page server's manifest is part of the new one: its own would be wrong now. */
	r = write_manifest(dir, IMAGE_MANIFEST, run_id, sync, err);
	if (r == 0)
		r = unlink_name(dir, image_form(IMAGE_MANIFEST_PAGES)->file, err);
	return r < 0 ? r : put_in_place(dir, IMAGE_MANIFEST, sync, err);
}
