/* What a terminal is set to (ioctl_tty(2)), and tty-info.img. */
#include <errno.h>
#include <string.h>

#include "image/reader.h"
#include "image/writer.h"
#include "kernel/sys.h"
#include "object/file/tty_common.h"
#include "schema/tty.pb-c.h"

/* Control characters in images: as many numbers as the kernel has characters, but the characters
 * themselves are the bytes of the first of these numbers. The rest is whatever CRIU left there. */
#define N_CC 19
_Static_assert(sizeof(((struct termios2 *)0)->c_cc) == N_CC, "control characters");

/* ---- the terminal ---- */

/* -ENOTTY: this kind of terminal has no such state. */
static int flag_read(int fd, unsigned long request, bool *ret)
{
	int value = 0, r = sys_ioctl_ptr(fd, request, &value);

	*ret = r >= 0 && value;
	return r == -ENOTTY ? 0 : r;
}

int tty_info_read(int fd, struct tty *tty)
{
	int r = flag_read(fd, TIOCGEXCL, &tty->exclusive);

	if (r >= 0 && tty->type == TTY_PTY)
		r = flag_read(fd, TIOCGPKT, &tty->packet);
	if (r >= 0 && tty->type == TTY_PTY)
		r = flag_read(fd, TIOCGPTLCK, &tty->locked);
	if (r >= 0)
		r = sys_ioctl_ptr(fd, TCGETS2, &tty->termios);
	if (r >= 0)
		r = sys_ioctl_ptr(fd, TIOCGLCKTRMIOS, &tty->termios_locked);
	if (r >= 0)
		r = sys_ioctl_ptr(fd, TIOCGWINSZ, &tty->winsize);
	tty->is_set = r >= 0;
	return r == -EIO || r >= 0 ? 0 : r; /* EIO: hung up */
}

int tty_info_apply(struct env *env, const struct tty *tty, int fd)
{
	struct tty old = { 0 };
	int r;

	if (!tty->is_set)
		return 0;
	old = *tty;
	r = sys_ioctl_ptr(fd, TIOCGLCKTRMIOS, &old.termios_locked);
	/* Locking needs CAP_SYS_ADMIN in the initial user namespace, and hardly anybody does it. */
	if (r >= 0 &&
	    memcmp(&old.termios_locked, &tty->termios_locked, sizeof(struct termios)) != 0) {
		old.termios_locked = tty->termios_locked;
		r = tty_ioctl(fd, TIOCSLCKTRMIOS, &old.termios_locked);
	}
	if (r >= 0)
		r = tty_ioctl(fd, TCSETS2, &old.termios);
	if (r >= 0)
		r = tty_ioctl(fd, TIOCSWINSZ, &old.winsize);
	return r < 0 ? report_fail(env->report, r, "cannot set terminal %u up", tty->id) : 0;
}

/* ---- images ---- */

static TermiosEntry *termios_encode(const struct termios2 *t, struct arena *a)
{
	TermiosEntry *e = ARENA_NEW(a, TermiosEntry);
	uint32_t *cc = ARENA_ARRAY(a, uint32_t, N_CC);

	if (!e || !cc)
		return NULL;
	termios_entry__init(e);
	e->c_iflag = t->c_iflag;
	e->c_oflag = t->c_oflag;
	e->c_cflag = t->c_cflag;
	e->c_lflag = t->c_lflag;
	e->c_line = t->c_line;
	e->c_ispeed = t->c_ispeed;
	e->c_ospeed = t->c_ospeed;
	memcpy(cc, t->c_cc, sizeof(t->c_cc));
	e->n_c_cc = N_CC;
	e->c_cc = cc;
	return e;
}

static bool termios_decode(const TermiosEntry *e, struct termios2 *ret)
{
	if (e->n_c_cc < N_CC)
		return false;
	*ret = (struct termios2){ .c_iflag = e->c_iflag,
				  .c_oflag = e->c_oflag,
				  .c_cflag = e->c_cflag,
				  .c_lflag = e->c_lflag,
				  .c_line = (cc_t)e->c_line,
				  .c_ispeed = e->c_ispeed,
				  .c_ospeed = e->c_ospeed };
	memcpy(ret->c_cc, e->c_cc, sizeof(ret->c_cc));
	return true;
}

static int settings_encode(const struct tty *tty, struct arena *a, TtyInfoEntry *e)
{
	e->termios = termios_encode(&tty->termios, a);
	e->termios_locked = termios_encode(&tty->termios_locked, a);
	e->winsize = ARENA_NEW(a, WinsizeEntry);
	if (a->failed)
		return -ENOMEM;
	winsize_entry__init(e->winsize);
	e->winsize->ws_row = tty->winsize.ws_row;
	e->winsize->ws_col = tty->winsize.ws_col;
	e->winsize->ws_xpixel = tty->winsize.ws_xpixel;
	e->winsize->ws_ypixel = tty->winsize.ws_ypixel;
	return 0;
}

static int info_write(const struct tty *tty, struct image_writer *w)
{
	scoped(arena_done) struct arena a = { 0 };
	TtyPtyEntry pty = TTY_PTY_ENTRY__INIT;
	TtyInfoEntry e = TTY_INFO_ENTRY__INIT;
	int r = tty->is_set ? settings_encode(tty, &a, &e) : 0;

	e.id = tty->id;
	e.type = (TtyType)tty->type;
	e.locked = tty->locked;
	e.exclusive = tty->exclusive;
	e.packet_mode = tty->packet;
	e.sid = (uint32_t)tty->sid;
	e.pgrp = (uint32_t)tty->pgrp;
	e.rdev = tty->rdev;
	e.has_dev = e.has_uid = e.has_gid = true;
	e.dev = tty->dev;
	e.uid = tty->uid;
	e.gid = tty->gid;
	if (tty->type == TTY_PTY) {
		pty.index = tty->index;
		e.pty = &pty;
	}
	return r < 0 ? r : image_write(w, &e.base);
}

int tty_infos_write(struct ttys *all, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct image_error err = { 0 };
	int r = image_writer_create(out->dir, IMAGE_TTY_INFO, IMAGE_ONE, &err, &w);

	vec_for_each(t, &all->all)
		if (r == 0)
			r = info_write(*t, w);
	if (r == 0)
		r = image_writer_finish(w);
	return r < 0 ? images_write_failed(out->report, r, &err) : 0;
}

static int info_decode(struct ttys *all, const TtyInfoEntry *e)
{
	struct tty t = { .id = e->id,
			 .type = (enum tty_type)e->type,
			 .locked = e->locked,
			 .exclusive = e->exclusive,
			 .packet = e->packet_mode,
			 .sid = (pid_t)e->sid,
			 .pgrp = (pid_t)e->pgrp,
			 .rdev = e->rdev,
			 .dev = e->has_dev ? e->dev : 0,
			 .has_owner = e->has_uid && e->has_gid,
			 .uid = e->uid,
			 .gid = e->gid };
	struct tty *added;

	if (e->type <= TTY_TYPE__UNKNOWN || e->type > TTY_TYPE__SERIAL ||
	    (t.type == TTY_PTY && (!e->pty || e->pty->index > INT32_MAX)))
		return -EUCLEAN;
	if (t.type == TTY_PTY) {
		t.index = e->pty->index;
		t.is_master = e->id & 1;
	}
	if (e->termios && e->termios_locked && e->winsize) {
		if (!termios_decode(e->termios, &t.termios) ||
		    !termios_decode(e->termios_locked, &t.termios_locked))
			return -EUCLEAN;
		t.winsize = (struct winsize){ .ws_row = (unsigned short)e->winsize->ws_row,
					      .ws_col = (unsigned short)e->winsize->ws_col,
					      .ws_xpixel = (unsigned short)e->winsize->ws_xpixel,
					      .ws_ypixel = (unsigned short)e->winsize->ws_ypixel };
		t.is_set = true;
	}
	return tty_add(all, &t, &added);
}

int tty_infos_load(struct ttys *all, struct load_images *in)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	int r = image_reader_open(in->dir, IMAGE_TTY_INFO, IMAGE_ONE, &err, &reader);

	if (r == -ENOENT)
		return 0;
	while (r >= 0 && (r = image_read(reader, &in->arena, &msg)) > 0) {
		const TtyInfoEntry *e = (const TtyInfoEntry *)msg;

		r = info_decode(all, e);
		if (r == -EUCLEAN || r == -EEXIST)
			r = image_reader_fail(reader, -EUCLEAN, "terminal %u cannot be as it says",
					      e->id);
	}
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}
