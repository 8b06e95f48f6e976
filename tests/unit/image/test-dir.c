/* Directories: nothing outside is reached, a dump is complete or it is not, changes are noticed. */
#include "image-test.h"

#include <sys/stat.h>

#include "image/raw.h"
#include "samples/image.h"
#include "schema/inventory.pb-c.h"

static struct image_dir *open_dir(const char *path, enum image_dir_mode mode)
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;

	assert_int_equal(image_dir_open(path, mode, &err, &dir), 0);
	return dir;
}

static void complete(struct image_dir *dir, const char *run_id, enum image_sync sync)
{
	struct image_error err = { 0 };
	InventoryEntry e = INVENTORY_ENTRY__INIT;

	e.img_version = 2;
	e.dump_criu_run_id = (char *)run_id;
	assert_int_equal(image_dir_complete(dir, &e, sync, &err), 0);
}

/* A complete dump of one image of each type. */
static void small_dump(const char *path, const char *run_id)
{
	struct image_dir *dir = open_dir(path, IMAGE_DIR_DUMP);
	struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = 99 };

	for (enum image_type t = IMAGE_INVENTORY + 1; t < IMAGE_MANIFEST; t++)
		sample_image(&s, dir, t, 7, 3);
	complete(dir, run_id, IMAGE_SYNC_NONE);
	image_dir_free(dir);
	arena_done(&a);
}

static int read_image(struct image_dir *dir, enum image_type t, uint64_t id,
		      struct image_error *err)
{
	struct image_reader *in = NULL;
	int r = image_reader_open(dir, t, id, err, &in);

	image_reader_free(in);
	return r;
}

static void at(const char *path, const char *name, char ret[64])
{
	snprintf(ret, 64, "%s/%s", path, name);
}

static void links_lead_nowhere(void **state)
{
	struct image_error err = { 0 };
	struct image_dir *dir;
	char path[40], file[64];

	(void)state;
	tmp_dir(path);
	at(path, "core-1.img", file);
	assert_int_equal(symlink("/etc/passwd", file), 0);
	at(path, "core-2.img", file);
	assert_int_equal(symlink("core-3.img", file), 0);
	at(path, "core-4.img", file);
	assert_int_equal(mkfifo(file, 0600), 0);
	at(path, "core-5.img", file);
	assert_int_equal(mkdir(file, 0700), 0);

	dir = open_dir(path, IMAGE_DIR_DUMP);
	for (enum image_access access = IMAGE_OPEN; access <= IMAGE_CREATE; access++) {
		assert_int_equal(image_dir_open_file(dir, "core-1.img", access, &err), -ELOOP);
		assert_string_equal(sentence(&err), "core-1.img: is a symbolic link");
		assert_int_equal(image_dir_open_file(dir, "core-2.img", access, &err), -ELOOP);
		assert_int_equal(image_dir_open_file(dir, "core-4.img", access, &err), -EINVAL);
		assert_string_equal(sentence(&err), "core-4.img: is not a regular file");
		assert_true(image_dir_open_file(dir, "core-5.img", access, &err) < 0);
		assert_int_equal(image_dir_open_file(dir, "../x", access, &err), -EINVAL);
		assert_int_equal(image_dir_open_file(dir, "..", access, &err), -EINVAL);
		assert_int_equal(image_dir_open_file(dir, "/etc/passwd", access, &err), -EINVAL);
		assert_int_equal(image_dir_open_file(dir, "", access, &err), -EINVAL);
	}
	assert_int_equal(read_image(dir, IMAGE_CORE, 6, &err), -ENOENT);
	assert_string_equal(sentence(&err), "core-6.img: does not exist");
	image_dir_free(dir);
}

static void files_are_private(void **state)
{
	struct stat st;
	char path[40], file[64];

	(void)state;
	tmp_dir(path);
	small_dump(path, "id");
	at(path, "core-7.img", file);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_dump_is_complete_at_its_end(void **state)
{
	struct image_error err = { 0 };
	enum manifest_state st;
	struct image_dir *dir, *again;
	struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = 5 };
	char path[40], file[64];

	(void)state;
	tmp_dir(path);
	small_dump(path, "one");

	/* A second dump that makes no file leaves the first one whole. */
	dir = open_dir(path, IMAGE_DIR_DUMP);
	again = open_dir(path, IMAGE_DIR_READ);
	assert_int_equal(image_dir_use_manifest(again, &err, &st), 0);
	assert_int_equal(st, MANIFEST_IN_FORCE);

	/* With its first file the first one is no dump any more. */
	sample_image(&s, dir, IMAGE_CORE, 7, 1);
	assert_int_equal(image_dir_use_manifest(again, &err, &st), -ENOENT);
	assert_string_equal(sentence(&err), "inventory.img: does not exist");
	complete(dir, "two", IMAGE_SYNC_DISK);
	assert_int_equal(image_dir_use_manifest(again, &err, &st), 0);
	assert_int_equal(st, MANIFEST_IN_FORCE);
	assert_int_equal(read_image(again, IMAGE_CORE, 7, &err), 0);
	at(path, "inventory.img.tmp", file);
	assert_int_equal(access(file, F_OK), -1);

	/* What only the first dump had is none of the second's. */
	assert_int_equal(read_image(again, IMAGE_MM, 7, &err), -ENOENT);
	assert_string_equal(sentence(&err), "mm-7.img: is not in the manifest of this dump");
	image_dir_free(dir);
	image_dir_free(again);
	arena_done(&a);
}

static void patch(const char *path, const char *name, off_t offset, int flip)
{
	char file[64];
	uint8_t byte;
	int fd;

	at(path, name, file);
	fd = open(file, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= flip;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void changes_are_noticed(void **state)
{
	struct image_error err = { 0 };
	enum manifest_state st;
	struct image_raw *raw = NULL;
	struct image_dir *dir;
	char path[40], file[64];

	(void)state;
	tmp_dir(path);
	small_dump(path, "id");
	dir = open_dir(path, IMAGE_DIR_READ);
	assert_int_equal(image_dir_use_manifest(dir, &err, &st), 0);

	for (enum image_type t = 0; t < IMAGE_MANIFEST; t++) {
		char name[IMAGE_NAME_MAX];

		image_name(t, 7, name);
		if (!image_form(t)->entry)
			continue;
		assert_int_equal(read_image(dir, t, 7, &err), 0);
		patch(path, name, 9, 4);
		assert_int_equal(read_image(dir, t, 7, &err), -EUCLEAN);
		assert_string_equal(err.what, "contents changed since they were written");
		assert_string_equal(err.file, name);
		patch(path, name, 9, 4);
	}

	patch(path, "pages-7.img", 300, 1);
	assert_int_equal(image_raw_open(dir, IMAGE_PAGES, 7, &err, &raw), 0);
	assert_int_equal(image_raw_check(raw), -EUCLEAN);
	image_raw_free(raw);

	at(path, "core-7.img", file);
	assert_int_equal(truncate(file, 10), 0);
	assert_int_equal(read_image(dir, IMAGE_CORE, 7, &err), -EUCLEAN);
	assert_non_null(strstr(err.what, "has 10 bytes, and "));
	image_dir_free(dir);
}

static void other_peoples_manifests_are_not_in_force(void **state)
{
	struct image_error err = { 0 };
	enum manifest_state st;
	struct image_dir *dir, *pages;
	struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = 5 };
	char path[40], from[64], to[64];

	(void)state;
	tmp_dir(path);
	small_dump(path, "mine");
	at(path, "stasis-manifest.img", from);
	at(path, "keep", to);
	assert_int_equal(rename(from, to), 0);
	dir = open_dir(path, IMAGE_DIR_READ);
	assert_int_equal(image_dir_use_manifest(dir, &err, &st), 0);
	assert_int_equal(st, MANIFEST_ABSENT);

	small_dump(path, "yours");
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(image_dir_use_manifest(dir, &err, &st), 0);
	assert_int_equal(st, MANIFEST_STALE);
	assert_int_equal(read_image(dir, IMAGE_CORE, 7, &err), 0);

	/* A page server's files belong to the dump beside it. */
	small_dump(path, "mine");
	pages = open_dir(path, IMAGE_DIR_PAGES);
	sample_image(&s, pages, IMAGE_PAGES, 12, 1);
	assert_int_equal(image_dir_complete_pages(pages, IMAGE_SYNC_DISK, &err), 0);
	assert_int_equal(image_dir_use_manifest(dir, &err, &st), 0);
	assert_int_equal(st, MANIFEST_IN_FORCE);
	assert_non_null(manifest_find(image_dir_manifest(dir), "pages-12.img"));
	assert_non_null(manifest_find(image_dir_manifest(dir), "pages-7.img"));

	patch(path, "stasis-manifest.img", 12, 0xff);
	assert_int_equal(image_dir_use_manifest(dir, &err, &st), -EUCLEAN);
	image_dir_free(dir);
	image_dir_free(pages);
	arena_done(&a);
}

static void parents_are_followed(void **state)
{
	struct image_error err = { 0 };
	struct image_dir *dir, *parent = NULL, *loop;
	char path[40], sub[64];
	unsigned n = 0;

	(void)state;
	tmp_dir(path);
	at(path, "child", sub);
	assert_int_equal(mkdir(sub, 0700), 0);
	dir = open_dir(sub, IMAGE_DIR_DUMP);
	assert_int_equal(image_dir_open_parent(dir, &err, &parent), 0);
	assert_null(parent);

	assert_int_equal(image_dir_set_parent(dir, "nowhere", &err), 0);
	assert_int_equal(image_dir_open_parent(dir, &err, &parent), -ENOENT);
	assert_string_equal(sentence(&err), "parent: does not lead to a directory");
	assert_int_equal(image_dir_set_parent(dir, "..", &err), 0);
	assert_int_equal(image_dir_open_parent(dir, &err, &parent), 0);
	assert_non_null(parent);
	image_dir_free(parent);

	assert_int_equal(image_dir_set_parent(dir, ".", &err), 0);
	for (loop = dir;; loop = parent) {
		int r = image_dir_open_parent(loop, &err, &parent);

		if (loop != dir)
			image_dir_free(loop);
		if (r < 0) {
			assert_int_equal(r, -ELOOP);
			break;
		}
		n++;
	}
	assert_int_equal(n, 999);

	assert_int_equal(image_dir_set_parent(dir, NULL, &err), 0);
	assert_int_equal(image_dir_open_parent(dir, &err, &parent), 0);
	assert_null(parent);
	image_dir_free(dir);
}

static void what_is_no_directory_is_refused(void **state)
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;

	(void)state;
	assert_int_equal(image_dir_open("/nonexistent", IMAGE_DIR_READ, &err, &dir), -ENOENT);
	assert_string_equal(sentence(&err), "image directory: /nonexistent cannot be opened");
	assert_int_equal(image_dir_take_fd(bytes_fd("", 0), IMAGE_DIR_READ, &err, &dir), -ENOTDIR);
	assert_int_equal(image_dir_take_fd(-1, IMAGE_DIR_READ, &err, &dir), -EBADF);
	assert_null(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_lead_nowhere),
		cmocka_unit_test(files_are_private),
		cmocka_unit_test(a_dump_is_complete_at_its_end),
		cmocka_unit_test(changes_are_noticed),
		cmocka_unit_test(other_peoples_manifests_are_not_in_force),
		cmocka_unit_test(parents_are_followed),
		cmocka_unit_test(what_is_no_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
