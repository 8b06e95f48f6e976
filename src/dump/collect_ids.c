/*
 * Identity, the step this project grew from: for every live task the ids of its mm, fs, files,
 * sighand (and io context and SysV undo list), told apart through model/identity with kcmp as the
 * order, and the ids of its namespaces, told apart by the inodes of /proc/PID/ns. Objects become
 * objects of the model that tasks share; ids count from 1; dead tasks have none. What sharing or
 * nesting the restore cannot bring back is refused here, by name.
 */
#include <string.h>
#include <sys/stat.h>

#include "dump/dump_int.h"
#include "kernel/kcmp.h"
#include "kernel/proc/dir.h"
#include "report/log.h"

static const enum kcmp_type kobj_kcmp[KOBJ_MAX] = {
	[KOBJ_VM] = KCMP_VM,           [KOBJ_FS] = KCMP_FS, [KOBJ_FILES] = KCMP_FILES,
	[KOBJ_SIGHAND] = KCMP_SIGHAND, [KOBJ_IO] = KCMP_IO, [KOBJ_SYSVSEM] = KCMP_SYSVSEM,
};

static int kobj_cmp(void *ctx, struct handle a, struct handle b, int *ret_order)
{
	return kcmp_order(*(const enum kcmp_type *)ctx, (struct kcmp_ref){ .pid = a.pid },
			  (struct kcmp_ref){ .pid = b.pid }, ret_order);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	return (h ^ v) * UINT64_C(0x100000001b3);
}

/* What /proc shows for free and what is equal for equal objects. */
static uint64_t kobj_generation(const struct task *t, enum kobj_type type)
{
	const struct live_thread *live = live_thread_of(task_leader(t));
	const struct proc_stat *st = &live->stat;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	switch (type) {
	case KOBJ_VM:
		h = mix(mix(mix(h, st->start_code), st->start_stack), st->start_brk);
		return mix(mix(h, st->arg_start), st->vsize);
	case KOBJ_FS:
		return mix(h, live->status.umask);
	case KOBJ_SIGHAND:
		return mix(mix(h, live->status.sig_ignored), live->status.sig_caught);
	case KOBJ_FILES:
	case KOBJ_IO:
	case KOBJ_SYSVSEM:
	case KOBJ_MAX:
		break;
	}
	return h;
}

/* What kcmp gives for one type of object: a tree of the tasks met first with each, and a counter of
 * ids. */
struct kobj_ids {
	struct identity first;
	uint32_t last_id;
};

/* The task met first with the object that `t` has: t itself when it is new, and then it gets a
 * fresh id. */
static int kobj_find(struct dump *d, struct task *t, enum kobj_type type, struct kobj_ids *ids,
		     struct task **ret_first)
{
	void *known;
	int r = identity_find_or_add(&ids->first, kobj_generation(t, type),
				     (struct handle){ .pid = t->host_pid, .fd = -1 }, t, &known);

	if (r == -ESRCH)
		return report_refuse(d->report, r, CODE_DYING, "it ended in the middle");
	if (r < 0)
		return report_fail(d->report, r, "cannot compare kernel objects");
	*ret_first = known ? known : t;
	t->kobj_id[type] = known ? (*ret_first)->kobj_id[type] : ++ids->last_id;
	return 0;
}

static int task_attach_mm(struct dump *d, struct task *t, struct task *first)
{
	t->mm = first->mm ? first->mm : model_add_mm(&d->model, t->kobj_id[KOBJ_VM], t);
	if (t->mm)
		t->mm->users++;
	return t->mm ? 0 : -ENOMEM;
}

static int task_attach_fs(struct dump *d, struct task *t, struct task *first)
{
	t->fs = first->fs ? first->fs : model_add_fs(&d->model, t->kobj_id[KOBJ_FS], t);
	if (t->fs)
		t->fs->users++;
	return t->fs ? 0 : -ENOMEM;
}

static int task_attach_files(struct dump *d, struct task *t, struct task *first)
{
	t->fdtable = first->fdtable ? first->fdtable
				    : model_add_fdtable(&d->model, t->kobj_id[KOBJ_FILES], t);
	if (t->fdtable)
		t->fdtable->users++;
	return t->fdtable ? 0 : -ENOMEM;
}

static int task_attach_sighand(struct dump *d, struct task *t, struct task *first)
{
	t->sighand = first->sighand ? first->sighand
				    : model_add_sighand(&d->model, t->kobj_id[KOBJ_SIGHAND], t);
	if (t->sighand)
		t->sighand->users++;
	return t->sighand ? 0 : -ENOMEM;
}

static int (*const kobj_attach[KOBJ_MAX])(struct dump *, struct task *, struct task *) = {
	[KOBJ_VM] = task_attach_mm,
	[KOBJ_FS] = task_attach_fs,
	[KOBJ_FILES] = task_attach_files,
	[KOBJ_SIGHAND] = task_attach_sighand,
};

static int task_collect_kobjs(struct dump *d, struct task *t, struct kobj_ids ids[KOBJ_MAX])
{
	for (enum kobj_type type = 0; type < KOBJ_MAX; type++) {
		struct task *first = NULL;
		int r = kobj_find(d, t, type, &ids[type], &first);

		if (r < 0)
			return r;
		r = kobj_attach[type] ? kobj_attach[type](d, t, first) : 0;
		if (r < 0)
			return report_fail(d->report, r, "cannot note its kernel objects");
	}
	return 0;
}

/* ---- namespaces
 * ---------------------------------------------------------------------------------------------- */

struct ns_ids {
	struct map by_ino[NS_MAX];
	uint64_t ours[NS_MAX]; /* inodes of the namespaces that stasis lives in; 0: the kernel has
				  none */
	uint32_t last_id;
};

static const char *const ns_links[NS_MAX] = {
	[NS_PID] = "ns/pid",       [NS_NET] = "ns/net",   [NS_IPC] = "ns/ipc",
	[NS_UTS] = "ns/uts",       [NS_MNT] = "ns/mnt",   [NS_USER] = "ns/user",
	[NS_CGROUP] = "ns/cgroup", [NS_TIME] = "ns/time",
};

static int ns_collect(struct dump *d, struct task *t, enum ns_type type, const char *link,
		      struct ns_ids *ids, struct ns **ret)
{
	struct stat st;
	struct ns *ns;
	int r = proc_file_stat(&live_of(t)->proc, link, &st);

	if (r == -ENOENT)
		return 0; /* an unsupported kind: id 0 */
	if (r < 0)
		return report_fail(d->report, r, "cannot look at its %s namespace", link + 3);
	ns = map_find(&ids->by_ino[type], 0, st.st_ino);
	if (!ns) {
		ns = model_add_ns(&d->model, type, ++ids->last_id, st.st_ino);
		if (!ns || map_set(&ids->by_ino[type], 0, st.st_ino, ns) < 0)
			return report_fail(d->report, -ENOMEM, "cannot note a namespace");
		ns->task = t;
		ns->place = st.st_ino == ids->ours[type] ? NS_OURS
			    : t == d->model.root         ? NS_ROOTS
							 : NS_NESTED;
	}
	*ret = ns;
	return 0;
}

static int task_collect_namespaces(struct dump *d, struct task *t, struct ns_ids *ids)
{
	static const struct {
		enum ns_type type;
		const char *link;
	} children[] = { { NS_PID, "ns/pid_for_children" }, { NS_TIME, "ns/time_for_children" } };
	int r = 0;

	for (enum ns_type type = 0; type < NS_MAX && r == 0; type++)
		if (ids->ours[type])
			r = ns_collect(d, t, type, ns_links[type], ids, &t->ns[type]);
	for (size_t i = 0; i < ARRAY_SIZE(children) && r == 0; i++)
		if (ids->ours[children[i].type])
			r = ns_collect(d, t, children[i].type, children[i].link, ids,
				       &t->ns_for_children[children[i].type]);
	return r;
}

static int ns_ids_init(struct dump *d, struct ns_ids *ids)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	int r = proc_pid_open(0, &self);

	for (enum ns_type type = 0; type < NS_MAX && r == 0; type++) {
		struct stat st;

		r = proc_file_stat(&self, ns_links[type], &st);
		if (r == 0)
			ids->ours[type] = st.st_ino;
		else if (r == -ENOENT)
			r = 0;
	}
	return r < 0 ? report_fail(d->report, r, "cannot look at our own namespaces") : 0;
}

/* ---- what cannot be brought back yet
 * ------------------------------------------------------------------------- */

static int refuse_shared(struct dump *d, enum code code, const char *what, const struct task *first,
			 const struct task *t)
{
	return report_refuse(d->report, -ENOTSUP, code,
			     "task %d and task %d share %s without being threads", first->host_pid,
			     t->host_pid, what);
}

/* All obstacles are reported, not only the first. */
static int task_check_sharing(struct dump *d, const struct task *t)
{
	int r = 0;

	if (t->mm->owner != t)
		r = refuse_shared(d, CODE_SHARED_MM, "one address space", t->mm->owner, t);
	if (t->sighand->owner != t)
		r = refuse_shared(d, CODE_SHARED_SIGHAND, "one table of signal handlers",
				  t->sighand->owner, t);
	if (t->fs->owner != t && t->fs->owner != t->parent)
		r = refuse_shared(d, CODE_SHARED_FS, "one working directory (CLONE_FS)",
				  t->fs->owner, t);
	if (t->fdtable->owner != t && t->parent && t->fdtable != t->parent->fdtable)
		r = refuse_shared(d, CODE_SHARED_FILES, "one descriptor table", t->fdtable->owner,
				  t);
	return r;
}

static int task_check_namespaces(struct dump *d, const struct task *t)
{
	int r = 0;

	for (enum ns_type type = 0; type < NS_MAX; type++) {
		const struct ns *ns = t->ns[type];
		const char *name = ns_links[type] + 3;

		if (ns && ns->task == t && ns->place == NS_ROOTS)
			r = report_refuse(d->report, -ENOTSUP, CODE_NS_KIND,
					  "task %d is in its own %s namespace", t->host_pid, name);
		else if (ns && ns->task == t && ns->place == NS_NESTED)
			r = report_refuse(
				d->report, -ENOTSUP, CODE_NS_NESTED,
				"task %d is in a %s namespace of its own inside the tree's",
				t->host_pid, name);
		if (t->ns_for_children[type] && t->ns_for_children[type] != ns)
			r = report_refuse(d->report, -ENOTSUP, CODE_NS_NESTED,
					  "the children of task %d will be in another %s namespace",
					  t->host_pid, name);
	}
	return r;
}

static int dump_check_representable(struct dump *d)
{
	struct task *t;
	int r = 0, one;

	task_for_each(t, &d->model) {
		if (t->state == TASK_DEAD)
			continue;
		one = task_check_sharing(d, t);
		if (one == 0)
			one = task_check_namespaces(d, t);
		r = one < 0 ? one : r;
	}
	return r;
}

static int collect_all_ids(struct dump *d, struct kobj_ids kobjs[KOBJ_MAX], struct ns_ids *nss)
{
	struct task *t;
	int r = ns_ids_init(d, nss);

	task_for_each(t, &d->model) {
		if (t->state == TASK_DEAD || r < 0)
			continue;
		REPORT_FRAME(d->report, "task %d", t->host_pid);
		r = task_collect_kobjs(d, t, kobjs);
		if (r == 0)
			r = task_collect_namespaces(d, t, nss);
	}
	return r;
}

int dump_collect_ids(struct dump *d)
{
	struct kobj_ids kobjs[KOBJ_MAX] = { 0 };
	struct ns_ids nss = { 0 };
	int r;

	for (enum kobj_type type = 0; type < KOBJ_MAX; type++)
		identity_init(&kobjs[type].first, kobj_cmp, (void *)(uintptr_t)&kobj_kcmp[type]);
	r = collect_all_ids(d, kobjs, &nss);
	for (enum kobj_type type = 0; type < KOBJ_MAX; type++) {
		d->stats->kcmp_calls += kobjs[type].first.n_compared;
		identity_done(&kobjs[type].first);
	}
	for (enum ns_type type = 0; type < NS_MAX; type++)
		map_done(&nss.by_ino[type]);
	if (r == 0 && !d->ids_only)
		r = dump_check_representable(d);
	return r;
}
