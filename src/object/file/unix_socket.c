/*
 * Unix sockets: stream, datagram and seqpacket, bound to paths or abstract names or to nothing,
 * listening, connected, half closed, with what waits in their queues. unix_common.h has the map.
 *
 * Not kept: messages out of band, data on connections that were not yet accepted (refused), and
 * errors that wait for the next call.
 */
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "image/writer.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "object/file/sk_common.h"
#include "object/file/unix_common.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/sk-unix.pb-c.h"

/* ---- the extra ---- */

struct unix_all *unix_all_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_unix_socket);

	if (extra && !*extra)
		*extra = NEW(struct unix_all);
	return extra ? *extra : NULL;
}

static void unix_all_done(void *extra)
{
	struct unix_all *all = extra;

	map_done(&all->by_ino);
	map_done(&all->diag);
	map_done(&all->netns);
	map_done(&all->clients);
	map_for_each(e, &all->waiting) {
		sk_queue_done(e->value);
	}
	map_done(&all->waiting);
	sk_held_done(&all->held);
	vec_for_each(p, &all->placed)
		mem_free(p->name);
	vec_done(&all->placed);
	mem_free(all);
}

struct unix_sock *unix_find(struct model *m, uint32_t ino)
{
	struct unix_all *all = unix_all_of(m);

	return all && ino ? map_find(&all->by_ino, 0, ino) : NULL;
}

int unix_register(struct model *m, struct unix_sock *s)
{
	struct unix_all *all = unix_all_of(m);

	if (!all)
		return -ENOMEM;
	s->place = s->server = s->helper = -EBADF;
	return map_find(&all->by_ino, 0, s->ino) ? -EEXIST : map_set(&all->by_ino, 0, s->ino, s);
}

const char *unix_text(const struct unix_sock *s, char buf[UNIX_TEXT_MAX])
{
	if (!s->name_len)
		(void)snprintf(buf, UNIX_TEXT_MAX, "socket %u", s->ino);
	else
		(void)snprintf(buf, UNIX_TEXT_MAX, "socket %u (%s%.*s)", s->ino,
			       s->name[0] ? "" : "@", (int)(s->name_len - !s->name[0]),
			       (const char *)s->name + !s->name[0]);
	return buf;
}

/* ---- dump ---- */

static bool unix_match(const struct fd_view *v)
{
	return sk_is_of(v, AF_UNIX);
}

static SkCredEntry *cred_encode(const struct sk_cred *cred, struct arena *arena)
{
	SkCredEntry *ce = ARENA_NEW(arena, SkCredEntry);

	if (!ce)
		return NULL;
	sk_cred_entry__init(ce);
	ce->pid = cred->pid;
	ce->uid = cred->uid;
	ce->gid = cred->gid;
	return ce;
}

/* Everything about the name. -ENOMEM shows as a failed arena. */
static void name_encode(const struct unix_sock *s, struct arena *arena, UnixSkEntry *ue)
{
	FilePermsEntry *perms;

	/* A path has its NUL, as in the kernel. */
	ue->name.len = s->name_len + unix_has_path(s);
	ue->name.data = arena_alloc(arena, s->name_len + 1, 1);
	if (ue->name.data)
		memcpy(ue->name.data, s->name, s->name_len);
	if (s->name_dir)
		ue->name_dir = arena_str(arena, s->name_dir);
	if (s->path)
		ue->path = arena_str(arena, s->path);
	ue->has_deleted = ue->deleted = s->deleted;
	if (!s->has_perms)
		return;
	perms = ARENA_NEW(arena, FilePermsEntry);
	if (!perms)
		return;
	file_perms_entry__init(perms);
	perms->mode = s->perm_mode;
	perms->uid = s->perm_uid;
	perms->gid = s->perm_gid;
	ue->file_perms = perms;
}

static SkOptsEntry *opts_encode(const struct unix_sock *s, struct arena *arena)
{
	SkOptsEntry *o;

	if (s->opts)
		return s->opts;
	o = ARENA_NEW(arena, SkOptsEntry); /* of a peer outside: unknown */
	if (o)
		sk_opts_entry__init(o);
	return o;
}

static int unix_encode(const struct file *f, struct file_record *out)
{
	const struct unix_sock *s = container_of(f, const struct unix_sock, file);
	UnixSkEntry *ue = ARENA_NEW(out->arena, UnixSkEntry);

	if (!ue)
		return -ENOMEM;
	unix_sk_entry__init(ue);
	ue->id = f->id;
	ue->ino = s->ino;
	ue->type = s->type;
	ue->state = s->state;
	ue->flags = f->flags;
	ue->uflags = s->uflags;
	ue->backlog = s->backlog;
	ue->peer = s->peer_ino;
	ue->fown = fown_encode(&f->fown, out->arena);
	ue->opts = opts_encode(s, out->arena);
	name_encode(s, out->arena, ue);
	ue->has_shutdown = s->shutdown != 0;
	ue->shutdown = s->shutdown;
	ue->has_ns_id = s->ns_id != 0;
	ue->ns_id = s->ns_id;
	ue->has_peer_closed = ue->peer_closed = s->peer_closed;
	if (s->has_cred)
		ue->peer_cred = cred_encode(&s->cred, out->arena);
	ue->has_peek_off = s->peek_off >= 0;
	ue->peek_off = s->peek_off;
	out->fe->usk = ue;
	return ue->fown && ue->opts && !out->arena->failed ? 0 : -ENOMEM;
}

static int unix_write(struct collect *c, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct image_error err = { 0 };
	int r = image_writer_create(out->dir, IMAGE_SK_QUEUES, IMAGE_ONE, &err, &w);

	unix_for_each(s, unix_all_of(c->model)) r =
		r < 0 ? r : sk_queue_write(w, s->file.id, &s->queue);
	if (r == 0)
		r = image_writer_finish(w);
	return r < 0 ? images_write_failed(c->report, r, &err) : 0;
}

/* ---- images ---- */

static bool entry_is_sane(const UnixSkEntry *ue)
{
	if (ue->type != SOCK_STREAM && ue->type != SOCK_DGRAM && ue->type != SOCK_SEQPACKET)
		return false;
	if (ue->state != TCP_LISTEN && ue->state != TCP_ESTABLISHED && ue->state != TCP_CLOSE)
		return false;
	if (ue->has_peek_off && ue->peek_off < -1)
		return false;
	if (ue->name_dir && ue->name_dir[0] != '/')
		return false;
	if (ue->path && ue->path[0] != '/')
		return false;
	return ue->name.len <= SK_NAME_MAX + 1 && (uint32_t)ue->shutdown <= 3 && ue->ino != 0;
}

static int name_decode(struct unix_sock *s, const UnixSkEntry *ue)
{
	s->name_len = MIN(ue->name.len, sizeof(s->name));
	if (s->name_len)
		memcpy(s->name, ue->name.data, s->name_len);
	if (s->name_len && s->name[0])
		s->name_len = strnlen((const char *)s->name, s->name_len);
	if (ue->name_dir)
		s->name_dir = str_format("%s", ue->name_dir);
	if (ue->path)
		s->path = str_format("%s", ue->path);
	if ((ue->name_dir && !s->name_dir) || (ue->path && !s->path))
		return -ENOMEM;
	s->deleted = ue->has_deleted && ue->deleted;
	if (ue->file_perms) {
		s->has_perms = true;
		s->perm_mode = ue->file_perms->mode;
		s->perm_uid = ue->file_perms->uid;
		s->perm_gid = ue->file_perms->gid;
	}
	return 0;
}

static int unix_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const UnixSkEntry *ue = in->fe->usk;
	struct unix_sock *s = unix_sock_of(f);
	int r;

	if (!ue || !entry_is_sane(ue) || sk_opts_check(ue->opts) < 0)
		return -EUCLEAN;
	f->flags = ue->flags;
	f->fown = fown_decode(ue->fown);
	s->ino = ue->ino;
	s->type = ue->type;
	s->state = ue->state;
	s->uflags = ue->uflags;
	s->backlog = ue->backlog;
	s->peer_ino = ue->peer;
	s->shutdown = ue->has_shutdown ? (uint8_t)ue->shutdown : 0;
	s->opts = ue->opts;
	s->ns_id = ue->has_ns_id ? ue->ns_id : 0;
	s->peer_closed = ue->has_peer_closed && ue->peer_closed;
	s->peek_off = ue->has_peek_off ? ue->peek_off : -1;
	if (ue->peer_cred) {
		s->has_cred = ue->peer_cred->pid != 0;
		s->cred = (struct sk_cred){ ue->peer_cred->pid, ue->peer_cred->uid,
					    ue->peer_cred->gid };
	}
	r = name_decode(s, ue);
	if (r == 0)
		r = unix_register(m, s);
	return r == -EEXIST ? -EUCLEAN : r;
}

struct loading {
	struct model *model;
	struct map by_id; /* (0, file id) -> struct sk_queue: the sockets come later */
	struct arena *arena;
};

/* ---- restore ---- */

/* Packets are read before the sockets they are for: they wait in a map of the extra. */
static int packet_note(void *ctx, uint32_t id_for, const struct sk_packet *p)
{
	struct loading *l = ctx;
	struct sk_queue *q = map_find(&l->by_id, 0, id_for);
	int r = 0;

	if (!q) {
		q = ARENA_NEW(l->arena, struct sk_queue);
		r = q ? map_set(&l->by_id, 0, id_for, q) : -ENOMEM;
	}
	return r < 0 ? r : vec_push(q, *p);
}

static int unix_load(struct model *m, struct load_images *in)
{
	struct unix_all *all = unix_all_of(m);
	struct loading l = { .model = m, .arena = &in->arena };
	int r;

	if (!all)
		return report_fail(in->report, -ENOMEM, "cannot hold the images");
	r = sk_queues_load(in, packet_note, &l);
	all->waiting = l.by_id;
	return r;
}

static int queue_take(struct model *m, struct unix_all *all, struct unix_sock *s)
{
	struct sk_queue *q = map_find(&all->waiting, 0, s->file.id);

	if (!q)
		return 0;
	s->queue = *q;
	*q = (struct sk_queue){ 0 };
	return sk_queue_resolve(m, &s->queue);
}

static int unix_plan(struct model *m, struct report *rep)
{
	struct unix_all *all = unix_all_of(m);
	char text[UNIX_TEXT_MAX];

	if (!all)
		return report_fail(rep, -ENOMEM, "cannot plan the sockets");
	unix_for_each(s, all)
	{
		if (queue_take(m, all, s) < 0)
			return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
					     "%s: a file in its queue is not there",
					     unix_text(s, text));
		s->peer = unix_find(m, s->peer_ino);
		if (s->peer_ino && (!s->peer || s->peer == s) && !unix_is_dgram(s))
			return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
					     "%s: its peer %u is not there", unix_text(s, text),
					     s->peer_ino);
	}
	return 0;
}

static int unix_create(struct env *env, struct file *f, int *ret_fd)
{
	struct unix_all *all = unix_all_of(env->model);
	int r = all ? 0 : -ENOMEM;

	if (r == 0 && !all->is_made)
		r = unix_make_all(env);
	if (r < 0)
		return r;
	if (f->made_fd < 0)
		return report_fail(env->report, -EBADF, "the socket was not made");
	*ret_fd = fd_take(&f->made_fd);
	return 0;
}

static int unix_settle(struct env *env, struct file *f, int fd)
{
	(void)fd;
	return unix_fill_rest(env, unix_sock_of(f));
}

/* Our own ends are closed here and in every task when it begins to run. */
static int unix_finish(struct env *env)
{
	unix_for_each(s, unix_all_of(env->model))
	{
		fd_close(fd_take(&s->helper));
		fd_close(fd_take(&s->server));
		fd_close(fd_take(&s->place));
	}
	return 0;
}

static void unix_done(struct file *f)
{
	struct unix_sock *s = unix_sock_of(f);

	sk_queue_done(&s->queue);
	mem_free(s->name_dir);
	mem_free(s->path);
}

const struct file_kind file_kind_unix_socket = {
	.name = "unix_socket",
	.about = "unix sockets with their names, connections and queues",
	.tag = FD_TYPES__UNIXSK,
	.size = sizeof(struct unix_sock),
	.match = unix_match,
	.collect = unix_collect,
	.resolve = unix_resolve,
	.encode = unix_encode,
	.write = unix_write,
	.load = unix_load,
	.decode = unix_decode,
	.plan = unix_plan,
	.create = unix_create,
	.link = unix_fill_all,
	.settle = unix_settle,
	.finish = unix_finish,
	.done = unix_done,
	.extra_done = unix_all_done,
};
