/* Dump: meeting open files, told apart by identity, and handing them to their kinds. See collect.h.
 */
#include "object/collect.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/kcmp.h"
#include "kernel/proc/fdinfo.h"
#include "kernel/proc/maps.h"
#include "kernel/sys.h"
#include "report/log.h"

#ifndef F_GETOWNER_UIDS /* in the kernel's header only, which does not mix with libc's */
#define F_GETOWNER_UIDS 17
#endif

#define LINK_MAX_LEN 4352 /* PATH_MAX and " (deleted)" */

static const char *user_link(enum file_user user)
{
	switch (user) {
	case FILE_USER_EXE:
		return "exe";
	case FILE_USER_CWD:
		return "cwd";
	case FILE_USER_ROOT:
		return "root";
	case FILE_USER_MAP:
	case FILE_USER_QUEUE:
		break;
	}
	return NULL;
}

/* An O_PATH descriptor for a user that is no slot, and the text of its link. */
static int user_open(const struct task *t, enum file_user user, uint64_t start, uint64_t end,
		     char *link, size_t room, int *ret_fd)
{
	const struct proc_pid *p = &live_of(t)->proc;
	ssize_t n = 0;
	int fd;

	if (user == FILE_USER_MAP) {
		fd = proc_map_file_open(p, start, end, O_PATH | O_CLOEXEC);
		if (fd >= 0 && link)
			n = proc_map_file_link(p, start, end, link, room);
	} else {
		fd = proc_file_open(p, user_link(user), O_PATH | O_CLOEXEC);
		if (fd >= 0 && link)
			n = proc_link_read(p, user_link(user), link, room);
	}
	if (fd < 0)
		return fd;
	if (n < 0) {
		fd_close(fd);
		return (int)n;
	}
	*ret_fd = fd;
	return 0;
}

int file_borrow_fd(const struct file *f, int *ret_fd)
{
	int fd;

	if (f->fd == FILE_USER_QUEUE) {
		fd = fd_dup_above(f->queue_fd, 0);
		if (fd >= 0)
			*ret_fd = fd;
		return MIN(fd, 0);
	}
	if (f->fd < 0)
		return user_open(f->task, (enum file_user)f->fd, f->map_start, f->map_end, NULL, 0,
				 ret_fd);
	fd = sys_pidfd_getfd(live_of(f->task)->pidfd, f->fd, 0);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* Kinds that nothing can be done about, by the names that the kernel gives them. */
static int kind_refuse(struct collect *c, const char *link)
{
	static const struct {
		const char *link;
		enum code code;
		const char *what;
	} kinds[] = {
		{ "anon_inode:[io_uring]", CODE_IO_URING, "an io_uring instance" },
		{ "anon_inode:[userfaultfd]", CODE_FILE_KIND,
		  "a userfaultfd, whose registered ranges and pending faults cannot be read" },
		{ "anon_inode:[perf_event]", CODE_FILE_KIND, "a performance counter" },
		{ "anon_inode:bpf-prog", CODE_FILE_KIND, "a BPF program" },
		{ "anon_inode:bpf_link", CODE_FILE_KIND, "a BPF link" },
		{ "anon_inode:kvm-vm", CODE_FILE_KIND, "a virtual machine" },
		{ "anon_inode:[fscontext]", CODE_FILE_KIND, "a file system being configured" },
		{ "anon_inode:[landlock-ruleset]", CODE_FILE_KIND, "a Landlock ruleset" },
		{ "anon_inode:seccomp notify", CODE_FILE_KIND, "a seccomp listener" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(link, kinds[i].link) == 0)
			return report_refuse(c->report, -ENOTSUP, kinds[i].code, "%s is %s", link,
					     kinds[i].what);
	return report_refuse(c->report, -ENOTSUP, CODE_FILE_KIND,
			     "%s is of a kind that is not built yet", link);
}

/* A new file of the kind that wants it. The view's descriptor stays the caller's. */
static int file_meet(struct collect *c, const struct fd_view *v, struct file **ret)
{
	for (unsigned i = 0; i < FILE_KIND_MAX; i++) {
		struct file *f;
		int r;

		if ((v->is_opath && !file_kinds[i]->takes_opath) || !file_kinds[i]->match(v))
			continue;
		f = file_new(file_kinds[i]);
		if (!f)
			return report_fail(c->report, -ENOMEM, "cannot note an open file");
		f->dev = v->st->st_dev;
		f->ino = v->st->st_ino;
		f->mode = v->st->st_mode;
		r = model_add_file_take(c->model, f);
		if (r < 0)
			return report_fail(c->report, r, "cannot note an open file");
		*ret = f;
		return 0;
	}
	return kind_refuse(c, v->link);
}

static int file_view(struct collect *c, int fd, const char *link, struct stat *st,
		     struct fd_view *ret)
{
	struct statfs sfs;

	if (fstat(fd, st) < 0 || fstatfs(fd, &sfs) < 0)
		return report_fail(c->report, -errno, "cannot look at %s", link);
	*ret = (struct fd_view){
		.fd = fd, .st = st, .link = link, .fs_magic = (uint64_t)sfs.f_type & UINT32_MAX
	};
	return 0;
}

/* ---- descriptors
 * --------------------------------------------------------------------------------------------- */

struct fdinfo_ctx {
	struct collect *c;
	struct file *f;
};

static int slot_line(void *arg, const char *key, const char *value)
{
	struct fdinfo_ctx *ctx = arg;

	return ctx->f->kind->fdinfo(ctx->c, ctx->f, key, value);
}

static int slot_owner(struct collect *c, struct file *f, int fd)
{
	uint32_t uids[2] = { 0, 0 };
	struct f_owner_ex ex;
	int r;

	r = sys_fcntl_ptr(fd, F_GETOWN_EX, &ex);
	if (r < 0)
		return r == -EBADF || r == -EINVAL
			       ? 0
			       : report_fail(c->report, r, "cannot read its owner");
	r = sys_fcntl(fd, F_GETSIG, 0);
	if (r > 0)
		f->fown.signum = (uint32_t)r;
	if (ex.pid == 0)
		return 0;
	f->fown.pid = (uint32_t)ex.pid;
	f->fown.pid_type = (uint32_t)ex.type;
	r = sys_fcntl_ptr(fd, F_GETOWNER_UIDS, uids);
	if (r < 0)
		return report_fail(c->report, r, "cannot read its owner's ids");
	f->fown.uid = uids[0];
	f->fown.euid = uids[1];
	return 0;
}

/* Where an open file is met: a slot of a live task, or a descriptor of ours that came out of a
 * queue. */
struct meeting {
	struct task *task;           /* whose file it is */
	const struct proc_pid *proc; /* the table that fd is a number of */
	pid_t pid;
	int fd;
	bool ours;
};

static int meeting_fetch(const struct meeting *m)
{
	if (m->ours)
		return fd_dup_above(m->fd, 0);
	return sys_pidfd_getfd(live_of(m->task)->pidfd, m->fd, 0);
}

static void meeting_note(const struct meeting *m, const struct proc_fdinfo *info, struct file *f)
{
	f->task = m->task;
	f->fd = m->ours ? FILE_USER_QUEUE : m->fd;
	f->queue_fd = m->ours ? m->fd : -EBADF;
	f->in_slots = !m->ours;
	f->flags = info->flags & ~(uint32_t)O_CLOEXEC;
	f->pos = info->pos;
	f->mnt_id = info->mnt_id;
}

static int slot_meet(struct collect *c, const struct meeting *m, const struct proc_fdinfo *info,
		     struct file **ret)
{
	scoped(fd_close) int copy = meeting_fetch(m);
	struct proc_fdinfo again;
	char link[LINK_MAX_LEN];
	struct fd_view view;
	struct stat st;
	struct file *f;
	int r;

	if (copy < 0)
		return report_fail(c->report, copy, "cannot fetch the descriptor");
	r = (int)proc_fd_link(m->proc, m->fd, link, sizeof(link));
	if (r < 0)
		return report_fail(c->report, r, "cannot read its link");
	r = file_view(c, copy, link, &st, &view);
	if (r < 0)
		return r;
	view.is_opath = info->flags & O_PATH;
	r = file_meet(c, &view, &f);
	if (r < 0)
		return r;

	meeting_note(m, info, f);
	if (!(f->flags & O_PATH))
		r = slot_owner(c, f, copy);
	if (r == 0 && f->kind->fdinfo) {
		struct fdinfo_ctx ctx = { .c = c, .f = f };

		r = proc_fdinfo_read(m->proc, m->fd, &c->text, slot_line, &ctx, &again);
		if (r < 0 && !report_first(c->report))
			r = report_fail(c->report, r, "cannot read its fdinfo");
	}
	if (r == 0 && f->kind->collect)
		r = f->kind->collect(c, f, &view);
	f->is_refused = r < 0;
	*ret = f;
	return r;
}

/* What identity keeps of a file: a place for the pointer, filled once its kind took it. */
struct first_slot {
	struct file *file;
};

static struct first_slot *identity_slot(struct collect *c)
{
	return ARENA_NEW(&c->arena, struct first_slot);
}

static int file_identify(struct collect *c, const struct meeting *m, struct file **ret,
			 bool *ret_cloexec)
{
	struct first_slot *first;
	struct proc_fdinfo info;
	void *known = NULL;
	size_t n_locks = c->locks.n;
	uint64_t generation;
	struct stat st;
	int r, locked;

	r = proc_fdinfo_read(m->proc, m->fd, &c->text, collect_lock_line, c, &info);
	if (r == 0)
		r = proc_fd_stat(m->proc, m->fd, &st);
	if (r < 0)
		return report_fail(c->report, r, "cannot read its fdinfo");

	*ret_cloexec = info.flags & O_CLOEXEC;
	generation = (st.st_dev * UINT64_C(0x9e3779b97f4a7c15)) ^ (st.st_ino << 20) ^ info.pos ^
		     ((uint64_t)(info.flags & ~(uint32_t)O_CLOEXEC) << 40);
	first = identity_slot(c);
	if (!first)
		return report_fail(c->report, -ENOMEM, "cannot note an open file");
	r = identity_find_or_add(&c->files, generation,
				 (struct handle){ .pid = m->pid, .fd = m->fd }, first, &known);
	if (r < 0)
		return report_fail(c->report, r, "cannot tell open files apart");
	if (known) {
		*ret = ((struct first_slot *)known)->file;
		/* Refused, and reported, when it was met first. */
		if (!*ret || (*ret)->is_refused)
			return -ENOTSUP;
		return collect_locks_keep(c, n_locks, m->task, m->fd, *ret, false);
	}
	r = slot_meet(c, m, &info, &first->file);
	*ret = first->file;
	locked = collect_locks_keep(c, n_locks, m->task, m->fd, first->file, true);
	return r < 0 ? r : locked;
}

int collect_slot_file(struct collect *c, struct task *t, int fd, struct file **ret,
		      bool *ret_cloexec)
{
	const struct meeting m = {
		.task = t, .proc = &live_of(t)->proc, .pid = t->host_pid, .fd = fd
	};

	REPORT_FRAME(c->report, "fd %d", fd);
	return file_identify(c, &m, ret, ret_cloexec);
}

int collect_queue_file(struct collect *c, struct task *t, int fd, struct file **ret)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	struct meeting m = { .task = t, .proc = &self, .fd = fd, .ours = true };
	bool cloexec;
	int r = proc_pid_open(0, &self);

	if (r < 0)
		return report_fail(c->report, r, "cannot look at our own descriptors");
	m.pid = getpid();
	REPORT_FRAME(c->report, "a descriptor in flight");
	return file_identify(c, &m, ret, &cloexec);
}

struct handle file_handle(const struct file *f)
{
	if (f->fd == FILE_USER_QUEUE)
		return (struct handle){ .pid = getpid(), .fd = f->queue_fd };
	return (struct handle){ .pid = f->task->host_pid, .fd = f->fd };
}

int collect_file_cmp(void *ctx, struct handle a, struct handle b, int *ret_order)
{
	(void)ctx;
	return kcmp_order(KCMP_FILE,
			  (struct kcmp_ref){ .pid = a.pid, .index = (unsigned long)a.fd },
			  (struct kcmp_ref){ .pid = b.pid, .index = (unsigned long)b.fd },
			  ret_order);
}

/* ---- mapped files, cwd, root, exe
 * ---------------------------------------------------------------------------- */

static uint32_t user_flags(enum file_user user, const struct vma *v)
{
	switch (user) {
	case FILE_USER_MAP:
		return v->shared && (v->vm_flags & PROC_VMFLAG_MAYWRITE) ? O_RDWR : O_RDONLY;
	case FILE_USER_CWD:
	case FILE_USER_ROOT:
		return O_DIRECTORY | O_RDONLY;
	case FILE_USER_EXE:
	case FILE_USER_QUEUE:
		break;
	}
	return O_RDONLY;
}

static int path_file_meet(struct collect *c, struct task *t, enum file_user user,
			  const struct vma *v, const struct fd_view *view, struct file **ret)
{
	struct file *f;
	int r = file_meet(c, view, &f);

	if (r < 0)
		return r;
	f->task = t;
	f->fd = user;
	f->flags = user_flags(user, v);
	if (v) {
		f->map_start = v->start;
		f->map_end = v->end;
	}
	*ret = f;
	r = f->kind->collect ? f->kind->collect(c, f, view) : 0;
	f->is_refused = r < 0;
	return r;
}

/* One file for all users of one inode under one name with the same flags: other names of it (hard
 * links, mounts) show in /proc/PID/maps, too. `name` without " (deleted)", which comes and goes. */
static uint64_t path_key(uint64_t dev, uint32_t flags, const char *name)
{
	static const char deleted[] = " (deleted)";
	size_t len = name ? strlen(name) : 0;
	uint64_t h = dev ^ (uint64_t)flags << 48;

	if (len > sizeof(deleted) - 1 && strcmp(name + len - (sizeof(deleted) - 1), deleted) == 0)
		len -= sizeof(deleted) - 1;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	return h;
}

int collect_path_file(struct collect *c, struct task *t, enum file_user user, const struct vma *v,
		      struct file **ret)
{
	uint32_t flags = user_flags(user, v);
	scoped(fd_close) int fd = -EBADF;
	char link[LINK_MAX_LEN];
	struct fd_view view;
	struct stat st;
	struct file *f;
	uint64_t key;
	int r;

	/* Many mappings have one file: smaps' numbers save opening it again. */
	if (v && v->ino) {
		f = map_find(&c->paths, path_key(v->dev, flags, v->name), v->ino);
		if (f) {
			*ret = f;
			return 0;
		}
	}
	r = user_open(t, user, v ? v->start : 0, v ? v->end : 0, link, sizeof(link), &fd);
	if (r < 0)
		return report_fail(c->report, r, "cannot open its %s",
				   user == FILE_USER_MAP ? "mapped file" : user_link(user));
	r = file_view(c, fd, link, &st, &view);
	if (r < 0)
		return r;
	key = v ? path_key(v->dev, flags, v->name) : path_key(st.st_dev, flags, link);
	if (!v) {
		f = map_find(&c->paths, key, st.st_ino);
		if (f) {
			*ret = f;
			return 0;
		}
	}
	r = path_file_meet(c, t, user, v, &view, &f);
	if (r < 0)
		return r;
	r = map_set(&c->paths, key, v ? v->ino : st.st_ino, f);
	if (r < 0)
		return report_fail(c->report, r, "cannot note an open file");
	*ret = f;
	return 0;
}

struct shmem *collect_shmem(struct collect *c, struct task *t, const struct vma *v)
{
	struct shmem *s = map_find(&c->model->shmem_by_ino, v->dev, v->ino);
	struct stat st;

	if (!s) {
		s = model_add_shmem(c->model, 0);
		if (!s || map_set(&c->model->shmem_by_ino, v->dev, v->ino, s) < 0)
			return NULL;
		s->dev = v->dev;
		s->ino = v->ino;
		s->task = t;
		s->at = v->start;
		/* More than anybody maps, when a part was unmapped. */
		s->has_size = proc_map_file_stat(&live_of(t)->proc, v->start, v->end, &st) == 0;
		if (s->has_size)
			s->size = (uint64_t)st.st_size;
	}
	if (!s->has_size)
		s->size = MAX(s->size, v->pgoff + (v->end - v->start));
	return s;
}
