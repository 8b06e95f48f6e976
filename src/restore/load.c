/*
 * Images into the model: bounded and validated, without privileges, before anything is created.
 * What is damaged is named by file and offset; references to ids that do not exist are damage, too.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "image/dir.h"
#include "image/reader.h"
#include "report/log.h"
#include "restore/restore_int.h"
#include "schema/core.pb-c.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/fs.pb-c.h"
#include "schema/inventory.pb-c.h"
#include "schema/mm.pb-c.h"
#include "schema/pstree.pb-c.h"

#define IMAGE_VERSION_MIN 1
#define IMAGE_VERSION_MAX 2
#define PID_LIMIT         (1 << 22) /* PID_MAX_LIMIT */
#define FD_LIMIT          (1 << 30)
#define USER_TOP          UINT64_C(0x7ffffffff000)

/* One image being read. */
struct loading {
	struct restore *r;
	struct image_reader *in;
	struct image_error err;
};

static void loading_done(struct loading *l)
{
	image_reader_free(l->in);
}
SCOPED_OBJECT(struct loading, loading_done);

static int loading_open(struct restore *r, enum image_type type, uint64_t id, struct loading *l)
{
	int rc;

	*l = (struct loading){ .r = r };
	rc = image_reader_open(r->in.dir, type, id, &l->err, &l->in);
	return rc < 0 ? images_load_failed(r->report, rc, &l->err) : 0;
}

/* The next record: 1, 0 at the end, -errno reported. */
static int loading_next(struct loading *l, void *ret_msg)
{
	ProtobufCMessage *msg;
	int rc = image_read(l->in, &l->r->in.arena, &msg);

	if (rc < 0)
		return images_load_failed(l->r->report, rc, &l->err);
	if (rc > 0)
		memcpy(ret_msg, &msg, sizeof(msg));
	return rc;
}

/* The only record. */
static int loading_one(struct loading *l, void *ret_msg)
{
	int rc = loading_next(l, ret_msg);

	if (rc == 0) {
		rc = image_reader_fail(l->in, -EUCLEAN, "it has no record");
		return images_load_failed(l->r->report, rc, &l->err);
	}
	return rc < 0 ? rc : 0;
}

/* The contents of the last record are no good. */
#define loading_refuse(l, ...)                                                                     \
	images_load_failed((l)->r->report, image_reader_fail((l)->in, -EUCLEAN, __VA_ARGS__),      \
			   &(l)->err)

static int load_nomem(struct restore *r)
{
	return report_fail(r->report, -ENOMEM, "cannot hold the images");
}

/* ---- inventory, tree
 * ----------------------------------------------------------------------------------------- */

static int load_inventory(struct restore *r)
{
	scoped(loading_done) struct loading l = { 0 };
	InventoryEntry *e = NULL;
	int rc = loading_open(r, IMAGE_INVENTORY, IMAGE_ONE, &l);

	if (rc == 0)
		rc = loading_one(&l, &e);
	if (rc < 0)
		return rc;
	if (e->img_version < IMAGE_VERSION_MIN || e->img_version > IMAGE_VERSION_MAX)
		return report_refuse(r->report, -ENOTSUP, CODE_IMAGE_VERSION,
				     "images of version %u; versions %d to %d can be read",
				     e->img_version, IMAGE_VERSION_MIN, IMAGE_VERSION_MAX);
	if (e->dump_criu_run_id && strlen(e->dump_criu_run_id) < MODEL_ID_MAX)
		(void)snprintf(r->model.dump_id, MODEL_ID_MAX, "%s", e->dump_criu_run_id);
	r->policy.tcp_close |= e->has_tcp_close && e->tcp_close;
	r->policy.network_lock &=
		!e->has_network_lock_method || e->network_lock_method != LOCK_SKIP;
	r->policy.iptables_lock =
		!e->has_network_lock_method || e->network_lock_method == LOCK_IPTABLES;
	return 0;
}

static bool pid_is_valid(uint32_t pid)
{
	return pid > 0 && pid < PID_LIMIT;
}

static int load_task(struct loading *l, const PstreeEntry *e)
{
	struct model *m = &l->r->model;
	struct task *parent = e->ppid ? model_task(m, (pid_t)e->ppid) : NULL, *t;

	if (!pid_is_valid(e->pid) || e->pgid >= PID_LIMIT || e->sid >= PID_LIMIT)
		return loading_refuse(l, "task %u of group %u, session %u: not possible", e->pid,
				      e->pgid, e->sid);
	if (model_task(m, (pid_t)e->pid))
		return loading_refuse(l, "task %u is there twice", e->pid);
	if (m->root && !parent)
		return loading_refuse(l, "task %u has the parent %u, which does not come before it",
				      e->pid, e->ppid);
	if (e->n_threads == 0)
		return loading_refuse(l, "task %u has no thread", e->pid);
	t = model_add_task(m, parent, (pid_t)e->pid);
	if (!t)
		return load_nomem(l->r);
	t->pgid = (pid_t)e->pgid;
	t->sid = (pid_t)e->sid;
	for (size_t i = 0; i < e->n_threads; i++) {
		if (!pid_is_valid(e->threads[i]) || (i == 0 && e->threads[i] != e->pid) ||
		    (i > 0 && map_find(&m->task_by_pid, 1, e->threads[i])))
			return loading_refuse(l, "task %u has the thread %u, which is not possible",
					      e->pid, e->threads[i]);
		if (!model_add_thread(m, t, (pid_t)e->threads[i]) ||
		    map_set(&m->task_by_pid, 1, e->threads[i], t) < 0)
			return load_nomem(l->r);
	}
	return 0;
}

static int load_pstree(struct restore *r)
{
	scoped(loading_done) struct loading l = { 0 };
	PstreeEntry *e = NULL;
	int rc = loading_open(r, IMAGE_PSTREE, IMAGE_ONE, &l);

	while (rc == 0 && (rc = loading_next(&l, &e)) > 0)
		rc = load_task(&l, e);
	if (rc == 0 && !r->model.root)
		rc = loading_refuse(&l, "it has no task");
	return rc;
}

/* ---- what tasks share
 * ---------------------------------------------------------------------------------------- */

static int load_ids(struct restore *r, struct task *t)
{
	scoped(loading_done) struct loading l = { 0 };
	TaskKobjIdsEntry *e = NULL;
	int rc = loading_open(r, IMAGE_IDS, (uint64_t)t->pid, &l);

	if (rc == 0)
		rc = loading_one(&l, &e);
	if (rc < 0)
		return rc;
	t->kobj_id[KOBJ_VM] = e->vm_id;
	t->kobj_id[KOBJ_FS] = e->fs_id;
	t->kobj_id[KOBJ_FILES] = e->files_id;
	t->kobj_id[KOBJ_SIGHAND] = e->sighand_id;
	return 0;
}

/* The object with an id, or a new one owned by `t`. `sets` keeps them by (type, id). */
#define LOAD_SHARED(r, t, sets, kobj, field, add)                                                  \
	({                                                                                         \
		void *obj_ = map_find(sets, kobj, (t)->kobj_id[kobj]);                             \
		if (!obj_) {                                                                       \
			obj_ = add(&(r)->model, (t)->kobj_id[kobj], t);                            \
			if (obj_ && map_set(sets, kobj, (t)->kobj_id[kobj], obj_) < 0)             \
				obj_ = NULL;                                                       \
		}                                                                                  \
		(t)->field = obj_;                                                                 \
		if ((t)->field)                                                                    \
			(t)->field->users++;                                                       \
		obj_ != NULL;                                                                      \
	})

static int load_shared(struct restore *r, struct task *t, struct map *sets)
{
	int rc = load_ids(r, t);

	if (rc < 0)
		return rc;
	if (!LOAD_SHARED(r, t, sets, KOBJ_VM, mm, model_add_mm) ||
	    !LOAD_SHARED(r, t, sets, KOBJ_FS, fs, model_add_fs) ||
	    !LOAD_SHARED(r, t, sets, KOBJ_FILES, fdtable, model_add_fdtable) ||
	    !LOAD_SHARED(r, t, sets, KOBJ_SIGHAND, sighand, model_add_sighand))
		return load_nomem(r);
	if (t->mm->owner != t)
		return report_refuse(r->report, -ENOTSUP, CODE_SHARED_MM,
				     "it shares its address space with task %d", t->mm->owner->pid);
	if (t->sighand->owner != t)
		return report_refuse(r->report, -ENOTSUP, CODE_SHARED_SIGHAND,
				     "it shares its signal handlers with task %d",
				     t->sighand->owner->pid);
	return 0;
}

/* ---- files
 * ---------------------------------------------------------------------------------------------------
 */

static int load_file(struct loading *l, const FileEntry *e)
{
	const struct file_kind *k = file_kind_by_tag((int)e->type);
	const struct file_record rec = { .fe = (FileEntry *)e, .arena = &l->r->in.arena };
	struct file *f;
	int rc;

	if (e->id == 0)
		return loading_refuse(l, "a file with the id 0");
	if (!k)
		return report_refuse(l->r->report, -ENOTSUP, CODE_FILE_KIND,
				     "file %u is of the kind %d, which is not built yet", e->id,
				     (int)e->type);
	f = file_new(k);
	if (!f)
		return load_nomem(l->r);
	f->id = e->id;
	rc = model_add_file_take(&l->r->model, f);
	if (rc == -EEXIST)
		return loading_refuse(l, "file %u is there twice", e->id);
	if (rc < 0)
		return load_nomem(l->r);
	REPORT_FRAME(l->r->report, "file %u (%s)", f->id, k->name);
	rc = k->decode(&l->r->model, f, &rec);
	if (rc == -EUCLEAN && !report_first(l->r->report))
		return loading_refuse(l, "file %u (%s) cannot be as it says", f->id, k->name);
	return rc < 0 && !report_first(l->r->report)
		       ? report_fail(l->r->report, rc, "cannot take it in")
		       : rc;
}

static int load_files(struct restore *r)
{
	scoped(loading_done) struct loading l = { 0 };
	FileEntry *e = NULL;
	int rc = 0;

	for (unsigned i = 0; i < FILE_KIND_MAX && rc == 0; i++)
		if (file_kinds[i]->load)
			rc = file_kinds[i]->load(&r->model, &r->in);
	for (unsigned i = 0; i < TASK_KIND_MAX && rc == 0; i++)
		if (task_kinds[i]->load)
			rc = task_kinds[i]->load(&r->model, &r->in);
	if (rc == 0)
		rc = loading_open(r, IMAGE_FILES, IMAGE_ONE, &l);
	else
		return rc;
	while (rc == 0 && (rc = loading_next(&l, &e)) > 0)
		rc = load_file(&l, e);
	return rc;
}

static int load_slot(struct loading *l, struct fdtable *table, const FdinfoEntry *e)
{
	struct file *f = model_file(&l->r->model, e->id);
	int rc;

	if (!f || f->kind->tag != (int)e->type)
		return loading_refuse(l, "fd %u is file %u of kind %d, which is not in files.img",
				      e->fd, e->id, (int)e->type);
	if (e->fd >= FD_LIMIT)
		return loading_refuse(l, "fd %u: not possible", e->fd);
	rc = fdtable_add(table, (int)e->fd, e->flags & 1, f);
	if (rc == -EEXIST)
		return loading_refuse(l, "fd %u is there twice", e->fd);
	if (rc < 0)
		return load_nomem(l->r);
	if (!f->in_slots) {
		f->in_slots = true;
		f->task = table->owner;
		f->fd = (int)e->fd;
	}
	return 0;
}

static int load_fdtable(struct restore *r, struct fdtable *table)
{
	scoped(loading_done) struct loading l = { 0 };
	FdinfoEntry *e = NULL;
	int rc = loading_open(r, IMAGE_FDINFO, table->id, &l);

	while (rc == 0 && (rc = loading_next(&l, &e)) > 0)
		rc = load_slot(&l, table, e);
	return rc;
}

static int load_fs(struct restore *r, struct fs *fs)
{
	scoped(loading_done) struct loading l = { 0 };
	FsEntry *e = NULL;
	int rc = loading_open(r, IMAGE_FS, (uint64_t)fs->owner->pid, &l);

	if (rc == 0)
		rc = loading_one(&l, &e);
	if (rc < 0)
		return rc;
	fs->cwd = model_file(&r->model, e->cwd_id);
	fs->root = model_file(&r->model, e->root_id);
	fs->umask = e->has_umask ? e->umask : 022;
	if (!fs->cwd || !fs->root)
		return loading_refuse(&l, "working directory %u or root %u is not in files.img",
				      e->cwd_id, e->root_id);
	return 0;
}

/* ---- memory
 * --------------------------------------------------------------------------------------------------
 */

static int load_vma(struct loading *l, struct mm *mm, const VmaEntry *e)
{
	struct vma *v;
	int rc;

	if (e->start >= e->end || e->start % PAGE_SIZE || e->end % PAGE_SIZE ||
	    (e->end > USER_TOP && !(e->status & VMA_VSYSCALL)))
		return loading_refuse(l, "a mapping %" PRIx64 "-%" PRIx64, e->start, e->end);
	if (e->status & VMA_GUARD) {
		if (!mm_covers(mm, e->start, e->end))
			return loading_refuse(l,
					      "guards %" PRIx64 "-%" PRIx64 " outside of mappings",
					      e->start, e->end);
		return ranges_add(&mm->guards, e->start, e->end) < 0 ? load_nomem(l->r) : 0;
	}
	v = NEW(struct vma);
	if (!v)
		return load_nomem(l->r);
	v->start = e->start;
	v->end = e->end;
	v->pgoff = e->pgoff;
	v->shmid = e->shmid;
	v->prot = e->prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	v->flags = e->flags;
	v->status = e->status;
	v->madv = e->has_madv ? e->madv : 0;
	v->has_fdflags = e->has_fdflags;
	v->fdflags = e->fdflags;
	v->segment_size = e->has_segment_size ? e->segment_size : 0;
	v->at = v->start;
	v->kind = mem_kind_match_image(v);
	rc = mm_add_take(mm, v);
	if (rc == -ENOMEM)
		return load_nomem(l->r);
	if (rc < 0)
		return loading_refuse(l, "mapping %" PRIx64 "-%" PRIx64 " overlaps the one before",
				      e->start, e->end);
	if (!v->kind)
		return report_refuse(l->r->report, -ENOTSUP, CODE_VMA_KIND,
				     "mapping %" PRIx64 "-%" PRIx64
				     " (status %#x) is of a kind that is "
				     "not built yet",
				     v->start, v->end, v->status);
	rc = v->kind->decode ? v->kind->decode(&l->r->model, v) : 0;
	if (rc == -EUCLEAN)
		return loading_refuse(l,
				      "mapping %" PRIx64 "-%" PRIx64 " refers to what is not there",
				      v->start, v->end);
	return rc < 0 ? report_fail(l->r->report, rc, "cannot take in a mapping") : 0;
}

static int load_mm_lists(struct loading *l, struct mm *mm, const MmEntry *e)
{
	for (size_t i = 0; i < e->n_mm_saved_auxv; i++)
		if (vec_push(&mm->auxv, e->mm_saved_auxv[i]) < 0)
			return load_nomem(l->r);
	for (size_t i = 0; i < e->n_aios; i++)
		if (vec_push(&mm->aio_rings,
			     (struct aio_ring){ .id = e->aios[i]->id,
						.nr_req = e->aios[i]->nr_req,
						.ring_len = e->aios[i]->ring_len }) < 0)
			return load_nomem(l->r);
	for (size_t i = 0; i < e->n_vmas; i++) {
		int rc = load_vma(l, mm, e->vmas[i]);

		if (rc < 0)
			return rc;
	}
	ranges_sort(&mm->guards);
	return 0;
}

static int load_mm(struct restore *r, struct mm *mm)
{
	scoped(loading_done) struct loading l = { 0 };
	MmEntry *e = NULL;
	int rc;

	REPORT_FRAME(r->report, "task %d", mm->owner->pid);
	rc = loading_open(r, IMAGE_MM, (uint64_t)mm->owner->pid, &l);
	if (rc == 0)
		rc = loading_one(&l, &e);
	if (rc < 0)
		return rc;
	mm->start_code = e->mm_start_code;
	mm->end_code = e->mm_end_code;
	mm->start_data = e->mm_start_data;
	mm->end_data = e->mm_end_data;
	mm->start_stack = e->mm_start_stack;
	mm->start_brk = e->mm_start_brk;
	mm->brk = e->mm_brk;
	mm->arg_start = e->mm_arg_start;
	mm->arg_end = e->mm_arg_end;
	mm->env_start = e->mm_env_start;
	mm->env_end = e->mm_env_end;
	mm->dumpable = e->has_dumpable ? e->dumpable : 1;
	mm->thp_disabled = e->has_thp_disabled && e->thp_disabled;
	mm->exe = model_file(&r->model, e->exe_file_id);
	if (!mm->exe)
		return loading_refuse(&l, "its program is file %u, which is not in files.img",
				      e->exe_file_id);
	return load_mm_lists(&l, mm, e);
}

/* ---- cores
 * ---------------------------------------------------------------------------------------------------
 */

static int core_decode(struct restore *r, struct thread *th, CoreEntry *core)
{
	const struct core_record rec = { .core = core, .arena = &r->in.arena };

	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];
		int rc;

		if (!k->decode || !part_is_visited_by(k, th))
			continue;
		REPORT_FRAME(r->report, "%s", k->name);
		rc = k->decode(&r->model, th, part_of(th, (enum task_kind_index)i), &rec);
		if (rc < 0)
			return report_first(r->report) ? rc
			       : rc == -EUCLEAN
				       ? report_refuse(r->report, rc, CODE_IMAGE_DAMAGED,
						       "core-%d.img cannot be as it says", th->tid)
				       : report_fail(r->report, rc, "cannot take in core-%d.img",
						     th->tid);
	}
	return 0;
}

/* The leader's core comes first: it tells whether the task lives, and so what else there is. */
static int load_core(struct restore *r, struct thread *th, CoreEntry **ret)
{
	scoped(loading_done) struct loading l = { 0 };
	struct task *t = th->task;
	bool leader = th == task_leader(t);
	int rc = loading_open(r, IMAGE_CORE, (uint64_t)th->tid, &l);

	if (rc == 0)
		rc = loading_one(&l, ret);
	if (rc < 0)
		return rc;
	if ((*ret)->mtype != CORE_ENTRY__MARCH__X86_64)
		return report_refuse(r->report, -ENOTSUP, CODE_CPU,
				     "its registers are of another CPU");
	if (!leader)
		return (*ret)->thread_core ? 0
					   : loading_refuse(&l, "thread %d has no state", th->tid);
	if (!(*ret)->tc)
		return loading_refuse(&l, "task %d has no state", t->pid);
	if ((*ret)->tc->task_state < TASK_ALIVE || (*ret)->tc->task_state > TASK_STOPPED)
		return loading_refuse(&l, "task %d has the state %u", t->pid,
				      (*ret)->tc->task_state);
	t->state = (enum task_state)(*ret)->tc->task_state;
	t->exit_code = (int)(*ret)->tc->exit_code;
	t->stop_signo = (*ret)->tc->has_stop_signo ? (int)(*ret)->tc->stop_signo : SIGSTOP;
	if (t->state == TASK_STOPPED && (t->stop_signo < SIGSTOP || t->stop_signo > SIGTTOU))
		return loading_refuse(&l, "task %d was stopped by signal %d", t->pid,
				      t->stop_signo);
	if (t->state != TASK_DEAD && !(*ret)->thread_core)
		return loading_refuse(&l, "task %d has no thread state", t->pid);
	if (t->state == TASK_DEAD && (t->n_threads > 1 || !list_is_empty(&t->children)))
		return loading_refuse(&l, "task %d is dead but has threads or children", t->pid);
	if (t->state == TASK_DEAD && t == r->model.root)
		return loading_refuse(&l, "the root task %d is dead", t->pid);
	return 0;
}

struct loaded_core {
	struct thread *th;
	CoreEntry *core;
};

struct loaded_cores {
	VEC(struct loaded_core);
};

static int load_cores(struct restore *r, struct task *t, struct loaded_cores *cores)
{
	struct thread *th;

	thread_for_each(th, t) {
		CoreEntry *core;
		int rc = load_core(r, th, &core);

		if (rc < 0)
			return rc;
		if (t->state != TASK_DEAD &&
		    vec_push(cores, (struct loaded_core){ .th = th, .core = core }) < 0)
			return load_nomem(r);
	}
	return 0;
}

static int load_tasks(struct restore *r, struct loaded_cores *cores)
{
	struct map sets = { 0 };
	struct task *t;
	int rc = 0;

	task_for_each(t, &r->model) {
		REPORT_FRAME(r->report, "task %d", t->pid);
		rc = load_cores(r, t, cores);
		if (rc == 0 && t->state != TASK_DEAD)
			rc = load_shared(r, t, &sets);
		if (rc < 0)
			break;
	}
	map_done(&sets);
	return rc;
}

static int load_objects(struct restore *r)
{
	int rc = load_files(r);

	vec_for_each(table, &r->model.fdtables)
		rc = rc < 0 ? rc : load_fdtable(r, *table);
	vec_for_each(fs, &r->model.fss)
		rc = rc < 0 ? rc : load_fs(r, *fs);
	vec_for_each(mm, &r->model.mms)
		rc = rc < 0 ? rc : load_mm(r, *mm);
	return rc;
}

static int decode_cores(struct restore *r, const struct loaded_cores *cores)
{
	int rc = 0;

	vec_for_each(c, cores)
		if (rc == 0 && parts_new(c->th) < 0)
			rc = load_nomem(r);
	vec_for_each(c, cores) {
		REPORT_FRAME(r->report, "task %d: thread %d", c->th->task->pid, c->th->tid);
		rc = rc < 0 ? rc : core_decode(r, c->th, c->core);
	}
	return rc;
}

int restore_load(struct restore *r)
{
	struct loaded_cores cores = { 0 };
	enum manifest_state state;
	struct image_error err = { 0 };
	int rc = image_dir_use_manifest(r->in.dir, &err, &state);

	if (rc < 0)
		return images_load_failed(r->report, rc, &err);
	if (state != MANIFEST_IN_FORCE)
		log_info("no manifest of this dump: checksums are not checked");
	rc = load_inventory(r);
	if (rc == 0)
		rc = load_pstree(r);
	if (rc == 0)
		rc = load_tasks(r, &cores);
	if (rc == 0)
		rc = load_objects(r);
	if (rc == 0)
		rc = decode_cores(r, &cores);
	vec_done(&cores);
	return rc;
}
