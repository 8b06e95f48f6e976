/*
 * Files with a path, there and back: this process is the task that is dumped, its descriptors go
 * through collect, encode and write into images in a scratch directory, and from there through
 * load, decode, check, plan and create into fresh descriptors.
 */
#include "unit/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/undo.h"
#include "image/dir.h"
#include "image/writer.h"
#include "kernel/sys.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/ghost.h"
#include "object/file/path_common.h"
#include "object/file/remap.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/ghost-file.pb-c.h"
#include "schema/regfile.pb-c.h"

#define FILES_MAX 16

struct fixture {
	char dir[64];    /* scratch: files of the task, and img/ */
	char start[512]; /* where we were */
	struct report report;
	struct policy policy;
	struct arena arena;

	/* Dump. */
	struct model source;
	struct collect collect;
	struct live_task live;
	struct undo dump_undo;

	/* What would be in files.img. */
	FileEntry *entries[FILES_MAX];
	size_t n_entries;

	/* Restore. */
	struct model model;
	struct load_images in;
	struct env env;
	struct undo undo;
};

/* ---- the life of a dump and a restore ---- */

static int begin(void **state)
{
	struct fixture *x = NEW(struct fixture);
	struct image_error err;
	struct image_dir *dir;

	assert_non_null(x);
	assert_non_null(getcwd(x->start, sizeof(x->start)));
	(void)snprintf(x->dir, sizeof(x->dir), "/tmp/stasis-reg-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	assert_int_equal(chdir(x->dir), 0);
	assert_int_equal(mkdir("img", 0700), 0);
	report_init(&x->report);
	x->report.quiet = true;
	x->policy.file_validation = VALIDATE_BUILD_ID;
	model_init(&x->source);
	model_init(&x->model);

	x->live.pidfd = sys_pidfd_open(getpid(), 0);
	assert_true(x->live.pidfd >= 0);
	assert_int_equal(proc_pid_open(0, &x->live.proc), 0);
	model_add_task(&x->source, NULL, getpid())->live = &x->live;
	x->source.root->host_pid = getpid();
	x->collect = (struct collect){ .model = &x->source,
				       .report = &x->report,
				       .policy = &x->policy,
				       .undo = &x->dump_undo };
	identity_init(&x->collect.files, collect_file_cmp, NULL);

	assert_int_equal(image_dir_open("img", IMAGE_DIR_DUMP, &err, &dir), 0);
	x->in = (struct load_images){ .dir = dir, .report = &x->report, .policy = &x->policy };
	x->env = (struct env){ .model = &x->model,
			       .report = &x->report,
			       .policy = &x->policy,
			       .in = &x->in,
			       .floor = 300,
			       .undo = &x->undo,
			       .root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	*state = x;
	return 0;
}

static int end(void **state)
{
	struct fixture *x = *state;
	char command[96];

	undo_run(&x->undo);
	undo_forget_all(&x->dump_undo);
	vec_for_each(f, &x->model.files)
		fd_close((*f)->made_fd);
	kinds_release(&x->source);
	kinds_release(&x->model);
	model_done(&x->source);
	model_done(&x->model);
	identity_done(&x->collect.files);
	map_done(&x->collect.paths);
	proc_text_done(&x->collect.text);
	arena_done(&x->collect.arena);
	arena_done(&x->in.arena);
	arena_done(&x->arena);
	image_dir_free(x->in.dir);
	proc_pid_done(&x->live.proc);
	fd_close(x->live.pidfd);
	fd_close(x->env.root_fd);
	report_done(&x->report);
	assert_int_equal(chdir(x->start), 0);
	(void)snprintf(command, sizeof(command), "rm -rf %s", x->dir);
	FILE *rm = popen(command, "r");
	assert_non_null(rm);
	pclose(rm);
	mem_free(x);
	return 0;
}

static int collect(struct fixture *x, int fd, struct file **ret)
{
	bool cloexec;

	return collect_slot_file(&x->collect, x->source.root, fd, ret, &cloexec);
}

/* The file's number in the images. */
static uint32_t dump(struct fixture *x, int fd)
{
	struct file *f;

	assert_true(fd >= 0);
	assert_int_equal(collect(x, fd, &f), 0);
	return f->id;
}

static void write_images(struct fixture *x)
{
	struct dump_images out = { .dir = x->in.dir, .model = &x->source, .report = &x->report };

	vec_for_each(f, &x->source.files) {
		FileEntry *e = ARENA_NEW(&x->arena, FileEntry);
		struct file_record rec = { .fe = e, .arena = &x->arena };

		file_entry__init(e);
		e->id = (*f)->id;
		assert_int_equal((*f)->kind->encode(*f, &rec), 0);
		x->entries[x->n_entries++] = e;
	}
	assert_int_equal(file_kinds[FILE_KIND_reg]->write(&x->collect, &out), 0);
}

static int load(struct fixture *x)
{
	int r = file_kinds[FILE_KIND_reg]->load(&x->model, &x->in);

	for (size_t i = 0; r == 0 && i < x->n_entries; i++) {
		struct file_record rec = { .fe = x->entries[i], .arena = &x->in.arena };
		struct file *f = file_new(file_kinds[FILE_KIND_reg]);

		f->id = x->entries[i]->id;
		assert_int_equal(model_add_file_take(&x->model, f), 0);
		r = f->kind->decode(&x->model, f, &rec);
	}
	return r;
}

static int check(struct fixture *x)
{
	struct check k = { .model = &x->model,
			   .report = &x->report,
			   .policy = &x->policy,
			   .root_fd = x->env.root_fd };
	int r = 0;

	vec_for_each(f, &x->model.files) {
		int one = (*f)->kind->check(&k, *f);

		r = one < 0 ? one : r;
	}
	return r;
}

static int create(struct fixture *x)
{
	int r = file_kinds[FILE_KIND_reg]->plan(&x->model, &x->report);

	vec_for_each(f, &x->model.files) {
		if (r == 0 && (*f)->made_fd < 0)
			r = (*f)->kind->create(&x->env, *f, &(*f)->made_fd);
	}
	return r;
}

/* Everything from the write of a dump to the end of a restore. */
static void go(struct fixture *x)
{
	write_images(x);
	assert_int_equal(load(x), 0);
	assert_int_equal(check(x), 0);
	assert_int_equal(create(x), 0);
	assert_int_equal(file_kinds[FILE_KIND_reg]->finish(&x->env), 0);
	assert_int_equal(x->report.n_failures, 0);
	assert_int_equal(x->report.n_warnings, 0);
}

static int made(const struct fixture *x, uint32_t id)
{
	const struct file *f = model_file(&x->model, id);

	assert_non_null(f);
	assert_true(f->made_fd >= 0);
	return f->made_fd;
}

static bool has_code(const struct fixture *x, enum code code)
{
	struct finding *f;

	list_for_each(f, &x->report.findings, link)
		if (f->code == code)
			return true;
	return false;
}

/* ---- what tests look at ---- */

static int make_file(const char *name, const char *content, int flags)
{
	int fd = open(name, O_CREAT | O_EXCL | O_CLOEXEC | flags, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	return fd;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static bool is_same_file(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static void assert_link(int fd, int like)
{
	char path[32], a[512] = "", b[512] = "";

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, a, sizeof(a) - 1) > 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", like);
	assert_true(readlink(path, b, sizeof(b) - 1) > 0);
	assert_string_equal(a, b);
}

static void assert_content(int fd, const char *content)
{
	char buf[256] = "";

	assert_true(pread(fd, buf, sizeof(buf) - 1, 0) >= 0);
	assert_string_equal(buf, content);
}

static void assert_stat_equal(int fd, int like)
{
	struct stat a, b;

	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(like, &b), 0);
	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_gid, b.st_gid);
	assert_int_equal(a.st_size, b.st_size);
	assert_int_equal(a.st_nlink, b.st_nlink);
	assert_int_equal(a.st_rdev, b.st_rdev);
	assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	assert_int_equal(a.st_mtim.tv_nsec / 1000, b.st_mtim.tv_nsec / 1000);
}

/* Files of the task's directory, without img. */
static int count_names(void)
{
	FILE *ls = popen("find . -mindepth 1 -not -path './img*' | wc -l", "r");
	int n = -1;

	assert_non_null(ls);
	assert_int_equal(fscanf(ls, "%d", &n), 1);
	pclose(ls);
	return n;
}

/* ---- tests: files that are there ---- */

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

/* ---- tests: files that lost their name ---- */

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

/* ---- tests: temporary links ---- */

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

/* ---- tests: procfs ---- */

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

/* ---- tests: images that cannot be ---- */

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
		TEST(position_and_flags_survive),
		TEST(directories_devices_and_places_survive),
		TEST(awkward_names_survive),
		TEST(all_changes_are_reported_together),
		TEST(mode_may_change_when_asked),
		TEST(another_build_is_found),
		TEST(devices_with_state_are_refused),
		TEST(external_files_are_taken_from_the_user),
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
		TEST(files_of_dead_tasks_come_back),
		TEST(files_of_live_tasks_wait_for_them),
		TEST(damaged_records_are_refused),
		TEST(remaps_of_unknown_files_are_refused),
		TEST(impossible_ghosts_are_refused),
		TEST(pieces_outside_of_a_ghost_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
