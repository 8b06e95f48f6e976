/* Files with a path that are where they were, or not; files of tasks in procfs. */
#include "reg_trip.h"

#include "schema/regfile.pb-c.h"

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void position_and_flags_survive(void **state)
{
	struct fixture *x = *state;
	int a = make_file("a", "0123456789", O_RDWR | O_APPEND | O_NONBLOCK), b, id_a, id_b;

	b = open("a", O_RDONLY | O_CREAT | O_NOFOLLOW | O_SYNC, 0600);
	assert_int_equal(lseek(a, 3, SEEK_SET), 3);
	assert_int_equal(lseek(b, 7, SEEK_SET), 7);
	id_a = (int)dump(x, a);
	id_b = (int)dump(x, b);
	assert_int_not_equal(id_a, id_b);
	go(x);
	assert_true(is_same_file(made(x, (uint32_t)id_a), a));
	assert_int_equal(fcntl(made(x, (uint32_t)id_a), F_GETFL), fcntl(a, F_GETFL));
	assert_int_equal(fcntl(made(x, (uint32_t)id_b), F_GETFL), fcntl(b, F_GETFL));
	assert_int_equal(lseek(made(x, (uint32_t)id_a), 0, SEEK_CUR), 3);
	assert_int_equal(lseek(made(x, (uint32_t)id_b), 0, SEEK_CUR), 7);
	assert_content(made(x, (uint32_t)id_b), "0123456789");
	close(a);
	close(b);
}

static void directories_devices_and_places_survive(void **state)
{
	static const struct {
		const char *name;
		int flags;
	} cases[] = {
		{ ".", O_RDONLY | O_DIRECTORY },
		{ "/", O_RDONLY },
		{ "/dev/null", O_RDWR },
		{ "/dev/zero", O_RDONLY },
		{ "/dev/urandom", O_RDONLY | O_NONBLOCK },
		{ "file", O_PATH },
		{ "link", O_PATH | O_NOFOLLOW },
		{ "fifo", O_PATH },
		{ ".", O_PATH | O_DIRECTORY },
	};
	struct fixture *x = *state;
	int fds[ARRAY_SIZE(cases)];
	uint32_t ids[ARRAY_SIZE(cases)];

	close(make_file("file", "x", O_WRONLY));
	assert_int_equal(symlink("file", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fds[i] = open(cases[i].name, cases[i].flags | O_CLOEXEC);
		ids[i] = dump(x, fds[i]);
	}
	go(x);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(is_same_file(made(x, ids[i]), fds[i]));
		assert_int_equal(fcntl(made(x, ids[i]), F_GETFL), fcntl(fds[i], F_GETFL));
		assert_link(made(x, ids[i]), fds[i]);
		close(fds[i]);
	}
}

static void awkward_names_survive(void **state)
{
	static const char *const names[] = { "x (deleted)", "a\nb",     "back\\slash\\012",
					     "sp ace",      "\xff\xfe", "link_remap.1" };
	struct fixture *x = *state;
	int fds[ARRAY_SIZE(names)];
	uint32_t ids[ARRAY_SIZE(names)];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fds[i] = make_file(names[i], names[i], O_RDWR);
		ids[i] = dump(x, fds[i]);
	}
	go(x);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_true(is_same_file(made(x, ids[i]), fds[i]));
		assert_content(made(x, ids[i]), names[i]);
		close(fds[i]);
	}
}

static void all_changes_are_reported_together(void **state)
{
	struct fixture *x = *state;
	int missing = make_file("missing", "x", O_RDWR), shorter = make_file("short", "xx", O_RDWR);
	int mode = make_file("mode", "x", O_RDWR), type = make_file("type", "x", O_RDWR);
	int log = make_file("log", "x", O_WRONLY | O_APPEND);

	(void)dump(x, missing);
	(void)dump(x, shorter);
	(void)dump(x, mode);
	(void)dump(x, type);
	(void)dump(x, log);
	write_images(x);
	assert_int_equal(unlink("missing"), 0);
	assert_int_equal(truncate("short", 1), 0);
	assert_int_equal(chmod("mode", 0444), 0);
	assert_int_equal(unlink("type"), 0);
	assert_int_equal(symlink("short", "type"), 0);
	assert_int_equal(write(log, "more", 4), 4); /* is not compared */
	assert_int_equal(load(x), 0);
	assert_true(check(x) < 0);
	assert_int_equal(x->report.n_failures, 4);
	assert_true(has_code(x, CODE_FILE_MISSING));
	assert_true(has_code(x, CODE_FILE_CHANGED));
	close(missing);
	close(shorter);
	close(mode);
	close(type);
	close(log);
}

static void mode_may_change_when_asked(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "x", O_RDWR);
	uint32_t id = dump(x, fd);

	write_images(x);
	assert_int_equal(chmod("a", 0444), 0);
	x->policy.skip_file_rwx_check = true;
	assert_int_equal(load(x), 0);
	assert_int_equal(check(x), 0);
	assert_int_equal(create(x), 0);
	assert_true(is_same_file(made(x, id), fd));
	close(fd);
}

static void another_build_is_found(void **state)
{
	struct fixture *x = *state;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint32_t id = dump(x, fd);
	struct path_file *pf = path_file_of(model_file(&x->source, id));

	if (!pf->build_id.len) {
		close(fd);
		skip(); /* built without one */
	}
	write_images(x);
	assert_int_equal(load(x), 0);
	path_file_find(&x->model, id)->build_id.bytes[3] ^= 1;
	assert_true(check(x) < 0);
	assert_true(has_code(x, CODE_FILE_CHANGED));
	path_file_find(&x->model, id)->build_id.bytes[3] ^= 1;
	report_clear(&x->report);
	assert_int_equal(check(x), 0);
	close(fd);
}

static void devices_with_state_are_refused(void **state)
{
	struct fixture *x = *state;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	struct file *f;

	if (fd < 0)
		skip();
	assert_true(collect(x, fd, &f) < 0);
	assert_true(has_code(x, CODE_FILE_KIND));
	close(fd);
}

static void external_files_are_taken_from_the_user(void **state)
{
	struct fixture *x = *state;
	int fd = make_file("a", "dumped", O_RDWR), other = make_file("b", "given!", O_RDWR),
	    mnt = -1;
	struct external ext = { .fd = -1 }, given;
	char key[64], line[64];
	FILE *info;
	uint32_t id;

	(void)snprintf(key, sizeof(key), "/proc/self/fdinfo/%d", fd);
	info = fopen(key, "re");
	while (fgets(line, sizeof(line), info))
		(void)sscanf(line, "mnt_id: %d", &mnt);
	fclose(info);
	(void)snprintf(key, sizeof(key), "file[%x:%lx]", (unsigned)mnt,
		       (unsigned long)inode_of(fd));
	ext.key = key;
	x->policy.externals = &ext;
	x->policy.n_externals = 1;
	id = dump(x, fd);
	write_images(x);
	assert_string_equal(x->entries[0]->reg->name, key);
	assert_int_equal(load(x), 0);
	assert_true(check(x) < 0);
	assert_true(has_code(x, CODE_EXTERNAL));
	given = (struct external){ .key = key, .fd = other };
	x->policy.inherits = &given;
	x->policy.n_inherits = 1;
	assert_int_equal(check(x), 0);
	assert_int_equal(create(x), 0);
	assert_content(made(x, id), "given!");
	assert_int_equal(lseek(made(x, id), 0, SEEK_CUR), 6);
	close(fd);
	close(other);
}

/* ---- procfs ---- */

static void files_of_dead_tasks_come_back(void **state)
{
	struct fixture *x = *state;
	pid_t pid = fork();
	char path[64];
	int dir, status, r;
	uint32_t id_dir, id_status;

	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	id_dir = dump(x, dir);
	id_status = dump(x, status);
	write_images(x);
	assert_int_equal(remaps_of(&x->source)->entries.n, 1);
	assert_int_equal(load(x), 0);
	assert_int_equal(check(x), 0);
	r = create(x);
	if (r == -EPERM) {
		close(dir);
		close(status);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(file_kinds[FILE_KIND_reg]->finish(&x->env), 0);
	assert_link(made(x, id_dir), dir);
	assert_true(read(made(x, id_status), path, sizeof(path)) < 0);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(openat(made(x, id_dir), "status", O_RDONLY), -1);
	close(dir);
	close(status);
}

static void files_of_live_tasks_wait_for_them(void **state)
{
	struct fixture *x = *state;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	uint32_t id = dump(x, fd);
	struct task *t = model_add_task(&x->model, NULL, getpid());

	write_images(x);
	assert_int_equal(load(x), 0);
	assert_int_equal(check(x), 0);
	assert_int_equal(file_kinds[FILE_KIND_reg]->plan(&x->model, &x->report), 0);
	assert_ptr_equal(model_file(&x->model, id)->maker, t);
	close(fd);
}

/* ---- images that cannot be ---- */

static void damaged_records_are_refused(void **state)
{
	struct fixture *x = *state;
	RegFileEntry reg = REG_FILE_ENTRY__INIT;
	FownEntry fown = FOWN_ENTRY__INIT;
	uint32_t words[BUILD_ID_MAX / 4 + 1] = { 0 };
	struct path_file pf = { .file = { .id = 1 } };
	char name[] = "", old[] = "tmp/x";

	reg.fown = &fown;
	reg.name = name;
	assert_int_equal(path_file_decode(&pf, &reg), -EUCLEAN);
	reg.name = old;
	reg.build_id = words;
	reg.n_build_id = ARRAY_SIZE(words);
	assert_int_equal(path_file_decode(&pf, &reg), -EUCLEAN);
	reg.n_build_id = 0;
	assert_int_equal(path_file_decode(&pf, &reg), 0);
	assert_string_equal(pf.name, "/tmp/x");
	path_file_done(&pf);
	(void)x;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(position_and_flags_survive),     TEST(directories_devices_and_places_survive),
		TEST(awkward_names_survive),          TEST(all_changes_are_reported_together),
		TEST(mode_may_change_when_asked),     TEST(another_build_is_found),
		TEST(devices_with_state_are_refused), TEST(external_files_are_taken_from_the_user),
		TEST(files_of_dead_tasks_come_back),  TEST(files_of_live_tasks_wait_for_them),
		TEST(damaged_records_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
