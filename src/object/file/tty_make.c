/*
 * Pseudo terminals made again under the index they had: openings of ptmx get the lowest free ones,
 * so others are held until it comes. A slave whose master had gone is hung up, as the kernel does
 * it when the last master descriptor is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/tty_common.h"

#define PTMX "/dev/ptmx"

/* The ptmx of the same instance: what the master was opened as, or what lies beside the slave. */
static int ptmx_open(struct env *env, const struct tty_file *tf, uint32_t flags)
{
	const char *name = tf->place ? tf->place->name : PTMX;
	int fd = -ENOENT;

	flags |= O_NOCTTY;
	if (!tf->tty->is_master && tf->place) {
		const char *slash = strrchr(name, '/');
		char beside[512];

		(void)snprintf(beside, sizeof(beside), "%.*s/ptmx", (int)(slash ? slash - name : 0),
			       name);
		fd = path_open_beneath(env->root_fd, beside, flags);
	} else {
		fd = path_open_beneath(env->root_fd, name, flags);
	}
	/* pts/ptmx has mode 000 by default, which stops nobody with privilege. */
	return fd < 0 ? path_open_beneath(env->root_fd, PTMX, flags) : fd;
}

static int master_open(struct env *env, const struct tty_file *tf, uint32_t flags, int *ret_fd)
{
	struct {
		VEC(int);
	} held = { 0 };
	uint32_t want = tf->tty->index;
	int fd, index = -1, r = 0;

	for (;;) {
		fd = ptmx_open(env, tf, flags);
		r = fd < 0 ? fd : sys_ioctl_ptr(fd, TIOCGPTN, &index);
		if (r >= 0)
			r = env_lift_fd(env, &fd);
		if (r < 0 || (uint32_t)index >= want)
			break;
		r = vec_push(&held, fd);
		if (r < 0)
			break;
	}
	vec_for_each(h, &held)
		fd_close(*h);
	vec_done(&held);
	if (r >= 0 && (uint32_t)index == want) {
		*ret_fd = fd;
		return 0;
	}
	fd_close(fd);
	if (r >= 0)
		return report_refuse_with(env->report, -EBUSY, CODE_SYSTEM,
					  "end the program that uses it, or restore with a devpts "
					  "of its own",
					  "pseudo terminal %u is in use by somebody else", want);
	return report_fail(env->report, r, "cannot open pseudo terminal %u", want);
}

/* By the name it had, if that leads to it; else through its master. */
static int slave_open(struct env *env, const struct tty_file *tf, int master, uint32_t flags)
{
	uint32_t how = path_open_flags(flags) | O_NOCTTY;
	int fd = tf->place ? path_open_beneath(env->root_fd, tf->place->name, how) : -ENOENT;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 &&
	    st.st_rdev == makedev(UNIX98_PTY_SLAVE_MAJOR, tf->tty->index))
		return fd;
	fd_close(fd);
	return sys_ioctl(master, TIOCGPTPEER,
			 (how & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC);
}

static int slave_make(struct env *env, struct tty_file *tf, int master)
{
	scoped(fd_close) int fd = slave_open(env, tf, master, tf->file.flags | O_NONBLOCK);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot open the slave of pseudo terminal %u",
				   tf->tty->index);
	r = env_apply_common(env, &tf->file, fd, false);
	return r < 0 ? r : env_deposit_take(env, &tf->file, fd_take(&fd));
}

/* Contents and settings, through a slave that is open for the purpose. */
static int pty_set_up(struct env *env, const struct tty *master, const struct tty *slave,
		      int master_fd, int slave_fd)
{
	int r = 0;

	if (master && slave && (master->n_data || slave->n_data)) {
		r = tty_data_put(master, slave, master_fd, slave_fd);
		if (r < 0)
			report_warn(env->report, CODE_SYSTEM,
				    "what waited in pseudo terminal %u is lost: %s", slave->index,
				    strerror(-r));
	}
	if (slave && slave->has_owner && fchown(slave_fd, slave->uid, slave->gid) < 0)
		return report_fail(env->report, -errno, "cannot give terminal %u to its owner",
				   slave->id);
	return tty_info_apply(env, slave ? slave : master, slave ? slave_fd : master_fd);
}

static int side_set_flags(struct env *env, const struct tty *side, int fd)
{
	int on = 1, r = 0;

	if (side->exclusive)
		r = sys_ioctl(fd, TIOCEXCL, 0);
	if (r >= 0 && side->packet)
		r = sys_ioctl_ptr(fd, TIOCPKT, &on);
	if (r >= 0 && side->is_master && side->locked)
		r = sys_ioctl_ptr(fd, TIOCSPTLCK, &on);
	return r < 0 ? report_fail(env->report, r, "cannot set terminal %u up", side->id) : 0;
}

static int slaves_make(struct env *env, const struct tty *master, struct tty *slave, int master_fd)
{
	scoped(fd_close) int fd =
		slave_open(env, slave->files.at[0], master_fd, O_RDWR | O_NONBLOCK);
	int r = fd;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot open the slave of pseudo terminal %u",
				   slave->index);
	r = pty_set_up(env, master, slave, master_fd, fd);
	vec_for_each(tf, &slave->files)
		if (r == 0)
			r = slave_make(env, *tf, master_fd);
	return r < 0 ? r : side_set_flags(env, slave, fd);
}

int pty_make(struct env *env, struct tty *tty)
{
	struct tty *master = tty->is_master ? tty : tty->pair;
	struct tty *slave = tty->is_master ? tty->pair : tty;
	struct tty_file *tf = master ? master->files.at[0] : slave->files.at[0];
	scoped(fd_close) int fd = -EBADF;
	int off = 0;
	int r = master_open(env, tf, master ? path_open_flags(tf->file.flags) : O_RDWR, &fd);

	if (r < 0)
		return r;
	r = sys_ioctl_ptr(fd, TIOCSPTLCK, &off);
	if (r < 0)
		return report_fail(env->report, r, "cannot unlock pseudo terminal %u", tty->index);
	r = slave ? slaves_make(env, master, slave, fd) : pty_set_up(env, master, NULL, fd, -EBADF);
	if (r < 0 || !master)
		return r; /* without a master: closing it now hangs the slaves up */
	r = side_set_flags(env, master, fd);
	if (r == 0)
		r = env_apply_common(env, &tf->file, fd, false);
	return r < 0 ? r : env_deposit_take(env, &tf->file, fd_take(&fd));
}
