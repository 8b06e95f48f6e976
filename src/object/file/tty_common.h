#pragma once
/*
 * Terminals: one struct tty for each side that was met, however many files it is opened by. A
 * pseudo terminal has two sides, master and slave, of the same index.
 *
 *	tty.c		the kind: files of terminals, who makes them
 *	tty_info.c	what a terminal is set to; tty-info.img
 *	tty_data.c	what was written and not read yet; tty-data.img
 *	tty_make.c	making ptys again
 */
#include <asm/termbits.h>
#include <sys/ioctl.h>

#include "object/collect.h"
#include "object/env.h"
#include "object/file/path_common.h"

struct tty;

struct tty_file {
	struct file file;
	struct tty *tty;         /* borrowed */
	struct path_file *place; /* borrowed; NULL for external ones */
	uint32_t info_id;        /* restore */
	uint32_t place_id;       /* restore; 0: none */
};

/* As images number them. */
enum tty_type {
	TTY_UNKNOWN,
	TTY_PTY,
	TTY_CONSOLE,
	TTY_VT,
	TTY_CTTY, /* opened as /dev/tty */
	TTY_EXT,
	TTY_SERIAL,
};

struct tty {
	uint32_t id;
	enum tty_type type;
	bool is_master;
	uint32_t index; /* of a pty */
	bool locked, exclusive, packet;
	pid_t sid, pgrp; /* in the tree; 0: it controls nobody */
	uint32_t rdev, dev;
	bool has_owner;
	uint32_t uid, gid;
	bool is_set; /* the next three are known: else it is hung up */
	struct termios2 termios, termios_locked;
	struct winsize winsize;
	uint32_t real_rdev; /* dump: what tasks have it as their controlling terminal by */

	const uint8_t *data; /* read from this side, in an arena */
	size_t n_data;

	struct {
		VEC(struct tty_file *);
	} files;
	struct tty *pair; /* the other side; NULL when nobody in the tree has it open */
	bool is_paired;
};

/* The kind's extra. */
struct ttys {
	struct {
		VEC(struct tty *);
	} all;
	struct map by_id; /* (0, id) */
};

static inline struct tty_file *tty_file_of(struct file *f)
{
	return container_of(f, struct tty_file, file);
}

/* Those of a model; NULL when out of memory. */
struct ttys *ttys_of(struct model *m);
/* A new one under its id, owned by the list. -EEXIST, -ENOMEM. */
int tty_add(struct ttys *all, const struct tty *like, struct tty **ret) nodiscard;
/* Ties the sides of ptys to each other. */
void ttys_pair(struct ttys *all);
/* A slave whose master is outside of the tree: somebody else's terminal. */
bool tty_is_outside(const struct tty *tty);
/* "tty[RDEV:DEV]", what external ones are called by. */
void tty_key(const struct tty *tty, char *buf, size_t len);
/* Runs ioctl(2) with SIGTTOU blocked, so that a background caller is not stopped by its own
 * terminal. -errno. */
int tty_ioctl(int fd, unsigned long request, void *arg) nodiscard;

/* ---- tty_info.c ---- */

/* What a terminal is set to, through any descriptor of that side. 0, or -errno; a hung up one is
 * left without settings. */
int tty_info_read(int fd, struct tty *tty) nodiscard;
/* Gives it back: locked settings, settings, size. */
int tty_info_apply(struct env *env, const struct tty *tty, int fd) nodiscard;
/* tty-info.img. Reported. */
int tty_infos_write(struct ttys *all, struct dump_images *out) nodiscard;
int tty_infos_load(struct ttys *all, struct load_images *in) nodiscard;

/* ---- tty_data.c ---- */

/* Reads what waits on both sides of each pty and puts it back; writes tty-data.img. Reported. */
int tty_data_write(struct collect *c, struct ttys *all, struct dump_images *out) nodiscard;
int tty_data_load(struct ttys *all, struct load_images *in) nodiscard;
/* Fills a fresh pty: descriptors of its master and of a slave opened without blocking. Leaves the
 * settings changed. -errno. */
int tty_data_put(const struct tty *master, const struct tty *slave, int master_fd,
		 int slave_fd) nodiscard;

/* ---- tty_make.c ---- */

/* Makes all files of both sides of a pty. Reported. */
int pty_make(struct env *env, struct tty *tty) nodiscard;
