/* Files that lost their name: ghosts and temporary links. */
#include "reg_trip.h"

#include "image/writer.h"
#include "object/file/ghost.h"
#include "schema/ghost-file.pb-c.h"

static void deleted_file_comes_back(void **state)
{
	const struct timespec times[2] = { { 1000000000, 5000 }, { 1100000000, 7000 } };
	struct fixture *x = *state;
	int fd = make_file("a", "content", O_RDWR), second, fresh;
	uint32_t id, id2;

	second = open("a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fchmod(fd, 04711), 0);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	assert_int_equal(unlink("a"), 0);
	id = dump(x, fd);
	id2 = dump(x, second);
	go(x);
	fresh = made(x, id);
	assert_false(is_same_file(fresh, fd));
	assert_true(is_same_file(fresh, made(x, id2)));
	assert_content(fresh, "content");
	assert_int_equal(lseek(fresh, 0, SEEK_CUR), 2);
	assert_stat_equal(fresh, fd);
	assert_link(fresh, fd);
	assert_int_equal(count_names(), 0);
	assert_true(undo_is_empty(&x->undo));
	close(fd);
	close(second);
}

static void holes_stay_holes(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "head", O_RDWR), fresh;
	struct stat a, b;
	char byte = 0;
	uint32_t id;

	assert_int_equal(pwrite(fd, "middle", 6, 20 << 20), 6);
	assert_int_equal(ftruncate(fd, 40 << 20), 0);
	assert_int_equal(unlink("a"), 0);
	id = dump(x, fd);
	go(x);
	fresh = made(x, id);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(fresh, &b), 0);
	assert_int_equal(a.st_size, b.st_size);
	assert_true(b.st_blocks <= a.st_blocks + 16);
	assert_content(fresh, "head");
	assert_int_equal(pread(fresh, &byte, 1, (20 << 20) + 5), 1);
	assert_int_equal(byte, 'e');
	close(fd);
}

static void names_of_one_deleted_file_stay_one_file(void **state)
{
	struct fixture *x = *state;
	int a = make_file("a", "content", O_RDWR), b;
	uint32_t id_a, id_b;

	assert_int_equal(link("a", "b"), 0);
	b = open("b", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unlink("a"), 0);
	assert_int_equal(unlink("b"), 0);
	id_a = dump(x, a);
	id_b = dump(x, b);
	go(x);
	assert_true(is_same_file(made(x, id_a), made(x, id_b)));
	assert_link(made(x, id_a), a);
	assert_link(made(x, id_b), b);
	assert_stat_equal(made(x, id_b), b);
	assert_int_equal(count_names(), 0);
	close(a);
	close(b);
}

static void taken_name_stays_with_its_owner(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "old", O_RDWR), now;
	uint32_t id;

	now = make_file("b", "new", O_RDWR);
	assert_int_equal(rename("b", "a"), 0);
	id = dump(x, fd);
	go(x);
	assert_content(made(x, id), "old");
	assert_content(now, "new");
	assert_int_equal(count_names(), 1);
	close(fd);
	close(now);
}

static void deleted_directories_come_back(void **state)
{
	struct fixture *x = *state;
	int dir, file, below, place;
	uint32_t ids[4];

	assert_int_equal(mkdir("d", 0751), 0);
	assert_int_equal(mkdir("d/e", 0700), 0);
	dir = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place = open("d", O_PATH | O_CLOEXEC);
	file = make_file("d/f", "f", O_RDWR);
	below = make_file("d/e/g", "g", O_RDWR);
	assert_int_equal(unlink("d/f") | unlink("d/e/g") | rmdir("d/e") | rmdir("d"), 0);
	ids[0] = dump(x, dir);
	ids[1] = dump(x, file);
	ids[2] = dump(x, place);
	ids[3] = dump(x, below);
	go(x);
	assert_true(is_same_file(made(x, ids[0]), made(x, ids[2])));
	assert_content(made(x, ids[1]), "f");
	assert_content(made(x, ids[3]), "g");
	assert_link(made(x, ids[0]), dir);
	assert_link(made(x, ids[3]), below);
	assert_int_equal(openat(made(x, ids[0]), "new", O_CREAT | O_WRONLY, 0600), -1);
	assert_int_equal(count_names(), 0);
	close(dir);
	close(file);
	close(below);
	close(place);
}

static void deleted_links_and_fifos_come_back(void **state)
{
	struct fixture *x = *state;
	char target[32] = "";
	int link, fifo;
	uint32_t id_link, id_fifo;
	struct stat st;

	assert_int_equal(symlink("to/nowhere", "l"), 0);
	assert_int_equal(mkfifo("f", 0620), 0);
	link = open("l", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	fifo = open("f", O_PATH | O_CLOEXEC);
	assert_int_equal(unlink("l") | unlink("f"), 0);
	id_link = dump(x, link);
	id_fifo = dump(x, fifo);
	go(x);
	assert_int_equal(readlinkat(made(x, id_link), "", target, sizeof(target)), 10);
	assert_string_equal(target, "to/nowhere");
	assert_int_equal(fstat(made(x, id_fifo), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_stat_equal(made(x, id_fifo), fifo);
	close(link);
	close(fifo);
}

static void unnamed_file_comes_back(void **state)
{
	struct fixture *x = *state;
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char path[32];
	uint32_t id;

	if (fd < 0)
		skip(); /* not on this file system */
	assert_int_equal(write(fd, "tmp", 3), 3);
	id = dump(x, fd);
	go(x);
	assert_content(made(x, id), "tmp");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", made(x, id));
	assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0);
	close(fd);
}

static void ghosts_have_a_limit(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "", O_RDWR);
	char block[8192] = "x";
	struct file *f;

	assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(unlink("a"), 0);
	x->policy.ghost_limit = 4096;
	assert_true(collect(x, fd, &f) < 0);
	assert_true(has_code(x, CODE_GHOST_LIMIT));
	close(fd);
}

static void failed_restore_leaves_no_names(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "content", O_RDWR), other = make_file("b", "x", O_RDWR);

	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(rename("a", "d/a"), 0);
	assert_int_equal(unlink("d/a") | rmdir("d"), 0);
	(void)dump(x, fd);
	(void)dump(x, other);
	write_images(x);
	assert_int_equal(load(x), 0);
	assert_int_equal(file_kinds[FILE_KIND_reg]->plan(&x->model, &x->report), 0);
	/* As if another user was still to come. */
	remaps_of(&x->model)->pending++;
	vec_for_each(f, &x->model.files)
		assert_int_equal((*f)->kind->create(&x->env, *f, &(*f)->made_fd), 0);
	assert_int_equal(access("d/a", F_OK), 0);
	undo_run(&x->undo);
	assert_int_equal(count_names(), 1);
	close(fd);
	close(other);
}

/* ---- temporary links ---- */

static void other_names_need_a_link(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "content", O_RDWR);
	struct file *f;

	assert_int_equal(link("a", "b"), 0);
	assert_int_equal(unlink("a"), 0);
	assert_true(collect(x, fd, &f) < 0);
	assert_true(has_code(x, CODE_LINK_REMAP));
	assert_int_equal(count_names(), 1);
	close(fd);
}

static void temporary_link_comes_and_goes(void **state)
{
	struct fixture *x = *state;
	int fd, second;
	uint32_t id, id2;

	x->policy.link_remap = true;
	assert_int_equal(mkdir("d", 0700), 0);
	fd = make_file("d/a", "content", O_RDWR);
	second = open("d/a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(link("d/a", "b"), 0);
	assert_int_equal(unlink("d/a") | rmdir("d"), 0);
	id = dump(x, fd);
	id2 = dump(x, second);
	assert_int_equal(count_names(), 1); /* nothing is changed before the write */
	write_images(x);
	assert_int_equal(count_names(), 2);
	assert_int_equal(load(x), 0);
	assert_int_equal(check(x), 0);
	assert_int_equal(create(x), 0);
	assert_true(is_same_file(made(x, id), fd));
	assert_true(is_same_file(made(x, id2), fd));
	assert_link(made(x, id), fd);
	assert_int_equal(count_names(), 2);
	assert_int_equal(file_kinds[FILE_KIND_reg]->finish(&x->env), 0);
	assert_int_equal(count_names(), 1);
	assert_int_equal(x->report.n_failures + x->report.n_warnings, 0);
	close(fd);
	close(second);
}

static void failed_dump_takes_its_link_away(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "content", O_RDWR);

	x->policy.link_remap = true;
	close(make_file("link_remap.2", "not ours", O_RDWR));
	assert_int_equal(link("a", "b"), 0);
	assert_int_equal(unlink("a"), 0);
	(void)dump(x, fd);
	write_images(x);
	assert_int_equal(count_names(), 3);
	undo_run(&x->dump_undo);
	assert_int_equal(count_names(), 2);
	close(fd);
}

/* ---- images that cannot be ---- */

static void remaps_of_unknown_files_are_refused(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "content", O_RDWR);

	assert_int_equal(unlink("a"), 0);
	(void)dump(x, fd);
	write_images(x);
	x->n_entries = 0;
	assert_int_equal(load(x), 0);
	assert_int_equal(create(x), -EUCLEAN);
	assert_true(has_code(x, CODE_IMAGE_DAMAGED));
	close(fd);
}

/* A ghost image of one's own making: attributes, then one piece. */
static void forge_ghost(struct fixture *x, GhostFileEntry *head, const GhostChunkEntry *piece)
{
	struct image_writer *w = NULL;

	assert_int_equal(image_writer_create(x->in.dir, IMAGE_GHOST_FILE, 1, NULL, &w), 0);
	assert_int_equal(image_write(w, &head->base), 0);
	if (piece) {
		assert_int_equal(image_write(w, &piece->base), 0);
		assert_int_equal(image_write_raw(w, "12345678", 8), 0);
	}
	assert_int_equal(image_writer_finish(w), 0);
	image_writer_free(w);
}

static void impossible_ghosts_are_refused(void **state)
{
	static const struct {
		uint32_t mode;
		bool chunks, has_size;
		uint64_t size;
	} cases[] = {
		{ 0100600 | 1 << 20, false, false, 0 }, /* bits that no mode has */
		{ 0000600, false, false, 0 },           /* no type */
		{ S_IFLNK | 0777, false, false, 0 },    /* no target */
		{ S_IFCHR | 0600, false, false, 0 },    /* no device */
		{ S_IFREG | 0600, true, false, 0 },     /* pieces of what size? */
		{ S_IFREG | 0600, true, true, UINT64_MAX },
	};
	struct fixture *x = *state;
	int fd = make_file("a", "content", O_RDWR);
	struct ghost *g;

	assert_int_equal(unlink("a"), 0);
	(void)dump(x, fd);
	write_images(x);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		GhostFileEntry head = GHOST_FILE_ENTRY__INIT;

		head.mode = cases[i].mode;
		head.has_chunks = head.chunks = cases[i].chunks;
		head.has_size = cases[i].has_size;
		head.size = cases[i].size;
		forge_ghost(x, &head, NULL);
		assert_int_equal(ghost_load(&x->in, 1, &g), -EUCLEAN);
		assert_int_equal(x->report.n_failures, 1);
		assert_true(has_code(x, CODE_IMAGE_DAMAGED));
		report_clear(&x->report);
	}
	assert_int_equal(unlink("img/ghost-file-1.img"), 0);
	assert_true(load(x) < 0);
	assert_true(has_code(x, CODE_IMAGE_MISSING));
	close(fd);
}

static void pieces_outside_of_a_ghost_are_refused(void **state)
{
	static const struct {
		uint64_t off, len;
	} cases[] = { { 100, 8 }, { 96, 8 }, { UINT64_MAX, 8 }, { 8, UINT64_MAX - 4 }, { 0, 9 } };
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		GhostFileEntry head = GHOST_FILE_ENTRY__INIT;
		GhostChunkEntry piece = GHOST_CHUNK_ENTRY__INIT;
		struct ghost *g;

		if (fd < 0)
			skip();
		head.mode = S_IFREG | 0600;
		head.has_chunks = head.chunks = head.has_size = true;
		head.size = 100;
		piece.off = cases[i].off;
		piece.len = cases[i].len;
		forge_ghost(x, &head, &piece);
		assert_int_equal(ghost_load(&x->in, 1, &g), 0);
		assert_int_equal(ghost_fill(g, &x->in, fd), -EUCLEAN);
		assert_true(has_code(x, CODE_IMAGE_DAMAGED));
		report_clear(&x->report);
		ghost_free(g);
		close(fd);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(deleted_file_comes_back),
		TEST(holes_stay_holes),
		TEST(names_of_one_deleted_file_stay_one_file),
		TEST(taken_name_stays_with_its_owner),
		TEST(deleted_directories_come_back),
		TEST(deleted_links_and_fifos_come_back),
		TEST(unnamed_file_comes_back),
		TEST(ghosts_have_a_limit),
		TEST(failed_restore_leaves_no_names),
		TEST(other_names_need_a_link),
		TEST(temporary_link_comes_and_goes),
		TEST(failed_dump_takes_its_link_away),
		TEST(remaps_of_unknown_files_are_refused),
		TEST(impossible_ghosts_are_refused),
		TEST(pieces_outside_of_a_ghost_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
