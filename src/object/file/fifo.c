/*
 * Named pipes. An open end is a place in the file system (a file of kind `reg` beside it, which
 * brings back deleted ones too) and an opening of it; what is inside is as in pipes.
 *
 * All ends of a FIFO are opened together, each through its own place, while an opening of ours for
 * both directions holds the contents and keeps all others from waiting. Last, with that one closed,
 * come readers that wait for their first writer: only those poll(2) does not tell of a hang-up.
 *
 * Others in the system may have the FIFO open. When it is not empty then, they kept what was in it.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "image/writer.h"
#include "kernel/fs.h"
#include "kernel/sys.h"
#include "object/file/path_common.h"
#include "object/file/pipe_common.h"
#include "schema/fdinfo.pb-c.h"

struct fifo;

struct fifo_end {
	struct file file;
	struct fifo *fifo;
	struct path_file *place; /* borrowed; dump, and restore once planned */
	uint32_t place_id;
	enum { WRITER_UNKNOWN, WRITER_SEEN, WRITER_AWAITED } writer; /* what a reader knows */
};

/* A FIFO, however many ends. */
struct fifo {
	uint32_t id;
	struct {
		VEC(struct fifo_end *);
	} ends;
	const struct pipe_data *data; /* restore; NULL: empty, of the default size */
};

/* The kind's extra. */
struct fifos {
	struct map by_ino; /* dump: (dev, ino) -> struct fifo */
	struct map by_id;  /* (0, id) -> struct fifo, owned */
	struct map data;   /* restore: (0, id) -> struct pipe_data */
};

static struct fifo_end *fifo_end_of(struct file *f)
{
	return container_of(f, struct fifo_end, file);
}

static struct fifos *fifos_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_fifo);

	if (extra && !*extra)
		*extra = NEW(struct fifos);
	return extra ? *extra : NULL;
}

static void fifos_done(void *extra)
{
	struct fifos *all = extra;

	map_for_each(e, &all->by_id) {
		struct fifo *p = e->value;

		vec_done(&p->ends);
		mem_free(p);
	}
	map_done(&all->by_ino);
	map_done(&all->by_id);
	map_done(&all->data);
	mem_free(all);
}

/* The FIFO with an id, or a new one; NULL when out of memory. */
static struct fifo *fifo_take(struct fifos *all, uint32_t id)
{
	struct fifo *p = map_find(&all->by_id, 0, id);

	if (p)
		return p;
	p = NEW(struct fifo);
	if (p && map_set(&all->by_id, 0, id, p) < 0) {
		mem_free(p);
		return NULL;
	}
	if (p)
		p->id = id;
	return p;
}

static int end_join(struct fifo_end *e, struct fifo *p)
{
	e->fifo = p;
	return p ? vec_push(&p->ends, e) : -ENOMEM;
}

/* ---- dump ---- */

static bool fifo_match(const struct fd_view *v)
{
	return S_ISFIFO(v->st->st_mode) && v->fs_magic != FS_MAGIC_PIPE && v->link[0] == '/';
}

/* Inode numbers are what CRIU calls them by, but two file systems may have the same ones. */
static uint32_t fifo_new_id(const struct fifos *all, uint64_t ino)
{
	uint32_t id = (uint32_t)ino;

	while (id == 0 || map_find(&all->by_id, 0, id))
		id++;
	return id;
}

static int end_collect(struct collect *c, struct fifo_end *e, const struct stat *st)
{
	struct fifos *all = fifos_of(c->model);
	struct fifo *p;
	int r = 0;

	if (!all)
		return -ENOMEM;
	p = map_find(&all->by_ino, st->st_dev, st->st_ino);
	if (!p) {
		p = fifo_take(all, fifo_new_id(all, st->st_ino));
		r = p ? map_set(&all->by_ino, st->st_dev, st->st_ino, p) : -ENOMEM;
	}
	return r < 0 ? r : end_join(e, p);
}

static int fifo_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct pollfd pfd = { .fd = v->fd };
	struct fifo_end *e = fifo_end_of(f);
	int r = end_collect(c, e, v->st);

	if (r == 0 && (f->flags & O_ACCMODE) == O_RDONLY)
		r = sys_poll(&pfd, 1, 0);
	if (r < 0)
		return report_fail(c->report, r, "cannot look at %s", v->link);
	e->writer = pfd.revents & POLLHUP ? WRITER_SEEN : WRITER_AWAITED;
	return path_file_add(c, f, v, &e->place);
}

static int fifo_encode(const struct file *f, struct file_record *out)
{
	const struct fifo_end *e = container_of(f, const struct fifo_end, file);
	FifoEntry *fe = ARENA_NEW(out->arena, FifoEntry);

	if (!fe)
		return -ENOMEM;
	fifo_entry__init(fe);
	fe->id = f->id;
	fe->pipe_id = e->fifo->id;
	fe->has_regf_id = true;
	fe->regf_id = e->place->file.id;
	fe->has_hung_up = (f->flags & O_ACCMODE) == O_RDONLY;
	fe->hung_up = e->writer == WRITER_SEEN;
	out->fe->fifo = fe;
	return 0;
}

/* Reads one FIFO through any end that reads and appends it to the image. */
static int fifo_write_data(struct collect *c, struct image_writer *out, struct image_error *err,
			   const struct fifo *p)
{
	scoped(arena_done) struct arena arena = { 0 };
	scoped(fd_close) int fd = -EBADF;
	const struct file *reader = NULL;
	bool packets = false;
	struct pipe_data d;
	int r;

	vec_for_each(e, &p->ends) {
		packets |= (*e)->file.flags & O_DIRECT;
		if (((*e)->file.flags & O_ACCMODE) != O_WRONLY)
			reader = &(*e)->file;
	}
	if (!reader)
		return 0;
	REPORT_FRAME(c->report, "task %d: fd %d (fifo)", reader->task->host_pid, reader->fd);
	r = file_borrow_fd(reader, &fd);
	if (r == 0)
		r = pipe_data_read(fd, packets, &arena, &d);
	if (r < 0)
		return report_fail(c->report, r, "cannot read what is in it");
	d.id = p->id;
	r = pipe_data_write(out, &d);
	return r < 0 ? images_write_failed(c->report, r, err) : 0;
}

static int fifo_write(struct collect *c, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct fifos *all = fifos_of(c->model);
	struct image_error err = { 0 };
	int r;

	if (!all)
		return report_fail(c->report, -ENOMEM, "cannot note the FIFOs");
	r = image_writer_create(out->dir, IMAGE_FIFO_DATA, IMAGE_ONE, &err, &w);
	if (r < 0)
		return images_write_failed(c->report, r, &err);
	map_for_each(e, &all->by_id) {
		r = fifo_write_data(c, w, &err, e->value);
		if (r < 0)
			return r;
	}
	r = image_writer_finish(w);
	return r < 0 ? images_write_failed(c->report, r, &err) : 0;
}

/* ---- restore ---- */

static int fifo_load(struct model *m, struct load_images *in)
{
	struct fifos *all = fifos_of(m);

	if (!all)
		return report_fail(in->report, -ENOMEM, "cannot hold the images");
	return pipe_data_load(in, IMAGE_FIFO_DATA, &all->data);
}

static int fifo_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const FifoEntry *fe = in->fe->fifo;
	struct fifo_end *e = fifo_end_of(f);
	struct fifos *all = fifos_of(m);
	int r;

	if (!fe || !all)
		return fe ? -ENOMEM : -EUCLEAN;
	e->place_id = fe->has_regf_id ? fe->regf_id : fe->id;
	if (fe->has_hung_up)
		e->writer = fe->hung_up ? WRITER_SEEN : WRITER_AWAITED;
	r = end_join(e, fifo_take(all, fe->pipe_id));
	if (r == 0)
		e->fifo->data = map_find(&all->data, 0, fe->pipe_id);
	return r;
}

static int fifo_check(struct check *k, struct file *f)
{
	const struct fifo *p = fifo_end_of(f)->fifo;

	return &p->ends.at[0]->file == f ? pipe_data_check(k, p->data) : 0;
}

static int fifo_plan(struct model *m, struct report *rep)
{
	vec_for_each(at, &m->files) {
		struct file *f = *at;
		struct fifo_end *e = fifo_end_of(f);

		if (f->kind != file_kinds[FILE_KIND_fifo])
			continue;
		e->place = path_file_use_as_handle(m, e->place_id);
		if (!e->place)
			return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
					     "FIFO %u has no path: file %u is not one", f->id,
					     e->place_id);
		f->flags = e->place->file.flags;
		f->fown = e->place->file.fown;
	}
	return 0;
}

static int end_open(struct env *env, struct fifo_end *e, unsigned access, int *ret_fd)
{
	int place, fd, r = path_file_handle(env, e->place, &place);

	if (r < 0)
		return r;
	fd = env_reopen(env, place, access | O_NONBLOCK);
	if (fd < 0)
		return report_fail(env->report, fd, "cannot open %s", e->place->name);
	*ret_fd = fd;
	return 0;
}

static int end_make(struct env *env, struct fifo_end *e)
{
	scoped(fd_close) int fd = -EBADF;
	int r = end_open(env, e, e->file.flags & O_ACCMODE, &fd);

	if (r == 0)
		r = env_apply_common(env, &e->file, fd, false);
	return r < 0 ? r : env_deposit_take(env, &e->file, fd_take(&fd));
}

static int fifo_fill(struct env *env, const struct fifo *p, int fd)
{
	int waiting = 0, r = sys_ioctl_ptr(fd, FIONREAD, &waiting);

	if (r < 0)
		return report_fail(env->report, r, "cannot look into the FIFO");
	return waiting > 0 ? 0 : pipe_data_put(env, p->data, fd);
}

/* Whether an end awaits its first writer. Where the image does not say: somebody wrote the
 * contents. */
static bool end_awaits(const struct fifo_end *e)
{
	const struct pipe_data *d = e->fifo->data;

	if ((e->file.flags & O_ACCMODE) != O_RDONLY)
		return false;
	vec_for_each(other, &e->fifo->ends)
		if (((*other)->file.flags & O_ACCMODE) != O_RDONLY)
			return false;
	return e->writer == WRITER_UNKNOWN ? !d || !d->len : e->writer == WRITER_AWAITED;
}

static int fifo_make_ends(struct env *env, const struct fifo *p, bool awaiting)
{
	vec_for_each(e, &p->ends) {
		int r = end_awaits(*e) == awaiting ? end_make(env, *e) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int fifo_make(struct env *env, const struct fifo *p)
{
	scoped(fd_close) int keeper = -EBADF;
	scoped(fd_close) int reader = -EBADF;
	int r = end_open(env, p->ends.at[0], O_RDWR, &keeper);

	if (r == 0 && p->data)
		r = fifo_fill(env, p, keeper);
	if (r == 0)
		r = fifo_make_ends(env, p, false);
	if (r == 0)
		r = end_open(env, p->ends.at[0], O_RDONLY, &reader);
	if (r < 0)
		return r;
	fd_close(fd_take(&keeper));
	return fifo_make_ends(env, p, true);
}

static int fifo_create(struct env *env, struct file *f, int *ret_fd)
{
	int r = fifo_make(env, fifo_end_of(f)->fifo);

	if (r == 0)
		*ret_fd = fd_take(&f->made_fd);
	return r;
}

const struct file_kind file_kind_fifo = {
	.name = "fifo",
	.about = "named pipes with their contents",
	.tag = FD_TYPES__FIFO,
	.size = sizeof(struct fifo_end),
	.match = fifo_match,
	.collect = fifo_collect,
	.encode = fifo_encode,
	.write = fifo_write,
	.load = fifo_load,
	.decode = fifo_decode,
	.check = fifo_check,
	.plan = fifo_plan,
	.create = fifo_create,
	.extra_done = fifos_done,
};
