/*
 * Pipes without a name: the open ends, and (pipe_common.h) what is inside. A pipe may have any
 * number of open ends: /proc/self/fd/N opens another one, also for both directions.
 *
 * An end that nobody in the tree has is not restored; a reader or writer then sees what it would
 * see if the other side had closed. --inherit-fd gives a pipe from outside in its place.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "image/writer.h"
#include "kernel/fs.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "object/file/pipe_common.h"
#include "schema/fdinfo.pb-c.h"

struct pipe;

struct pipe_end {
	struct file file;
	struct pipe *pipe;
	uint32_t uid, gid;
};

/* A pipe, however many ends. */
struct pipe {
	uint32_t id;
	struct {
		VEC(struct pipe_end *);
	} ends;
	const struct pipe_data *data; /* restore; NULL: empty, of the default size */
};

/* The kind's extra. */
struct pipes {
	struct map by_id; /* (0, id) -> struct pipe, owned */
	struct map data;  /* restore: (0, id) -> struct pipe_data */
};

static struct pipe_end *pipe_end_of(struct file *f)
{
	return container_of(f, struct pipe_end, file);
}

static bool end_reads(const struct pipe_end *e)
{
	return !(e->file.flags & O_PATH) && (e->file.flags & O_ACCMODE) != O_WRONLY;
}

static bool end_writes(const struct pipe_end *e)
{
	return !(e->file.flags & O_PATH) && (e->file.flags & O_ACCMODE) != O_RDONLY;
}

static struct pipes *pipes_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_pipe);

	if (extra && !*extra)
		*extra = NEW(struct pipes);
	return extra ? *extra : NULL;
}

static void pipes_done(void *extra)
{
	struct pipes *all = extra;

	map_for_each(e, &all->by_id) {
		struct pipe *p = e->value;

		vec_done(&p->ends);
		mem_free(p);
	}
	map_done(&all->by_id);
	map_done(&all->data);
	mem_free(all);
}

/* Joins an end to its pipe, which is made when it is the first. -ENOMEM. */
static int end_join(struct model *m, struct pipe_end *e, uint32_t id)
{
	struct pipes *all = pipes_of(m);
	struct pipe *p = all ? map_find(&all->by_id, 0, id) : NULL;

	if (!all)
		return -ENOMEM;
	if (!p) {
		p = NEW(struct pipe);
		if (!p)
			return -ENOMEM;
		p->id = id;
		if (map_set(&all->by_id, 0, id, p) < 0) {
			mem_free(p);
			return -ENOMEM;
		}
	}
	e->pipe = p;
	return vec_push(&p->ends, e);
}

/* ---- dump ---- */

static bool pipe_match(const struct fd_view *v)
{
	return S_ISFIFO(v->st->st_mode) && v->fs_magic == FS_MAGIC_PIPE;
}

static int pipe_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct pipe_end *e = pipe_end_of(f);
	int r = end_join(c->model, e, (uint32_t)v->st->st_ino); /* numbers of pipes have 32 bits */

	e->uid = v->st->st_uid;
	e->gid = v->st->st_gid;
	return r < 0 ? report_fail(c->report, r, "cannot note a pipe") : 0;
}

/* Whether the other side of a pipe of which the tree has one side only is open somewhere else. */
static int pipe_is_outside(const struct pipe *p, bool reads, bool *ret)
{
	scoped(fd_close) int fd = -EBADF;
	struct pollfd pfd = { 0 };
	int r = file_borrow_fd(&p->ends.at[0]->file, &fd);

	if (r < 0)
		return r;
	pfd.fd = fd;
	r = sys_poll(&pfd, 1, 0);
	if (r < 0)
		return r;
	*ret = !(pfd.revents & (reads ? POLLHUP : POLLERR));
	return 0;
}

static int pipe_resolve(struct collect *c, struct file *f)
{
	const struct pipe *p = pipe_end_of(f)->pipe;
	bool reads = false, writes = false, outside = false;
	int r;

	if (&p->ends.at[0]->file != f)
		return 0;
	vec_for_each(e, &p->ends) {
		reads |= end_reads(*e);
		writes |= end_writes(*e);
	}
	if (reads == writes)
		return 0;
	r = pipe_is_outside(p, reads, &outside);
	if (r < 0)
		return report_fail(c->report, r, "cannot look at the pipe");
	if (outside)
		report_warn(c->report, CODE_PIPE_OUTSIDE,
			    "the %s end of pipe:[%u] is held outside of the tree only; it will be "
			    "closed after the restore, unless --inherit-fd 'fd[N]:pipe:[%u]' gives "
			    "another pipe",
			    reads ? "writing" : "reading", p->id, p->id);
	return 0;
}

static int pipe_encode(const struct file *f, struct file_record *out)
{
	const struct pipe_end *e = container_of(f, const struct pipe_end, file);
	PipeEntry *pe = ARENA_NEW(out->arena, PipeEntry);

	if (!pe)
		return -ENOMEM;
	pipe_entry__init(pe);
	pe->id = f->id;
	pe->pipe_id = e->pipe->id;
	pe->flags = f->flags;
	pe->fown = fown_encode(&f->fown, out->arena);
	pe->has_uid = pe->has_gid = e->uid || e->gid;
	pe->uid = e->uid;
	pe->gid = e->gid;
	pe->has_mode = (f->mode & 07777) != 0600;
	pe->mode = f->mode & 07777;
	out->fe->pipe = pe;
	return pe->fown ? 0 : -ENOMEM;
}

/* Reads one pipe through any end that reads and appends it to the image. */
static int pipe_write_data(struct collect *c, struct image_writer *out, struct image_error *err,
			   const struct pipe *p)
{
	scoped(arena_done) struct arena arena = { 0 };
	scoped(fd_close) int fd = -EBADF;
	const struct pipe_end *reader = NULL;
	bool packets = false;
	struct pipe_data d;
	int r;

	vec_for_each(e, &p->ends) {
		packets |= (*e)->file.flags & O_DIRECT;
		if (end_reads(*e))
			reader = *e;
	}
	if (!reader) /* what is in it can never be read by the tree */
		return 0;
	r = file_borrow_fd(&reader->file, &fd);
	if (r == 0)
		r = pipe_data_read(fd, packets, &arena, &d);
	if (r < 0)
		return report_fail(c->report, r, "cannot read what is in pipe:[%u]", p->id);
	d.id = p->id;
	r = pipe_data_write(out, &d);
	return r < 0 ? images_write_failed(c->report, r, err) : 0;
}

static int pipe_write(struct collect *c, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct pipes *all = pipes_of(c->model);
	struct image_error err = { 0 };
	int r;

	if (!all)
		return report_fail(c->report, -ENOMEM, "cannot note the pipes");
	r = image_writer_create(out->dir, IMAGE_PIPES_DATA, IMAGE_ONE, &err, &w);
	if (r < 0)
		return images_write_failed(c->report, r, &err);
	map_for_each(e, &all->by_id) {
		r = pipe_write_data(c, w, &err, e->value);
		if (r < 0)
			return r;
	}
	r = image_writer_finish(w);
	return r < 0 ? images_write_failed(c->report, r, &err) : 0;
}

/* ---- restore ---- */

static int pipe_load(struct model *m, struct load_images *in)
{
	struct pipes *all = pipes_of(m);

	if (!all)
		return report_fail(in->report, -ENOMEM, "cannot hold the images");
	return pipe_data_load(in, IMAGE_PIPES_DATA, &all->data);
}

static int pipe_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const PipeEntry *pe = in->fe->pipe;
	struct pipe_end *e = pipe_end_of(f);
	int r;

	if (!pe)
		return -EUCLEAN;
	f->flags = pe->flags;
	f->fown = fown_decode(pe->fown);
	f->mode = pe->has_mode ? pe->mode & 07777 : 0600;
	e->uid = pe->has_uid ? pe->uid : 0;
	e->gid = pe->has_gid ? pe->gid : 0;
	r = end_join(m, e, pe->pipe_id);
	if (r == 0)
		e->pipe->data = map_find(&pipes_of(m)->data, 0, pe->pipe_id);
	return r;
}

static int pipe_check(struct check *k, struct file *f)
{
	const struct pipe *p = pipe_end_of(f)->pipe;

	return &p->ends.at[0]->file == f ? pipe_data_check(k, p->data) : 0;
}

/* The ends that pipe(2) made, until somebody gets them. */
struct fresh_pipe {
	int fd[2]; /* reading, writing; owned */
	bool given[2];
};

static void fresh_pipe_done(struct fresh_pipe *p)
{
	for (int i = 0; i < 2; i++)
		if (!p->given[i])
			fd_close(p->fd[i]);
}
SCOPED_OBJECT(struct fresh_pipe, fresh_pipe_done);

/*
 * The first end of each direction is the one that pipe(2) made: such an end has no O_LARGEFILE,
 * unlike one that is opened through /proc.
 */
static bool end_is_original(const struct pipe_end *e, int side)
{
	unsigned access = side ? O_WRONLY : O_RDONLY;

	return !(e->file.flags & (O_PATH | __O_LARGEFILE)) && (e->file.flags & O_ACCMODE) == access;
}

static int end_make(struct env *env, struct pipe_end *e, struct fresh_pipe *fresh)
{
	unsigned how = e->file.flags & (O_ACCMODE | O_PATH);
	int fd, r;

	for (int side = 0; side < 2; side++) {
		if (fresh->given[side] || !end_is_original(e, side))
			continue;
		r = env_apply_common(env, &e->file, fresh->fd[side], false);
		if (r < 0)
			return r;
		fresh->given[side] = true;
		return env_deposit_take(env, &e->file, fresh->fd[side]);
	}
	fd = env_reopen(env, fresh->fd[how == O_WRONLY], how | O_NONBLOCK);
	if (fd < 0)
		return report_fail(env->report, fd, "cannot open another end of a pipe");
	r = how & O_PATH ? 0 : env_apply_common(env, &e->file, fd, false);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	return env_deposit_take(env, &e->file, fd);
}

/* Owner and mode decide who may open it again through /proc. */
static int pipe_set_inode(struct env *env, const struct pipe_end *e, int fd)
{
	int r = e->uid || e->gid ? sys_fchown(fd, e->uid, e->gid) : 0;

	if (r == 0 && e->file.mode != 0600)
		r = sys_fchmod(fd, e->file.mode);
	return r < 0 ? report_fail(env->report, r, "cannot set the owner of a pipe") : 0;
}

static int pipe_make(struct env *env, const struct pipe *p)
{
	scoped(fresh_pipe_done) struct fresh_pipe fresh = { .fd = { -EBADF, -EBADF } };
	int r = sys_pipe(fresh.fd, O_CLOEXEC);

	if (r < 0)
		return report_fail(env->report, r, "cannot make a pipe");
	for (int side = 0; side < 2 && r == 0; side++)
		r = env_lift_fd(env, &fresh.fd[side]);
	if (r < 0)
		return report_fail(env->report, r, "cannot move a pipe above %d", env->floor);
	r = pipe_set_inode(env, p->ends.at[0], fresh.fd[1]);
	if (r == 0 && p->data)
		r = pipe_data_put(env, p->data, fresh.fd[1]);
	/* Originals first: while both of them are there, any end can be opened. */
	vec_for_each(e, &p->ends)
		if (r == 0 && (end_is_original(*e, 0) || end_is_original(*e, 1)))
			r = end_make(env, *e, &fresh);
	vec_for_each(e, &p->ends)
		if (r == 0 && (*e)->file.made_fd < 0)
			r = end_make(env, *e, &fresh);
	return r;
}

static int pipe_create(struct env *env, struct file *f, int *ret_fd)
{
	struct pipe_end *e = pipe_end_of(f);
	const struct external *inherit;
	char key[32];
	int fd, r;

	(void)snprintf(key, sizeof(key), "pipe:[%u]", e->pipe->id);
	inherit = env_find_inherit(env, key);
	if (inherit) {
		fd = fd_dup_above(inherit->fd, env->floor);
		if (fd < 0)
			return report_fail(env->report, fd,
					   "cannot use the descriptor given for %s", key);
		*ret_fd = fd;
		return 0;
	}
	r = pipe_make(env, e->pipe);
	if (r == 0)
		*ret_fd = fd_take(&f->made_fd);
	return r;
}

const struct file_kind file_kind_pipe = {
	.name = "pipe",
	.about = "pipes with their contents",
	.tag = FD_TYPES__PIPE,
	.size = sizeof(struct pipe_end),
	.match = pipe_match,
	.collect = pipe_collect,
	.resolve = pipe_resolve,
	.encode = pipe_encode,
	.write = pipe_write,
	.load = pipe_load,
	.decode = pipe_decode,
	.check = pipe_check,
	.create = pipe_create,
	.extra_done = pipes_done,
};
