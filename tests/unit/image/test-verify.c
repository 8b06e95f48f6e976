/* Verifying a directory: what is whole passes, and what is damaged is named with its place. */
#include "image-test.h"

#include "image/verify.h"
#include "samples/image.h"
#include "schema/inventory.pb-c.h"

static struct str found;

static void on_finding(void *ctx, bool is_damage, const struct image_error *what)
{
	(void)ctx;
	str_addf(&found, "%s", is_damage ? "bad: " : "note: ");
	assert_int_equal(image_error_text(what, &found), 0);
	str_addf(&found, "\n");
}

static void verify(const char *path, unsigned damaged, const char *findings)
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;
	struct image_verified done;

	str_done(&found);
	assert_int_equal(image_dir_open(path, IMAGE_DIR_READ, &err, &dir), 0);
	assert_int_equal(image_verify(dir, on_finding, NULL, &err, &done), 0);
	assert_string_equal(str_get(&found), findings);
	assert_int_equal(done.damaged, damaged);
	image_dir_free(dir);
	str_done(&found);
}

static void dump(char path[40])
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;
	struct arena a = { 0 };
	struct sample s = { .arena = &a, .state = 321 };
	InventoryEntry e = INVENTORY_ENTRY__INIT;

	tmp_dir(path);
	assert_int_equal(image_dir_open(path, IMAGE_DIR_DUMP, &err, &dir), 0);
	for (enum image_type t = IMAGE_INVENTORY + 1; t < IMAGE_MANIFEST; t++)
		sample_image(&s, dir, t, 3, 2);
	assert_int_equal(image_dir_complete(dir, &e, IMAGE_SYNC_NONE, &err), 0);
	image_dir_free(dir);
	arena_done(&a);
}

static void write_at(const char *path, const char *name, off_t offset, const void *bytes, size_t n)
{
	char file[80];

	snprintf(file, sizeof(file), "%s/%s", path, name);
	scoped(fd_close) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, offset), n);
}

static void cut(const char *path, const char *name, off_t size)
{
	char file[80];

	snprintf(file, sizeof(file), "%s/%s", path, name);
	assert_int_equal(size < 0 ? unlink(file) : truncate(file, size), 0);
}

static void whole_dumps_pass(void **state)
{
	char path[40];

	dump(path);
	verify(path, 0, "");
	/* files that clients put there */
	write_at(path, "descriptors.json", 0, "[]", 2);
	verify(path, 0, "");
	/* statistics that a later restore wrote */
	write_at(path, "stats-restore", 0, "\x40\x59\x10\x55\x06\x33\x09\x57", 8);
	verify(path, 0, "");
}

static void changes_can_be_made_official(void **state)
{
	struct image_error err = { 0 };
	struct image_dir *dir = NULL;
	char path[40];

	dump(path);
	write_at(path, "pages-3.img", 700, "!", 1);
	cut(path, "ids-3.img", -1);
	verify(path, 2,
	       "bad: pages-3.img at offset 0: contents changed since they were written\n"
	       "bad: ids-3.img: is missing\n");
	assert_int_equal(image_dir_open(path, IMAGE_DIR_PAGES, &err, &dir), 0);
	assert_int_equal(image_dir_reseal(dir, IMAGE_SYNC_NONE, &err), 0);
	verify(path, 0, "");
	cut(path, "inventory.img", -1);
	assert_int_equal(image_dir_reseal(dir, IMAGE_SYNC_NONE, &err), -ENOENT);
	image_dir_free(dir);
}

static void damage_has_a_place(void **state)
{
	char path[40];

	dump(path);
	write_at(path, "pstree.img", 8, "\xff\xff\xff\x7f", 4);
	cut(path, "pstree.img", 20);
	write_at(path, "pages-3.img", 700, "!", 1);
	cut(path, "mm-3.img", 10);
	cut(path, "ids-3.img", -1);
	write_at(path, "core-77.img", 0, "x", 1);
	verify(path, 4,
	       "note: core-77.img: is not of this dump\n"
	       "bad: mm-3.img at offset 8: file ends in the middle of the size of a record\n"
	       "bad: pages-3.img at offset 0: contents changed since they were written\n"
	       "bad: pstree.img at offset 8: record of 2147483647 bytes where 8 are left\n"
	       "bad: ids-3.img: is missing\n");
}

/* Without sums structure is all there is to go by. */
static void other_peoples_dumps_are_checked_too(void **state)
{
	char path[40];

	dump(path);
	cut(path, "stasis-manifest.img", -1);
	verify(path, 0, "note: image directory: has no manifest, so no sums are compared\n");
	write_at(path, "fs-3.img", 8, "\x08", 1);
	cut(path, "fs-3.img", 13);
	verify(path, 1,
	       "note: image directory: has no manifest, so no sums are compared\n"
	       "bad: fs-3.img at offset 8: record of 8 bytes where 1 are left\n");
}

static void incomplete_dumps_are_damaged(void **state)
{
	char path[40];

	dump(path);
	cut(path, "inventory.img", -1);
	verify(path, 1, "bad: inventory.img: does not exist\n");
}

static void a_damaged_manifest_is_told(void **state)
{
	char path[40];

	dump(path);
	write_at(path, "stasis-manifest.img", 12, "\xff\x7f", 2);
	verify(path, 1,
	       "note: stasis-manifest.img: cannot be used, so no sums are compared\n"
	       "bad: stasis-manifest.img at offset 12: field 2047 has wire type 7, which does not "
	       "exist\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_dumps_pass),
		cmocka_unit_test(changes_can_be_made_official),
		cmocka_unit_test(damage_has_a_place),
		cmocka_unit_test(other_peoples_dumps_are_checked_too),
		cmocka_unit_test(incomplete_dumps_are_damaged),
		cmocka_unit_test(a_damaged_manifest_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
