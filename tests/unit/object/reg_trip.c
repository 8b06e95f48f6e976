/* A dump and a restore of files with a path in one process. See reg_trip.h. */
#include "reg_trip.h"

#include "image/dir.h"
#include "kernel/sys.h"

/* ---- the life of a dump and a restore ---- */

int begin(void **state)
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

int end(void **state)
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

int collect(struct fixture *x, int fd, struct file **ret)
{
	bool cloexec;

	return collect_slot_file(&x->collect, x->source.root, fd, ret, &cloexec);
}

uint32_t dump(struct fixture *x, int fd)
{
	struct file *f;

	assert_true(fd >= 0);
	assert_int_equal(collect(x, fd, &f), 0);
	return f->id;
}

void write_images(struct fixture *x)
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

int load(struct fixture *x)
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

int check(struct fixture *x)
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

int create(struct fixture *x)
{
	int r = file_kinds[FILE_KIND_reg]->plan(&x->model, &x->report);

	vec_for_each(f, &x->model.files) {
		if (r == 0 && (*f)->made_fd < 0)
			r = (*f)->kind->create(&x->env, *f, &(*f)->made_fd);
	}
	return r;
}

void go(struct fixture *x)
{
	write_images(x);
	assert_int_equal(load(x), 0);
	assert_int_equal(check(x), 0);
	assert_int_equal(create(x), 0);
	assert_int_equal(file_kinds[FILE_KIND_reg]->finish(&x->env), 0);
	assert_int_equal(x->report.n_failures, 0);
	assert_int_equal(x->report.n_warnings, 0);
}

int made(const struct fixture *x, uint32_t id)
{
	const struct file *f = model_file(&x->model, id);

	assert_non_null(f);
	assert_true(f->made_fd >= 0);
	return f->made_fd;
}

bool has_code(const struct fixture *x, enum code code)
{
	struct finding *f;

	list_for_each(f, &x->report.findings, link)
		if (f->code == code)
			return true;
	return false;
}

/* ---- what tests look at ---- */

int make_file(const char *name, const char *content, int flags)
{
	int fd = open(name, O_CREAT | O_EXCL | O_CLOEXEC | flags, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	return fd;
}

bool is_same_file(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

void assert_link(int fd, int like)
{
	char path[32], a[512] = "", b[512] = "";

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, a, sizeof(a) - 1) > 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", like);
	assert_true(readlink(path, b, sizeof(b) - 1) > 0);
	assert_string_equal(a, b);
}

void assert_content(int fd, const char *content)
{
	char buf[256] = "";

	assert_true(pread(fd, buf, sizeof(buf) - 1, 0) >= 0);
	assert_string_equal(buf, content);
}

void assert_stat_equal(int fd, int like)
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

int count_names(void)
{
	FILE *ls = popen("find . -mindepth 1 -not -path './img*' | wc -l", "r");
	int n = -1;

	assert_non_null(ls);
	assert_int_equal(fscanf(ls, "%d", &n), 1);
	pclose(ls);
	return n;
}
