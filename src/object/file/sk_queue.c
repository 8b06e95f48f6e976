/* Receive queues of unix sockets. See sk_queue.h. */
#include "object/file/sk_queue.h"

#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "image/reader.h"
#include "image/writer.h"
#include "kernel/sys.h"
#include "object/file/sk_common.h"
#include "schema/sk-packet.pb-c.h"

#define RIGHTS_MAX   253 /* SCM_MAX_FD */
#define CONTROL_ROOM 2048
#define DGRAM_ROOM   65536
#ifndef SCM_PIDFD /* Linux 6.5 */
#define SCM_PIDFD 0x04
#endif

static_assert(CMSG_SPACE(RIGHTS_MAX * sizeof(int)) + 256 < CONTROL_ROOM, "all fits");

void sk_queue_done(struct sk_queue *q)
{
	vec_done(q);
}

void sk_held_done(struct sk_held *h)
{
	vec_for_each(fd, h)
		fd_close(*fd);
	vec_done(h);
}

/* ---- reading ---- */

/* One look at a place of the queue. */
struct look {
	ssize_t len;
	bool is_cut, has_cred;
	struct sk_cred cred;
	int fds[RIGHTS_MAX]; /* owned until taken */
	size_t n_fds;
	uint8_t sender[SK_NAME_MAX];
	size_t sender_len;
};

static void look_done(struct look *l)
{
	for (size_t i = 0; i < l->n_fds; i++)
		fd_close(l->fds[i]);
	l->n_fds = 0;
}
SCOPED_OBJECT(struct look, look_done);

static void control_read(struct look *l, const struct cmsghdr *cm)
{
	size_t len = cm->cmsg_len - CMSG_LEN(0);
	struct ucred cred;
	int fd;

	if (cm->cmsg_level != SOL_SOCKET)
		return;
	if (cm->cmsg_type == SCM_RIGHTS) {
		l->n_fds = MIN(len / sizeof(int), (size_t)RIGHTS_MAX);
		memcpy(l->fds, CMSG_DATA(cm), l->n_fds * sizeof(int));
	} else if (cm->cmsg_type == SCM_CREDENTIALS && len >= sizeof(cred)) {
		memcpy(&cred, CMSG_DATA(cm), sizeof(cred));
		l->has_cred = true;
		l->cred = (struct sk_cred){ (uint32_t)cred.pid, cred.uid, cred.gid };
	} else if (cm->cmsg_type == SCM_PIDFD && len >= sizeof(fd)) {
		memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
		fd_close(fd);
	}
}

static int queue_look(int fd, void *buf, size_t room, struct look *l)
{
	char control[CONTROL_ROOM] __attribute__((aligned(sizeof(size_t))));
	struct iovec iov = { .iov_base = buf, .iov_len = room };
	struct sockaddr_un from = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control),
			      .msg_name = &from,
			      .msg_namelen = sizeof(from) };
	ssize_t n = sys_recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	size_t before = offsetof(struct sockaddr_un, sun_path);

	memset(l, 0, sizeof(*l));
	if (n < 0)
		return (int)n;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm))
		control_read(l, cm);
	l->len = n;
	l->is_cut = msg.msg_flags & MSG_TRUNC;
	if (msg.msg_namelen > before) {
		l->sender_len = MIN(msg.msg_namelen - before, sizeof(l->sender));
		memcpy(l->sender, from.sun_path, l->sender_len);
	}
	return msg.msg_flags & MSG_CTRUNC ? -EMSGSIZE : 0;
}

struct reading {
	struct collect *c;
	struct task *task;
	int fd;
	bool is_stream;
	int at; /* the peek offset */
	struct sk_held *held;
	struct sk_queue *q;
	uint8_t *buf;
	size_t room;
};

static int peek_set(const struct reading *rd, int at)
{
	return sk_set_int(rd->fd, SOL_SOCKET, SO_PEEK_OFF, at);
}

static int files_take(struct reading *rd, struct look *l, struct sk_packet *p)
{
	p->files = ARENA_ARRAY(&rd->c->arena, struct file *, l->n_fds + 1);
	if (!p->files)
		return report_fail(rd->c->report, -ENOMEM, "cannot note files in flight");
	for (; p->n_files < l->n_fds; p->n_files++) {
		int fd = l->fds[p->n_files];
		int r = collect_queue_file(rd->c, rd->task, fd, &p->files[p->n_files]);

		if (r < 0)
			return r;
		p->files[p->n_files]->in_queue = true;
		if (p->files[p->n_files]->queue_fd != fd ||
		    p->files[p->n_files]->fd != FILE_USER_QUEUE)
			continue;
		r = vec_push(rd->held, fd);
		if (r < 0)
			return report_fail(rd->c->report, r, "cannot note files in flight");
		l->fds[p->n_files] = -EBADF;
	}
	return 0;
}

static int packet_add(struct reading *rd, const uint8_t *bytes, size_t len, struct look *l)
{
	struct arena *a = &rd->c->arena;
	struct sk_packet p = { .len = (uint32_t)len,
			       .has_cred = l->has_cred && l->cred.pid,
			       .cred = l->cred,
			       .sender_len = l->sender_len };
	int r;

	p.bytes = arena_alloc(a, len + 1, 1);
	p.sender = arena_dup(a, l->sender, sizeof(l->sender));
	if (!p.bytes || !p.sender)
		return report_fail(rd->c->report, -ENOMEM, "cannot hold what is in a queue");
	memcpy(p.bytes, bytes, len);
	r = l->n_fds ? files_take(rd, l, &p) : 0;
	if (r < 0)
		return r;
	r = vec_push(rd->q, p);
	return r < 0 ? report_fail(rd->c->report, r, "cannot hold what is in a queue") : 0;
}

/* 1 when there may be more. */
static int queue_step(struct reading *rd)
{
	scoped(look_done) struct look l = { 0 };
	int r = queue_look(rd->fd, rd->buf, rd->room, &l);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return report_fail(rd->c->report, r, "cannot look at what waits in a socket");
	if (rd->is_stream && !l.len)
		return 0;
	/* The end of a connection is told without credentials, which every message has now. */
	if (!l.len && !l.has_cred)
		return 0;
	if (!rd->is_stream && (l.is_cut || (size_t)l.len > rd->room)) {
		mem_free(rd->buf);
		rd->room = (size_t)l.len;
		rd->buf = mem_alloc(1, rd->room);
		r = rd->buf ? peek_set(rd, rd->at) : -ENOMEM;
		return r < 0 ? report_fail(rd->c->report, r, "cannot hold a message") : 1;
	}
	r = packet_add(rd, rd->buf, (size_t)l.len, &l);
	rd->at += (int)l.len;
	return r < 0 ? r : 1;
}

static int queue_steps(struct reading *rd)
{
	int waiting = 0, r;

	rd->room = DGRAM_ROOM;
	/* All bytes at once, so that no message with files is cut. */
	if (rd->is_stream && sys_ioctl_ptr(rd->fd, FIONREAD, &waiting) == 0)
		rd->room = MAX(rd->room, (size_t)waiting + 1);
	rd->buf = mem_alloc(1, rd->room);
	if (!rd->buf)
		return report_fail(rd->c->report, -ENOMEM, "cannot hold what is in a queue");
	do {
		r = queue_step(rd);
	} while (r > 0);
	mem_free(rd->buf);
	return r;
}

int sk_queue_read(struct collect *c, struct task *t, int fd, bool is_stream, struct sk_held *held,
		  struct sk_queue *ret)
{
	struct reading rd = {
		.c = c, .task = t, .fd = fd, .is_stream = is_stream, .held = held, .q = ret
	};
	int peek_off = -1, passcred = 0, r, back;

	r = sk_get_int(fd, SOL_SOCKET, SO_PEEK_OFF, &peek_off);
	if (r == 0)
		r = sk_get_int(fd, SOL_SOCKET, SO_PASSCRED, &passcred);
	if (r == 0)
		r = peek_set(&rd, 0);
	if (r == 0)
		r = sk_set_int(fd, SOL_SOCKET, SO_PASSCRED, 1);
	if (r < 0)
		return report_fail(c->report, r, "cannot prepare to look into a queue");
	r = queue_steps(&rd);
	back = sk_set_int(fd, SOL_SOCKET, SO_PASSCRED, passcred);
	if (back == 0)
		back = peek_set(&rd, peek_off);
	return r < 0 || back == 0
		       ? r
		       : report_fail(c->report, back, "cannot set a socket back as it was");
}

/* ---- images ---- */

static int packet_write(struct image_writer *out, uint32_t id_for, const struct sk_packet *p)
{
	scoped(arena_done) struct arena a = { 0 };
	SkPacketEntry e = SK_PACKET_ENTRY__INIT;
	ScmEntry scm = SCM_ENTRY__INIT, *scms[] = { &scm };
	SkCredEntry cred = SK_CRED_ENTRY__INIT;
	int r;

	e.id_for = id_for;
	e.length = p->len;
	if (p->n_files) {
		scm.type = SCM_RIGHTS;
		scm.rights = ARENA_ARRAY(&a, uint32_t, p->n_files);
		if (!scm.rights)
			return -ENOMEM;
		for (size_t i = 0; i < p->n_files; i++)
			scm.rights[scm.n_rights++] = p->files[i]->id;
		e.scm = scms;
		e.n_scm = 1;
	}
	if (p->has_cred) {
		cred.pid = p->cred.pid;
		cred.uid = p->cred.uid;
		cred.gid = p->cred.gid;
		e.cred = &cred;
	}
	e.has_sender = p->sender_len != 0;
	e.sender = (ProtobufCBinaryData){ .len = p->sender_len, .data = p->sender };
	r = image_write(out, &e.base);
	return r == 0 && p->len ? image_write_raw(out, p->bytes, p->len) : r;
}

int sk_queue_write(struct image_writer *out, uint32_t id_for, const struct sk_queue *q)
{
	vec_for_each(p, q) {
		int r = packet_write(out, id_for, p);

		if (r < 0)
			return r;
	}
	return 0;
}

static int packet_decode(struct image_reader *in, struct arena *a, const SkPacketEntry *e,
			 struct sk_packet *p)
{
	const ScmEntry *scm = e->n_scm ? e->scm[0] : NULL;

	if (e->length > image_left(in))
		return image_reader_fail(in, -EUCLEAN, "a message has %u bytes, more than follow",
					 e->length);
	if (e->n_scm > 1 || (scm && (scm->type != SCM_RIGHTS || scm->n_rights > RIGHTS_MAX)))
		return image_reader_fail(in, -EUCLEAN, "control messages that cannot be");
	if (e->has_sender && e->sender.len > SK_NAME_MAX)
		return image_reader_fail(in, -EUCLEAN, "the name of a sender has %zu bytes",
					 e->sender.len);
	*p = (struct sk_packet){
		.len = e->length,
		.bytes = arena_alloc(a, (size_t)e->length + 1, 1),
		.ids = scm ? scm->rights : NULL,
		.n_files = scm ? scm->n_rights : 0,
		.files = ARENA_ARRAY(a, struct file *, (scm ? scm->n_rights : 0) + 1),
		.has_cred = e->cred,
		.sender = e->has_sender ? e->sender.data : NULL,
		.sender_len = e->has_sender ? e->sender.len : 0,
	};
	if (e->cred)
		p->cred = (struct sk_cred){ e->cred->pid, e->cred->uid, e->cred->gid };
	if (!p->bytes || !p->files)
		return -ENOMEM;
	return image_read_raw(in, p->bytes, p->len);
}

int sk_queues_load(struct load_images *in, sk_packet_fn fn, void *ctx)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	int r = image_reader_open(in->dir, IMAGE_SK_QUEUES, IMAGE_ONE, &err, &reader);

	if (r == -ENOENT)
		return 0;
	while (r >= 0 && (r = image_read(reader, &in->arena, &msg)) > 0) {
		const SkPacketEntry *e = (const SkPacketEntry *)msg;
		struct sk_packet p;

		r = packet_decode(reader, &in->arena, e, &p);
		if (r == 0)
			r = fn(ctx, e->id_for, &p);
	}
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}

/* ---- sending ---- */

int sk_queue_resolve(const struct model *m, struct sk_queue *q)
{
	vec_for_each(p, q)
		for (size_t i = 0; i < p->n_files; i++) {
			p->files[i] = model_file(m, p->ids[i]);
			if (!p->files[i])
				return -EUCLEAN;
			p->files[i]->in_queue = true;
		}
	return 0;
}

/* What goes with a message, and the descriptors that were fetched for it. */
struct freight {
	char control[CONTROL_ROOM] __attribute__((aligned(sizeof(size_t))));
	size_t len;
	int owned[RIGHTS_MAX];
	size_t n_owned;
};

static void freight_done(struct freight *f)
{
	while (f->n_owned)
		fd_close(f->owned[--f->n_owned]);
}
SCOPED_OBJECT(struct freight, freight_done);

static void freight_add(struct freight *f, int type, const void *data, size_t len)
{
	struct cmsghdr *cm = (struct cmsghdr *)(f->control + f->len);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), data, len);
	f->len += CMSG_SPACE(len);
}

static int freight_load(struct env *env, const struct sk_packet *p, struct freight *f)
{
	const struct ucred cred = { (pid_t)p->cred.pid, p->cred.uid, p->cred.gid };
	int fds[RIGHTS_MAX];

	for (size_t i = 0; i < p->n_files; i++) {
		bool owned = false;
		int r;

		if (p->files[i]->maker && !env->task)
			return -EBADF;
		r = env_file_fd(env, p->files[i], &fds[i], &owned);
		if (r < 0)
			return r;
		if (owned)
			f->owned[f->n_owned++] = fds[i];
	}
	if (p->n_files)
		freight_add(f, SCM_RIGHTS, fds, p->n_files * sizeof(int));
	if (p->has_cred)
		freight_add(f, SCM_CREDENTIALS, &cred, sizeof(cred));
	return 0;
}

int sk_packet_send(struct env *env, int fd, const struct sk_packet *p)
{
	scoped(freight_done) struct freight f = { .len = 0 };
	struct iovec iov = { .iov_base = p->bytes, .iov_len = p->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int r = freight_load(env, p, &f);
	ssize_t n;

	if (r < 0)
		return r;
	msg.msg_control = f.len ? f.control : NULL;
	msg.msg_controllen = f.len;
	n = sys_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return (int)n;
	/* A stream may take a part. */
	while ((size_t)n < p->len) {
		ssize_t more = sys_sendto(fd, p->bytes + n, p->len - (size_t)n,
					  MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);

		if (more <= 0)
			return more < 0 ? (int)more : -EIO;
		n += more;
	}
	return 0;
}
