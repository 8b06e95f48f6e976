/*
 * Namespaces held open: /proc/PID/ns/NAME, opened (nsfs). Images name them by the ids that tasks
 * have them under, so it must be a namespace that a task of the tree lives in; it is opened again
 * through such a task, when all exist.
 *
 * Not covered: namespaces that only this descriptor keeps alive.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/proc/dir.h"
#include "kernel/proc/ns.h"
#include "kernel/scan.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "schema/fdinfo.pb-c.h"

struct nsf {
	struct file file;
	enum ns_type type;
	const struct ns *ns; /* dump */
	uint32_t ns_id;      /* restore */
};

/* In the order of enum ns_type. */
static const enum proc_ns proc_types[NS_MAX] = {
	[NS_PID] = PROC_NS_PID,       [NS_NET] = PROC_NS_NET,   [NS_IPC] = PROC_NS_IPC,
	[NS_UTS] = PROC_NS_UTS,       [NS_MNT] = PROC_NS_MNT,   [NS_USER] = PROC_NS_USER,
	[NS_CGROUP] = PROC_NS_CGROUP, [NS_TIME] = PROC_NS_TIME,
};

static struct nsf *nsf_of(struct file *f)
{
	return container_of(f, struct nsf, file);
}

/* ---- dump ---- */

static bool link_parse(const char *link, enum ns_type *ret_type, uint64_t *ret_ino)
{
	for (enum ns_type type = 0; type < NS_MAX; type++) {
		if (proc_ns_parse(link, strlen(link), proc_types[type], ret_ino) < 0)
			continue;
		*ret_type = type;
		return true;
	}
	return false;
}

static bool nsf_match(const struct fd_view *v)
{
	enum ns_type type;
	uint64_t ino;

	return v->link[0] != '/' && link_parse(v->link, &type, &ino);
}

static int nsf_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct nsf *n = nsf_of(f);
	uint64_t ino;

	if (!link_parse(v->link, &n->type, &ino))
		return -EINVAL;
	vec_for_each(ns, &c->model->nss)
		if ((*ns)->type == n->type && (*ns)->ino == ino)
			n->ns = *ns;
	if (n->ns)
		return 0;
	return report_refuse_with(c->report, -ENOTSUP, CODE_NS_NESTED, "close it before the dump",
				  "%s is a namespace that no task of the tree lives in", v->link);
}

static int nsf_encode(const struct file *f, struct file_record *out)
{
	const struct nsf *n = container_of(f, const struct nsf, file);
	NsFileEntry *ne = ARENA_NEW(out->arena, NsFileEntry);

	if (!ne)
		return -ENOMEM;
	ns_file_entry__init(ne);
	ne->id = f->id;
	ne->ns_id = n->ns->id;
	ne->ns_cflag = (uint32_t)proc_ns_flag(proc_types[n->type]);
	ne->flags = f->flags;
	out->fe->nsf = ne;
	return 0;
}

/* ---- restore ---- */

static int nsf_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const NsFileEntry *ne = in->fe->nsf;

	if (!ne)
		return -EUCLEAN;
	f->flags = ne->flags;
	nsf_of(f)->ns_id = ne->ns_id;
	for (enum ns_type type = 0; type < NS_MAX; type++) {
		if ((uint32_t)proc_ns_flag(proc_types[type]) != ne->ns_cflag)
			continue;
		nsf_of(f)->type = type;
		return 0;
	}
	return -EUCLEAN;
}

/* A live task that is in the namespace; NULL when the model does not know who is. */
static const struct task *nsf_inhabitant(const struct model *m, const struct nsf *n)
{
	struct task *t;

	task_for_each(t, m)
		if (!t->is_helper && t->state != TASK_DEAD && t->ns[n->type] &&
		    t->ns[n->type]->id == n->ns_id)
			return t;
	return NULL;
}

static int nsf_plan(struct model *m, struct report *rep)
{
	vec_for_each(at, &m->files) {
		struct file *f = *at;

		if (f->kind != file_kinds[FILE_KIND_nsf])
			continue;
		if (!nsf_inhabitant(m, nsf_of(f)) && m->nss.n)
			return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
					     "file %u is a %s namespace that no task lives in",
					     f->id, proc_ns_link(proc_types[nsf_of(f)->type]));
		f->maker = f->task ? f->task : m->root;
	}
	return 0;
}

static int nsf_create(struct env *env, struct file *f, int *ret_fd)
{
	const struct task *t = nsf_inhabitant(env->model, nsf_of(f));
	char path[64];
	int fd;

	/* A tree without namespaces of its own lives in those of its maker. */
	(void)snprintf(path, sizeof(path), "proc/%d/ns/%s", t ? t->pid : env->task->pid,
		       proc_ns_link(proc_types[nsf_of(f)->type]));
	fd = sys_openat(env->root_fd, path, (int)(f->flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC,
			0);
	if (fd < 0)
		return report_fail(env->report, fd, "cannot open /%s", path);
	*ret_fd = fd;
	return 0;
}

const struct file_kind file_kind_nsf = {
	.name = "nsf",
	.about = "namespaces held open (/proc/PID/ns/*)",
	.tag = FD_TYPES__NS,
	.size = sizeof(struct nsf),
	.match = nsf_match,
	.collect = nsf_collect,
	.encode = nsf_encode,
	.decode = nsf_decode,
	.plan = nsf_plan,
	.create = nsf_create,
};
