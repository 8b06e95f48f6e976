/*
 * What was written to one side of a pty and not yet read from the other. It cannot be looked at
 * without being read, so it is read and at once written again, the tasks being frozen; that is done
 * only where both sides are in the tree.
 *
 * The slave's line discipline would work on what passes (echo, signals, editing), so it is told not
 * to meanwhile. In canonical mode lines must arrive as lines: they are received in that mode with
 * every special character disabled. A slave's unfinished line is read by leaving that mode.
 *
 * Not covered: marks of end-of-file among the data, and output that was stopped (TCOOFF).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/reader.h"
#include "image/writer.h"
#include "kernel/sys.h"
#include "object/file/tty_common.h"
#include "schema/tty.pb-c.h"

#define DATA_MAX (256 << 10) /* more than the kernel keeps */
#define CHUNK    4096

/* ---- moving bytes ---- */

static bool is_ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return sys_poll(&pfd, 1, 0) > 0 && (pfd.revents & events);
}

/* All that can be read without waiting, into the arena. */
static int side_drain(int fd, struct arena *a, struct tty *side)
{
	struct {
		VEC(uint8_t);
	} bytes = { 0 };
	int r = 0;

	while (r == 0 && bytes.n < DATA_MAX && is_ready(fd, POLLIN)) {
		ssize_t n;

		r = vec_reserve(&bytes, CHUNK);
		n = r < 0 ? r : read(fd, bytes.at + bytes.n, CHUNK);
		if (n <= 0)
			break;
		bytes.n += (size_t)n;
	}
	side->data = bytes.n ? arena_dup(a, bytes.at, bytes.n) : NULL;
	side->n_data = side->data ? bytes.n : 0;
	if (r == 0 && bytes.n && !side->data)
		r = -ENOMEM;
	vec_done(&bytes);
	return r;
}

static int side_fill(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n;

		if (!is_ready(fd, POLLOUT))
			return -EAGAIN;
		n = write(fd, data, MIN(len, (size_t)256));
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Waits until the line discipline has taken what the master wrote: a worker of the kernel does it,
 * with the settings of that moment. */
static void slave_wait_received(int slave_fd, size_t readable)
{
	int waiting = 0;

	for (int tries = 0; tries < 50; tries++) {
		bool done = sys_ioctl_ptr(slave_fd, FIONREAD, &waiting) < 0 ||
			    (size_t)waiting >= readable;

		(void)is_ready(slave_fd,
			       POLLIN); /* makes the kernel hurry where nothing is there */
		(void)usleep(200);
		if (done)
			return;
	}
}

/* How much of it can be read in canonical mode: whole lines. */
static size_t lines_len(const uint8_t *data, size_t len)
{
	while (len > 0 && data[len - 1] != '\n')
		len--;
	return len;
}

/* The settings under which bytes pass unchanged. */
static void settings_quiet(struct termios2 *t, bool canonical)
{
	t->c_iflag = 0;
	t->c_oflag = 0;
	t->c_lflag = canonical ? ICANON : 0;
	memset(t->c_cc, 0, sizeof(t->c_cc));
	t->c_cc[VMIN] = 1;
}

int tty_data_put(const struct tty *master, const struct tty *slave, int master_fd, int slave_fd)
{
	struct termios2 t;
	int r = sys_ioctl_ptr(slave_fd, TCGETS2, &t);
	bool canonical = slave->is_set && (slave->termios.c_lflag & ICANON);

	settings_quiet(&t, canonical);
	if (r >= 0)
		r = tty_ioctl(slave_fd, TCSETS2, &t);
	if (r >= 0 && master->n_data)
		r = side_fill(slave_fd, master->data, master->n_data);
	if (r >= 0 && slave->n_data)
		r = side_fill(master_fd, slave->data, slave->n_data);
	if (r >= 0 && slave->n_data)
		slave_wait_received(slave_fd, canonical ? lines_len(slave->data, slave->n_data)
							: slave->n_data);
	return r < 0 ? r : 0;
}

/* ---- dump ---- */

static int pty_read(struct tty *master, struct tty *slave, int master_fd, int slave_fd,
		    struct arena *a)
{
	int off = 0, on = 1, r = 0, back, again;
	struct termios2 t = slave->termios;

	/* Packets would begin with a byte of their own. */
	if (master->packet)
		r = sys_ioctl_ptr(master_fd, TIOCPKT, &off);
	if (r >= 0)
		r = side_drain(master_fd, a, master);
	settings_quiet(&t, false);
	if (r >= 0)
		r = tty_ioctl(slave_fd, TCSETS2, &t);
	if (r >= 0)
		r = side_drain(slave_fd, a, slave);
	back = tty_data_put(master, slave, master_fd, slave_fd);
	t = slave->termios;
	again = tty_ioctl(slave_fd, TCSETS2, &t);
	if (back == 0)
		back = again;
	if (master->packet) {
		again = sys_ioctl_ptr(master_fd, TIOCPKT, &on);
		if (back == 0)
			back = again;
	}
	return r < 0 ? r : MIN(back, 0);
}

static int pty_collect_data(struct collect *c, struct tty *master, struct arena *a)
{
	const struct file *f = &master->files.at[0]->file;
	scoped(fd_close) int master_fd = -EBADF;
	scoped(fd_close) int slave_fd = -EBADF;
	int r = file_borrow_fd(f, &master_fd);

	REPORT_FRAME(c->report, "task %d: fd %d (tty)", f->task->host_pid, f->fd);
	if (r == 0) {
		/* A description of our own, that may be told not to block. */
		slave_fd = sys_ioctl(master_fd, TIOCGPTPEER,
				     O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		r = slave_fd < 0 ? slave_fd : 0;
	}
	if (r == 0)
		r = pty_read(master, master->pair, master_fd, slave_fd, a);
	return r < 0 ? report_fail(c->report, r, "cannot read what waits in the terminal") : 0;
}

static int data_write(struct image_writer *w, const struct tty *side)
{
	TtyDataEntry e = TTY_DATA_ENTRY__INIT;

	if (!side->n_data)
		return 0;
	e.tty_id = side->id;
	e.data.data = (uint8_t *)side->data;
	e.data.len = side->n_data;
	return image_write(w, &e.base);
}

int tty_data_write(struct collect *c, struct ttys *all, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct image_error err = { 0 };
	bool any = false;
	int r = 0;

	vec_for_each(at, &all->all) {
		struct tty *t = *at;

		/* A locked one cannot be opened once more. */
		if (!t->is_master || !t->is_paired || !t->pair->is_set || t->locked)
			continue;
		r = pty_collect_data(c, t, &c->arena);
		if (r < 0)
			return r;
		any |= t->n_data || t->pair->n_data;
	}
	if (!any)
		return 0;
	r = image_writer_create(out->dir, IMAGE_TTY_DATA, IMAGE_ONE, &err, &w);
	vec_for_each(t, &all->all)
		if (r == 0)
			r = data_write(w, *t);
	if (r == 0)
		r = image_writer_finish(w);
	return r < 0 ? images_write_failed(c->report, r, &err) : 0;
}

/* ---- restore ---- */

int tty_data_load(struct ttys *all, struct load_images *in)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	int r = image_reader_open(in->dir, IMAGE_TTY_DATA, IMAGE_ONE, &err, &reader);

	if (r == -ENOENT)
		return 0;
	while (r >= 0 && (r = image_read(reader, &in->arena, &msg)) > 0) {
		const TtyDataEntry *e = (const TtyDataEntry *)msg;
		struct tty *t = map_find(&all->by_id, 0, e->tty_id);

		if (!t) {
			r = image_reader_fail(reader, -EUCLEAN,
					      "data of terminal %u, which is not there", e->tty_id);
			continue;
		}
		t->data = e->data.data;
		t->n_data = e->data.len;
	}
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}
