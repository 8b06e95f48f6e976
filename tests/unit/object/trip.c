/* See trip.h. */
#include "trip.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/dir.h"
#include "image/reader.h"
#include "image/writer.h"
#include "kernel/proc/dir.h"
#include "kernel/sys.h"
#include "object/mem/shmem.h"
#include "schema/fdinfo.pb-c.h"

static struct task *one_task(struct model *m)
{
	struct task *t = model_add_task(m, NULL, getpid());

	assert_non_null(t);
	assert_non_null(model_add_thread(m, t, getpid()));
	t->host_pid = getpid();
	t->fdtable = model_add_fdtable(m, 1, t);
	t->mm = model_add_mm(m, 1, t);
	assert_non_null(t->fdtable);
	assert_non_null(t->mm);
	return t;
}

void trip_begin(struct trip *t)
{
	struct image_error err;

	memset(t, 0, sizeof(*t));
	report_init(&t->report);
	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/trip-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_int_equal(image_dir_open(t->dir, IMAGE_DIR_DUMP, &err, &t->out), 0);

	model_init(&t->from);
	t->task = one_task(&t->from);
	t->live.pidfd = sys_pidfd_open(getpid(), 0);
	assert_true(t->live.pidfd >= 0);
	assert_int_equal(proc_pid_open(0, &t->live.proc), 0);
	t->task->live = &t->live;
	t->collect.model = &t->from;
	t->collect.report = &t->report;
	t->collect.policy = &t->policy;
	t->collect.undo = &t->undo;
	identity_init(&t->collect.files, collect_file_cmp, &t->collect);
}

void trip_add(struct trip *t, int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(fdtable_add(t->task->fdtable, fd, false, NULL), 0);
}

int trip_collect(struct trip *t)
{
	int r = 0;

	vec_for_each(s, &t->task->fdtable->slots)
		if (r == 0)
			r = collect_slot_file(&t->collect, t->task, s->fd, &s->file, &s->cloexec);
	for (size_t i = 0; r == 0 && i < t->from.files.n; i++) {
		struct file *f = t->from.files.at[i];

		r = f->kind->resolve ? f->kind->resolve(&t->collect, f) : 0;
	}
	return r;
}

static void write_file(struct image_writer *w, const struct file *f)
{
	scoped(arena_done) struct arena arena = { 0 };
	FileEntry e = FILE_ENTRY__INIT;
	struct file_record rec = { .fe = &e, .arena = &arena };

	e.type = (FdTypes)f->kind->tag;
	e.id = f->id;
	assert_int_equal(f->kind->encode(f, &rec), 0);
	assert_int_equal(image_write(w, &e.base), 0);
}

static void write_images(struct trip *t)
{
	struct dump_images out = { .dir = t->out, .model = &t->from, .report = &t->report };
	struct image_writer *w;
	struct image_error err;

	assert_int_equal(image_writer_create(t->out, IMAGE_FILES, IMAGE_ONE, &err, &w), 0);
	vec_for_each(f, &t->from.files)
		write_file(w, *f);
	assert_int_equal(image_writer_finish(w), 0);
	image_writer_free(w);
	for (unsigned i = 0; i < FILE_KIND_MAX; i++)
		if (file_kinds[i]->write)
			assert_int_equal(file_kinds[i]->write(&t->collect, &out), 0);
	image_dir_free(t->out);
}

static void load_file(struct trip *t, FileEntry *e)
{
	const struct file_kind *k = file_kind_by_tag((int)e->type);
	const struct file_record rec = { .fe = e, .arena = &t->in.arena };
	struct file *f;

	assert_non_null(k);
	f = file_new(k);
	assert_non_null(f);
	f->id = e->id;
	assert_int_equal(model_add_file_take(&t->to, f), 0);
	assert_int_equal(k->decode(&t->to, f, &rec), 0);
}

static void load_images(struct trip *t)
{
	struct image_reader *r;
	ProtobufCMessage *msg;
	struct image_error err;

	t->in.report = &t->report;
	t->in.policy = &t->policy;
	assert_int_equal(image_dir_open(t->dir, IMAGE_DIR_READ, &err, &t->in.dir), 0);
	model_init(&t->to);
	t->new_task = one_task(&t->to);
	for (unsigned i = 0; i < FILE_KIND_MAX; i++)
		if (file_kinds[i]->load)
			assert_int_equal(file_kinds[i]->load(&t->to, &t->in), 0);
	assert_int_equal(image_reader_open(t->in.dir, IMAGE_FILES, IMAGE_ONE, &err, &r), 0);
	while (image_read(r, &t->in.arena, &msg) > 0)
		load_file(t, (FileEntry *)msg);
	image_reader_free(r);
	vec_for_each(s, &t->task->fdtable->slots) {
		struct file *f = model_file(&t->to, s->file->id);

		assert_non_null(f);
		assert_int_equal(fdtable_add(t->new_task->fdtable, s->fd, s->cloexec, f), 0);
		if (!f->in_slots) {
			f->in_slots = true;
			f->task = t->new_task;
			f->fd = s->fd;
		}
	}
}

/* In place of the pages room: what is in the old segment into the new one. */
static void fill_segment(const struct shmem *old, const struct shmem *fresh)
{
	scoped(fd_close) int from = -EBADF;
	scoped(mem_free) char *buf = mem_alloc(1, fresh->size + 1);

	assert_non_null(buf);
	assert_int_equal(file_borrow_fd(old->file, &from), 0);
	if (fresh->size) {
		assert_int_equal(fd_pread_all(from, buf, fresh->size, 0), 0);
		assert_int_equal(fd_pwrite_all(fresh->made_fd, buf, fresh->size, 0), 0);
	}
}

static void make_segments(struct trip *t)
{
	vec_for_each(s, &t->to.shmems) {
		const struct shmem *old = map_find(&t->from.shmem_by_id, 0, (*s)->shmid);

		assert_non_null(old);
		assert_int_equal((*s)->size, old->size);
		assert_int_equal(shmem_create(&t->env, *s), 0);
		fill_segment(old, *s);
		assert_int_equal(shmem_settle(&t->env, *s), 0);
	}
}

static void make_files(struct trip *t)
{
	for (unsigned i = 0; i < FILE_KIND_MAX; i++)
		if (file_kinds[i]->plan)
			assert_int_equal(file_kinds[i]->plan(&t->to, &t->report), 0);
	vec_for_each(f, &t->to.files) {
		int fd;

		if ((*f)->made_fd >= 0)
			continue;
		assert_int_equal((*f)->kind->create(&t->env, *f, &fd), 0);
		assert_int_equal(env_lift_fd(&t->env, &fd), 0);
		(*f)->made_fd = fd;
	}
	for (unsigned i = 0; i < FILE_KIND_MAX; i++)
		if (file_kinds[i]->link)
			assert_int_equal(file_kinds[i]->link(&t->env), 0);
}

static void place_files(struct trip *t)
{
	t->env.task = t->new_task;
	vec_for_each(s, &t->new_task->fdtable->slots)
		assert_int_equal(fd_place(s->file->made_fd, s->fd, s->cloexec), 0);
	vec_for_each(s, &t->new_task->fdtable->slots)
		if (s->file->fd == s->fd && s->file->kind->settle)
			assert_int_equal(s->file->kind->settle(&t->env, s->file, s->fd), 0);
	for (unsigned i = 0; i < FILE_KIND_MAX; i++)
		if (file_kinds[i]->finish)
			assert_int_equal(file_kinds[i]->finish(&t->env), 0);
	vec_for_each(f, &t->to.files)
		fd_close((*f)->made_fd);
	vec_for_each(s, &t->to.shmems)
		fd_close((*s)->made_fd);
}

void trip_run(struct trip *t)
{
	write_images(t);
	load_images(t);
	t->env = (struct env){
		.model = &t->to,
		.report = &t->report,
		.policy = &t->policy,
		.in = &t->in,
		.floor = TRIP_FLOOR,
		.broker = -EBADF,
		.root_fd = open("/", O_PATH | O_CLOEXEC),
		.undo = &t->undo,
	};
	make_segments(t);
	/* From here on nothing of ours takes one of these numbers. */
	vec_for_each(s, &t->task->fdtable->slots)
		fd_close(s->fd);
	make_files(t);
	place_files(t);
	fd_close(t->env.root_fd);
}

static void remove_images(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), e->d_name, 0); /* rmdir() tells */
	assert_int_equal(closedir(dir), 0);
	assert_int_equal(rmdir(path), 0);
}

void trip_end(struct trip *t)
{
	vec_for_each(s, &t->task->fdtable->slots)
		fd_close(s->fd);
	kinds_release(&t->from);
	kinds_release(&t->to);
	model_done(&t->from);
	model_done(&t->to);
	identity_done(&t->collect.files);
	map_done(&t->collect.paths);
	proc_text_done(&t->collect.text);
	arena_done(&t->collect.arena);
	arena_done(&t->in.arena);
	image_dir_free(t->in.dir);
	fd_close(t->live.pidfd);
	proc_pid_done(&t->live.proc);
	undo_run(&t->undo);
	report_done(&t->report);
	remove_images(t->dir);
}

void trip_give_up(struct trip *t)
{
	image_dir_free(t->out);
	model_init(&t->to);
	trip_end(t);
}
