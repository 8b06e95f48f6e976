/* The table of image files: names to types and back. */
#include "image-test.h"

static void names_and_types_match(void **state)
{
	(void)state;
	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		static const uint64_t ids[] = { 0, 1, 812, 0xdeadbeef, UINT64_MAX };

		for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
			char name[IMAGE_NAME_MAX];
			enum image_type type;
			uint64_t id;

			image_name(t, ids[i], name);
			assert_int_equal(image_name_parse(name, &type, &id), 0);
			assert_int_equal(type, t);
			assert_true(id == ids[i] ||
				    (id == IMAGE_ONE && !strchr(image_form(t)->file, '%')));
		}
	}
}

static void other_names_are_not_images(void **state)
{
	static const char *const names[] = { "",
					     "core-.img",
					     "core-01.img",
					     "core--1.img",
					     "core-1.imgx",
					     "core-1",
					     "core-0x1.img",
					     "parent",
					     "descriptors.json",
					     "inventory.img.tmp",
					     "core- 1.img",
					     "core-18446744073709551616.img",
					     "ghost-file-DEAD.img" };
	enum image_type type;
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(image_name_parse(names[i], &type, &id), -ENOENT);
}

static void shared_magic_has_one_name(void **state)
{
	enum image_type type;

	(void)state;
	assert_int_equal(image_type_by_magic(image_form(IMAGE_SHMEM_PAGEMAP)->magic, &type), 0);
	assert_int_equal(type, IMAGE_PAGEMAP);
	assert_int_equal(image_type_by_magic(image_form(IMAGE_BINFMT_MISC_OLD)->magic, &type), 0);
	assert_int_equal(type, IMAGE_BINFMT_MISC);
	assert_int_equal(image_type_by_magic(0, &type), -ENOENT);
	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		if (!image_form(t)->entry)
			continue;
		assert_int_equal(image_type_by_magic(image_form(t)->magic, &type), 0);
		assert_ptr_equal(image_form(type)->entry, image_form(t)->entry);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_types_match),
		cmocka_unit_test(other_names_are_not_images),
		cmocka_unit_test(shared_magic_has_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, tmp_remove);
}
