/*
 * Terminals: pseudo terminals (both sides, with what waits in them), /dev/tty, consoles, serial
 * lines, and terminals of somebody outside (--external tty[RDEV:DEV], --shell-job).
 *
 *	pty		broker: under the index it had; a slave without a master in the tree was
 *hung up, or is outside: then the terminal of stasis takes its place /dev/tty	the task that has
 *it, which has its controlling terminal by then others		broker: by path
 *
 * A controlling terminal belongs to a session: its leader takes it right after setsid(2), so that
 * its children inherit it (task->ctty). The foreground group is set when all groups exist.
 *
 * Not covered: BSD ptys, line disciplines other than N_TTY, modem lines, --orphan-pts-master.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/major.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/check.h"
#include "object/file/file_common.h"
#include "object/file/tty_common.h"
#include "schema/fdinfo.pb-c.h"

/* The numbers that images have where a pty has its index. */
#define CONSOLE_INDEX 1002
#define VT_INDEX      1004
#define CTTY_INDEX    1006
#define SERIAL_INDEX  1010
#define EXT_INDEX     1013
#define FREE_INDEX    2048

#define LOW_DENSITY_SERIAL_MAJOR 204
#define USB_TTY_MAJOR            188
#define SERIAL_MINOR             64 /* of TTY_MAJOR: from here on */

/* ---- the list ---- */

struct ttys *ttys_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_tty);

	if (extra && !*extra)
		*extra = NEW(struct ttys);
	return extra ? *extra : NULL;
}

static void ttys_done(void *extra)
{
	struct ttys *all = extra;

	vec_for_each(t, &all->all) {
		vec_done(&(*t)->files);
		mem_free(*t);
	}
	vec_done(&all->all);
	map_done(&all->by_id);
	mem_free(all);
}

int tty_add(struct ttys *all, const struct tty *like, struct tty **ret)
{
	struct tty *t;
	int r;

	if (map_find(&all->by_id, 0, like->id))
		return -EEXIST;
	t = mem_dup(like, sizeof(*like));
	if (!t)
		return -ENOMEM;
	r = vec_push(&all->all, t);
	if (r < 0) {
		mem_free(t);
		return r;
	}
	*ret = t;
	return map_set(&all->by_id, 0, t->id, t);
}

void ttys_pair(struct ttys *all)
{
	vec_for_each(m, &all->all)
		vec_for_each(s, &all->all)
			if ((*m)->type == TTY_PTY && (*s)->type == TTY_PTY && (*m)->is_master &&
			    !(*s)->is_master && (*m)->index == (*s)->index && (*m)->files.n &&
			    (*s)->files.n) {
				(*m)->pair = *s;
				(*s)->pair = *m;
				(*m)->is_paired = (*s)->is_paired = true;
			}
}

bool tty_is_outside(const struct tty *tty)
{
	return tty->type == TTY_PTY && !tty->is_master && !tty->is_paired && tty->is_set;
}

void tty_key(const struct tty *tty, char *buf, size_t len)
{
	(void)snprintf(buf, len, "tty[%" PRIx32 ":%" PRIx32 "]", tty->rdev, tty->dev);
}

int tty_ioctl(int fd, unsigned long request, void *arg)
{
	const uint64_t ttou = UINT64_C(1) << (SIGTTOU - 1);
	uint64_t old;
	int r = sys_rt_sigprocmask(SIG_BLOCK, &ttou, &old), back;

	if (r < 0)
		return r;
	r = sys_ioctl_ptr(fd, request, arg);
	back = sys_rt_sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? r : back;
}

static const struct external *policy_find(const struct external *list, unsigned n,
					  const struct tty *tty)
{
	char key[48];

	tty_key(tty, key, sizeof(key));
	for (unsigned i = 0; i < n; i++)
		if (strcmp(list[i].key, key) == 0)
			return &list[i];
	return NULL;
}

/* ---- dump ---- */

static bool rdev_classify(dev_t rdev, struct tty *ret)
{
	unsigned ma = major(rdev), mi = minor(rdev);

	ret->real_rdev = (uint32_t)rdev;
	ret->index = mi;
	if (ma == TTYAUX_MAJOR && mi == 0)
		ret->type = TTY_CTTY;
	else if (ma == TTYAUX_MAJOR && mi == 1)
		ret->type = TTY_CONSOLE;
	else if (ma == TTY_MAJOR)
		ret->type = mi < SERIAL_MINOR ? TTY_VT : TTY_SERIAL;
	else if (ma == USB_TTY_MAJOR || ma == LOW_DENSITY_SERIAL_MAJOR)
		ret->type = TTY_SERIAL;
	else if ((ma == TTYAUX_MAJOR && mi == 2) ||
		 (ma >= UNIX98_PTY_MASTER_MAJOR &&
		  ma < UNIX98_PTY_MASTER_MAJOR + UNIX98_PTY_MAJOR_COUNT))
		ret->type = TTY_PTY;
	else if (ma == UNIX98_PTY_SLAVE_MAJOR)
		ret->type = TTY_PTY;
	else
		return false;
	ret->is_master = ret->type == TTY_PTY && ma != UNIX98_PTY_SLAVE_MAJOR;
	return true;
}

static bool tty_match(const struct fd_view *v)
{
	struct tty t = { 0 };

	return S_ISCHR(v->st->st_mode) && v->link[0] == '/' && rdev_classify(v->st->st_rdev, &t);
}

static uint32_t tty_new_id(const struct ttys *all, const struct tty *t)
{
	static const uint32_t index[] = { [TTY_CONSOLE] = CONSOLE_INDEX,
					  [TTY_VT] = VT_INDEX,
					  [TTY_CTTY] = CTTY_INDEX,
					  [TTY_SERIAL] = SERIAL_INDEX,
					  [TTY_EXT] = EXT_INDEX };
	uint32_t id = (t->type == TTY_PTY ? t->index : index[t->type]) << 1 | t->is_master;

	if (map_find(&all->by_id, 0, id))
		id = FREE_INDEX << 1 | t->is_master;
	while (map_find(&all->by_id, 0, id))
		id += 2;
	return id;
}

/* What the descriptor itself says: the number of a master, the terminal behind /dev/tty. */
static int tty_identify(struct collect *c, const struct fd_view *v, struct tty *t)
{
	unsigned number = 0, dev = 0;
	int r = 0;

	(void)rdev_classify(v->st->st_rdev, t); /* matched */
	t->rdev = (uint32_t)v->st->st_rdev;
	t->dev = (uint32_t)v->st->st_dev;
	t->has_owner = true;
	t->uid = v->st->st_uid;
	t->gid = v->st->st_gid;
	if (policy_find(c->policy->externals, c->policy->n_externals, t)) {
		t->type = TTY_EXT;
		t->is_master = false;
		return 0;
	}
	if (t->is_master)
		r = sys_ioctl_ptr(v->fd, TIOCGPTN, &number);
	if (r >= 0 && t->is_master) {
		t->index = number;
		t->real_rdev = (uint32_t)makedev(UNIX98_PTY_SLAVE_MAJOR, number);
	}
	if (t->type == TTY_CTTY && sys_ioctl_ptr(v->fd, TIOCGDEV, &dev) >= 0)
		t->real_rdev = dev;
	return r < 0 ? report_fail(c->report, r, "cannot tell which pseudo terminal it is") : 0;
}

static struct tty *tty_find(const struct ttys *all, const struct tty *t)
{
	vec_for_each(at, &all->all) {
		struct tty *known = *at;

		if (known->type == t->type && known->is_master == t->is_master &&
		    known->real_rdev == t->real_rdev && known->dev == t->dev)
			return known;
	}
	return NULL;
}

/* The name alone: there is nothing to look at behind it, and a hung up slave has none any more. */
static int place_add(struct collect *c, const struct file *f, const struct fd_view *v,
		     struct path_file **ret)
{
	static const char deleted[] = " (deleted)";
	struct file *p = file_new(file_kinds[FILE_KIND_reg]);
	size_t len = strlen(v->link);
	int r = p ? model_add_file_take(c->model, p) : -ENOMEM;

	if (len > sizeof(deleted) - 1 &&
	    strcmp(v->link + len - (sizeof(deleted) - 1), deleted) == 0)
		len -= sizeof(deleted) - 1;
	if (r == 0) {
		char *name = mem_dup(v->link, len + 1);

		if (name)
			name[len] = '\0';
		path_file_of(p)->name = name;
		r = name ? 0 : -ENOMEM;
	}
	if (r < 0)
		return report_fail(c->report, r, "cannot note a terminal's name");
	p->task = f->task;
	p->fd = f->fd;
	p->flags = f->flags;
	p->fown = f->fown;
	p->mnt_id = f->mnt_id;
	p->dev = f->dev;
	p->ino = f->ino;
	p->mode = f->mode;
	*ret = path_file_of(p);
	return 0;
}

static int tty_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct ttys *all = ttys_of(c->model);
	struct tty_file *tf = tty_file_of(f);
	struct tty t = { 0 };
	int r = all ? tty_identify(c, v, &t) : -ENOMEM;

	if (r < 0)
		return r;
	tf->tty = tty_find(all, &t);
	if (!tf->tty) {
		r = tty_info_read(v->fd, &t);
		if (r < 0)
			return report_fail(c->report, r, "cannot read how %s is set up", v->link);
		t.id = tty_new_id(all, &t);
		r = tty_add(all, &t, &tf->tty);
	}
	if (r == 0)
		r = vec_push(&tf->tty->files, tf);
	if (r < 0)
		return report_fail(c->report, r, "cannot note a terminal");
	return tf->tty->type == TTY_EXT ? 0 : place_add(c, f, v, &tf->place);
}

static pid_t group_in_tree(const struct model *m, pid_t host_pgrp)
{
	struct task *t;

	task_for_each(t, m)
		if (!list_is_empty(&t->threads) && live_thread_of(task_leader(t)) &&
		    live_thread_of(task_leader(t))->stat.pgrp == host_pgrp)
			return t->pgid;
	return host_pgrp > 0 ? host_pgrp : 0;
}

/* Whom it controls: the tasks say. */
static void tty_find_session(const struct model *m, struct tty *tty)
{
	struct task *t;

	if (!tty->is_set)
		return;
	task_for_each(t, m) {
		const struct live_thread *lt =
			list_is_empty(&t->threads) ? NULL : live_thread_of(task_leader(t));

		if (!lt || !lt->stat.tty_nr || (uint32_t)lt->stat.tty_nr != tty->real_rdev)
			continue;
		tty->sid = t->sid;
		tty->pgrp = group_in_tree(m, lt->stat.tty_pgrp);
		if (t->sid == t->pid)
			return;
	}
}

static bool ctty_is_outside(const struct ttys *all, const struct tty *ctty)
{
	if (ctty->type != TTY_CTTY || major(ctty->real_rdev) != UNIX98_PTY_SLAVE_MAJOR)
		return false;
	vec_for_each(at, &all->all) {
		const struct tty *t = *at;

		if ((t->type == TTY_EXT || t->is_master) && t->real_rdev == ctty->real_rdev)
			return false;
	}
	return true;
}

static int tty_resolve(struct collect *c, struct file *f)
{
	struct ttys *all = ttys_of(c->model);
	struct tty *t = tty_file_of(f)->tty;
	char key[48], remedy[240];

	ttys_pair(all);
	tty_find_session(c->model, t);
	if (c->policy->shell_job || (!tty_is_outside(t) && !ctty_is_outside(all, t)))
		return 0;
	tty_key(t, key, sizeof(key));
	(void)snprintf(remedy, sizeof(remedy),
		       "use --shell-job, or --external '%s' and --inherit-fd with the same key at "
		       "the restore, or redirect the program's input and output",
		       key);
	return report_refuse_with(c->report, -ENOTSUP, CODE_TTY_OUTSIDE, remedy,
				  "%s is a terminal whose other end is outside of the tree",
				  tty_file_of(f)->place->name);
}

static int tty_encode(const struct file *f, struct file_record *out)
{
	const struct tty_file *tf = container_of(f, const struct tty_file, file);
	TtyFileEntry *te = ARENA_NEW(out->arena, TtyFileEntry);

	if (!te)
		return -ENOMEM;
	tty_file_entry__init(te);
	te->id = f->id;
	te->tty_info_id = tf->tty->id;
	te->flags = f->flags;
	te->fown = fown_encode(&f->fown, out->arena);
	te->has_regf_id = tf->place != NULL;
	te->regf_id = tf->place ? tf->place->file.id : 0;
	out->fe->tty = te;
	return te->fown ? 0 : -ENOMEM;
}

static int tty_write(struct collect *c, struct dump_images *out)
{
	struct ttys *all = ttys_of(c->model);
	int r = tty_infos_write(all, out);

	return r < 0 ? r : tty_data_write(c, all, out);
}

/* ---- restore ---- */

static int tty_load(struct model *m, struct load_images *in)
{
	struct ttys *all = ttys_of(m);
	int r = all ? tty_infos_load(all, in) : report_fail(in->report, -ENOMEM, "cannot load");

	return r < 0 ? r : tty_data_load(all, in);
}

static int tty_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const TtyFileEntry *te = in->fe->tty;
	struct tty_file *tf = tty_file_of(f);
	struct ttys *all = ttys_of(m);

	if (!te || !all)
		return te ? -ENOMEM : -EUCLEAN;
	f->flags = te->flags;
	f->fown = fown_decode(te->fown);
	tf->tty = map_find(&all->by_id, 0, te->tty_info_id);
	if (!tf->tty)
		return -EUCLEAN;
	if (te->has_regf_id) {
		tf->place = path_file_find(m, te->regf_id);
		if (!tf->place)
			return -EUCLEAN;
		tf->place->file.is_name_only = true;
	}
	if (!tf->place && tf->tty->type != TTY_EXT)
		return -EUCLEAN;
	return vec_push(&tf->tty->files, tf);
}

/* Ours, for somebody who was at the terminal of his shell. */
static int check_outside(struct check *k, const struct tty *t)
{
	if (!k->policy->shell_job)
		return report_refuse(k->report, -ENOTSUP, CODE_TTY_OUTSIDE,
				     "terminal %u had its other end outside of the tree", t->id);
	if (!isatty(STDIN_FILENO))
		return report_refuse_with(k->report, -ENOTTY, CODE_TTY_OUTSIDE,
					  "restore it from a terminal",
					  "our standard input is no terminal that could take the "
					  "place of terminal %u",
					  t->id);
	return 0;
}

static int tty_check(struct check *k, struct file *f)
{
	const struct tty *t = tty_file_of(f)->tty;
	char key[48];

	if (ttys_of(k->model))
		ttys_pair(ttys_of(k->model));
	if (tty_is_outside(t))
		return check_outside(k, t);
	if (t->type != TTY_EXT || policy_find(k->policy->inherits, k->policy->n_inherits, t))
		return 0;
	tty_key(t, key, sizeof(key));
	return report_refuse_with(k->report, -ENOENT, CODE_EXTERNAL,
				  "give it with --inherit-fd fd[N]:KEY",
				  "nothing was given for the external terminal %s", key);
}

/* The leader of a session takes it; its file is any of the terminal's, a slave where there is one.
 */
static void session_plan(struct model *m, const struct tty *t)
{
	struct task *leader = t->sid > 0 ? model_task(m, t->sid) : NULL;

	if (!leader || leader->sid != leader->pid || !t->files.n || t->type == TTY_CTTY ||
	    (leader->ctty && t->is_master))
		return;
	leader->ctty = &t->files.at[0]->file;
	leader->ctty_pgrp = t->pgrp;
}

static int tty_plan(struct model *m, struct report *rep)
{
	struct ttys *all = ttys_of(m);

	if (!all)
		return report_fail(rep, -ENOMEM, "cannot plan terminals");
	ttys_pair(all);
	vec_for_each(t, &all->all)
		session_plan(m, *t);
	vec_for_each(f, &m->files)
		if ((*f)->kind == file_kinds[FILE_KIND_tty] &&
		    tty_file_of(*f)->tty->type == TTY_CTTY)
			(*f)->maker = (*f)->task ? (*f)->task : m->root;
	return 0;
}

/* By its name: consoles and lines exist, /dev/tty leads to what the task has. */
static int simple_make(struct env *env, struct tty_file *tf, int *ret_fd)
{
	int fd = path_open_beneath(env->root_fd, tf->place->name,
				   path_open_flags(tf->file.flags) | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return report_fail(env->report, fd, "cannot open %s", tf->place->name);
	*ret_fd = fd;
	return tf->tty->type == TTY_CTTY ? 0 : tty_info_apply(env, tf->tty, fd);
}

static int given_make(struct env *env, struct tty_file *tf, int given, int *ret_fd)
{
	int fd = env_reopen(env, given, path_open_flags(tf->file.flags) | O_NONBLOCK);

	if (fd < 0) /* of another mount namespace, or a pipe's other kin: then it is shared */
		fd = fd_dup_above(given, env->floor);
	if (fd < 0)
		return report_fail(env->report, fd, "cannot open the terminal once more");
	*ret_fd = fd;
	return tty_info_apply(env, tf->tty, fd);
}

static int tty_create(struct env *env, struct file *f, int *ret_fd)
{
	struct tty_file *tf = tty_file_of(f);
	scoped(fd_close) int fd = -EBADF;
	const struct external *given;
	int r;

	switch (tf->tty->type) {
	case TTY_PTY:
		if (tty_is_outside(tf->tty)) {
			r = given_make(env, tf, STDIN_FILENO, &fd);
			break;
		}
		r = pty_make(env, tf->tty);
		if (r == 0)
			*ret_fd = fd_take(&f->made_fd);
		return r;
	case TTY_EXT:
		given = policy_find(env->policy->inherits, env->policy->n_inherits, tf->tty);
		r = given ? given_make(env, tf, given->fd, &fd) : -ENOENT; /* checked */
		break;
	case TTY_UNKNOWN:
	case TTY_CONSOLE:
	case TTY_VT:
	case TTY_CTTY:
	case TTY_SERIAL:
	default:
		r = simple_make(env, tf, &fd);
	}
	if (r == 0)
		r = env_apply_common(env, f, fd, false);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/* A shell's job: it was, and is, the shell that says who is in the foreground. It did so for the
 * group of stasis; that of the tree takes its place when it is another one. */
static int tty_settle(struct env *env, struct file *f, int fd)
{
	const struct task *root = env->model->root;
	pid_t group = root->pgid;
	int r;

	if (!tty_is_outside(tty_file_of(f)->tty) || root->sid == root->pid || group != root->pid)
		return 0;
	r = tty_ioctl(fd, TIOCSPGRP, &group);
	if (r < 0)
		report_warn(env->report, CODE_SYSTEM,
			    "group %d does not come to the foreground: %s", group, strerror(-r));
	return 0;
}

const struct file_kind file_kind_tty = {
	.name = "tty",
	.about = "terminals: ptys with their contents, consoles, /dev/tty",
	.tag = FD_TYPES__TTY,
	.size = sizeof(struct tty_file),
	.match = tty_match,
	.collect = tty_collect,
	.resolve = tty_resolve,
	.encode = tty_encode,
	.write = tty_write,
	.load = tty_load,
	.decode = tty_decode,
	.check = tty_check,
	.plan = tty_plan,
	.create = tty_create,
	.settle = tty_settle,
	.extra_done = ttys_done,
};
