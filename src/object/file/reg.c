/*
 * Everything that is opened by path and restored by opening the path: regular files, directories,
 * symbolic links (O_PATH), devices without a state of their own; the targets of mappings, exe, cwd
 * and root; places (O_PATH) of any kind. What has a path but a state beside it (FIFOs, terminals)
 *is another kind that has one of these beside it.
 *
 *	path_collect	a name that leads to the file	path_check	is it the same
 *	path_open	open it again			path_proc	files of tasks in procfs
 *	remap		when the name is gone		ghost		when all names are gone
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "object/file/ghost.h"
#include "object/file/path_check.h"
#include "object/file/path_proc.h"
#include "object/file/remap.h"
#include "schema/fdinfo.pb-c.h"

/* Character devices: memory and the like, the same in every opening. */
#define MEM_MAJOR  1
#define KMSG_MINOR 11

static bool device_is_known(const struct stat *st)
{
	if (!S_ISCHR(st->st_mode) || major(st->st_rdev) != MEM_MAJOR)
		return false;
	switch (minor(st->st_rdev)) {
	case 1: /* mem */
	case 3: /* null */
	case 4: /* port */
	case 5: /* zero */
	case 7: /* full */
	case 8: /* random */
	case 9: /* urandom */
	case KMSG_MINOR:
		return true;
	default:
		return false;
	}
}

static bool is_kmsg(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == MEM_MAJOR &&
	       minor(st->st_rdev) == KMSG_MINOR;
}

static bool reg_match(const struct fd_view *v)
{
	if (v->link[0] != '/')
		return false;
	switch (v->st->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
		return true;
	default:
		return v->is_opath;
	}
}

static int device_refuse(struct collect *c, const struct file *f, const struct fd_view *v)
{
	char remedy[160];

	(void)snprintf(remedy, sizeof(remedy),
		       "close it before the dump, or use --external 'file[%x:%" PRIx64 "]', and "
		       "--inherit-fd with the same key at the restore",
		       (unsigned)f->mnt_id, (uint64_t)v->st->st_ino);
	return report_refuse_with(c->report, -ENOTSUP, CODE_FILE_KIND, remedy,
				  "%s is a %s device (%u:%u) whose state cannot be read", v->link,
				  S_ISBLK(v->st->st_mode) ? "block" : "character",
				  major(v->st->st_rdev), minor(v->st->st_rdev));
}

static int reg_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	bool device = S_ISCHR(v->st->st_mode) || S_ISBLK(v->st->st_mode);
	int r = path_file_collect(c, f, v);

	if (r < 0 || !device || v->is_opath || path_file_of(f)->is_external)
		return r;
	if (!device_is_known(v->st))
		return device_refuse(c, f, v);
	/* The kernel knows no positions there but "first" and "last". */
	if (is_kmsg(v->st))
		f->pos = UINT64_MAX;
	if (is_kmsg(v->st) && (f->flags & O_ACCMODE) != O_WRONLY)
		report_warn(c->report, CODE_FILE_KIND,
			    "what was read of %s is not known: after the restore it begins with "
			    "the oldest message",
			    v->link);
	return 0;
}

static int reg_encode(const struct file *f, struct file_record *out)
{
	return path_file_encode(path_file_of_const(f), out->arena, &out->fe->reg);
}

static int reg_write(struct collect *c, struct dump_images *out)
{
	struct remaps *rs = remaps_of(c->model);
	int r;

	if (!rs)
		return report_fail(c->report, -ENOMEM, "cannot write deleted files");
	map_for_each(e, &rs->ghosts) {
		struct ghost *g = e->value;

		REPORT_FRAME(c->report, "%s", path_file_of_const(g->first)->name);
		r = ghost_write(g, out);
		if (r < 0)
			return r;
	}
	r = remaps_write(rs, out);
	return r < 0 ? r : remaps_make_links(c, rs);
}

static int reg_decode(struct model *m, struct file *f, const struct file_record *in)
{
	int r = in->fe->reg ? path_file_decode(path_file_of(f), in->fe->reg) : -EUCLEAN;

	return r < 0 ? r : remap_decode(m, path_file_of(f));
}

static int reg_check(struct check *k, struct file *f)
{
	return path_file_check(k, path_file_of(f));
}

/* Files of a live task in procfs are there when the task is: a task opens them. */
static void procfs_plan(struct model *m, struct path_file *pf)
{
	size_t len;
	pid_t pid = pf->is_external ? 0 : proc_name_pid(pf->name, &len);

	if (pid && model_task(m, pid))
		pf->file.maker = pf->file.task ? pf->file.task : m->root;
}

static int reg_plan(struct model *m, struct report *rep)
{
	int r = remaps_tie(m, rep);

	if (r < 0)
		return r;
	vec_for_each(f, &m->files)
		if ((*f)->kind == file_kinds[FILE_KIND_reg])
			procfs_plan(m, path_file_of(*f));
	return 0;
}

static int reg_create(struct env *env, struct file *f, int *ret_fd)
{
	struct path_file *pf = path_file_of(f);
	uint32_t flags = pf->is_handle ? O_PATH | O_NOFOLLOW : f->flags;
	bool as_given = !pf->is_external && path_file_inherited(env->policy, pf) >= 0;
	int fd, r = path_file_open(env, pf, flags, &fd);

	if (r < 0)
		return r;
	/* A position of -1 is how images say "none". */
	if (!(flags & O_PATH) && !as_given)
		r = env_apply_common(env, f, fd, f->pos != UINT64_MAX);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int reg_finish(struct env *env)
{
	struct remaps *rs = remaps_of(env->model);

	if (!rs)
		return 0;
	remaps_remove_links(env, rs);
	proc_stand_ins_end(rs);
	return 0;
}

static void reg_done(struct file *f)
{
	path_file_done(path_file_of(f));
}

static void reg_extra_done(void *extra)
{
	remaps_free(extra);
}

const struct file_kind file_kind_reg = {
	.name = "reg",
	.about = "regular files, directories, links and simple devices, opened by path",
	.tag = FD_TYPES__REG,
	.size = sizeof(struct path_file),
	.takes_opath = true,
	.goes_first = true,
	.match = reg_match,
	.collect = reg_collect,
	.encode = reg_encode,
	.write = reg_write,
	.load = remaps_load,
	.decode = reg_decode,
	.check = reg_check,
	.plan = reg_plan,
	.create = reg_create,
	.finish = reg_finish,
	.done = reg_done,
	.extra_done = reg_extra_done,
};
