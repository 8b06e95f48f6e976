/*
 * Records: a pure function of the model. Everything but page contents; the inventory goes last
 * (image/dir), so that a directory with one is complete.
 */
#include <inttypes.h>
#include <string.h>

#include "dump/dump_int.h"
#include "image/dir.h"
#include "image/writer.h"
#include "report/log.h"
#include "schema/core.pb-c.h"
#include "schema/fdinfo.pb-c.h"
#include "schema/fs.pb-c.h"
#include "schema/inventory.pb-c.h"
#include "schema/mm.pb-c.h"
#include "schema/pstree.pb-c.h"

#define IMAGE_VERSION 2 /* of the inventory: what CRIU since 2.0 reads */

/* One image of one record. */
static int write_one(struct dump *d, enum image_type type, uint64_t id, const ProtobufCMessage *msg)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	struct image_error e = { 0 };
	int r = image_writer_create(d->images.dir, type, id, &e, &out);

	if (r == 0)
		r = image_write(out, msg);
	if (r == 0)
		r = image_writer_finish(out);
	return r < 0 ? images_write_failed(d->report, r, &e) : 0;
}

/* ---- ids
 * -----------------------------------------------------------------------------------------------------
 */

static void ids_fill(const struct task *t, TaskKobjIdsEntry *e)
{
	const struct {
		protobuf_c_boolean *has;
		uint32_t *id;
	} ns[NS_MAX] = {
		[NS_PID] = { &e->has_pid_ns_id, &e->pid_ns_id },
		[NS_NET] = { &e->has_net_ns_id, &e->net_ns_id },
		[NS_IPC] = { &e->has_ipc_ns_id, &e->ipc_ns_id },
		[NS_UTS] = { &e->has_uts_ns_id, &e->uts_ns_id },
		[NS_MNT] = { &e->has_mnt_ns_id, &e->mnt_ns_id },
		[NS_USER] = { &e->has_user_ns_id, &e->user_ns_id },
		[NS_CGROUP] = { &e->has_cgroup_ns_id, &e->cgroup_ns_id },
		[NS_TIME] = { &e->has_time_ns_id, &e->time_ns_id },
	};

	task_kobj_ids_entry__init(e);
	e->vm_id = t->kobj_id[KOBJ_VM];
	e->files_id = t->kobj_id[KOBJ_FILES];
	e->fs_id = t->kobj_id[KOBJ_FS];
	e->sighand_id = t->kobj_id[KOBJ_SIGHAND];
	for (enum ns_type type = 0; type < NS_MAX; type++) {
		*ns[type].has = true;
		*ns[type].id = t->ns[type] ? t->ns[type]->id : 0;
	}
}

static int write_ids(struct dump *d, const struct task *t)
{
	TaskKobjIdsEntry e;

	ids_fill(t, &e);
	return write_one(d, IMAGE_IDS, (uint64_t)t->pid, &e.base);
}

/* ---- tasks
 * ---------------------------------------------------------------------------------------------------
 */

static int core_fill(struct dump *d, const struct thread *th, struct core_record *rec)
{
	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];
		const void *part = part_of(th, (enum task_kind_index)i);
		bool leader = rec->core->tc;
		int r;

		if (!k->encode || !part || (k->owner != PART_THREAD && !leader))
			continue;
		REPORT_FRAME(d->report, "%s", k->name);
		r = k->encode(th, part, rec);
		if (r < 0)
			return r;
	}
	return rec->arena->failed ? report_fail(d->report, -ENOMEM, "cannot encode") : 0;
}

static int write_core(struct dump *d, const struct task *t, const struct thread *th)
{
	scoped(arena_done) struct arena arena = { 0 };
	CoreEntry core = CORE_ENTRY__INIT;
	TaskCoreEntry tc = TASK_CORE_ENTRY__INIT;
	ThreadCoreEntry thread_core = THREAD_CORE_ENTRY__INIT;
	struct core_record rec = { .core = &core, .arena = &arena };
	int r;

	core.mtype = CORE_ENTRY__MARCH__X86_64;
	if (th == task_leader(t)) {
		core.tc = &tc;
		tc.task_state = t->state;
		tc.exit_code = (uint32_t)t->exit_code;
		tc.has_stop_signo = t->state == TASK_STOPPED;
		tc.stop_signo = (uint32_t)t->stop_signo;
		tc.comm = (char *)live_thread_of(th)->stat.comm;
		tc.flags = live_thread_of(th)->stat.flags;
	}
	if (t->state != TASK_DEAD)
		core.thread_core = &thread_core;
	r = t->state == TASK_DEAD ? 0 : core_fill(d, th, &rec);
	return r < 0 ? r : write_one(d, IMAGE_CORE, (uint64_t)th->tid, &core.base);
}

static int write_fs(struct dump *d, const struct task *t)
{
	FsEntry e = FS_ENTRY__INIT;

	e.cwd_id = t->fs->cwd->id;
	e.root_id = t->fs->root->id;
	e.has_umask = true;
	e.umask = t->fs->umask;
	return write_one(d, IMAGE_FS, (uint64_t)t->pid, &e.base);
}

static VmaEntry *vma_encode(const struct vma *v, struct arena *a)
{
	VmaEntry *e = ARENA_NEW(a, VmaEntry);

	if (!e)
		return NULL;
	vma_entry__init(e);
	e->start = v->start;
	e->end = v->end;
	e->pgoff = v->pgoff;
	e->shmid = v->shmid;
	e->prot = v->prot;
	e->flags = v->flags;
	e->status = v->status;
	e->fd = -1;
	e->has_madv = v->madv != 0;
	e->madv = v->madv;
	e->has_fdflags = v->has_fdflags;
	e->fdflags = v->fdflags;
	e->has_segment_size = (v->status & VMA_ANON_SHARED) && v->shmem &&
			      v->shmem->size > v->pgoff + (v->end - v->start);
	e->segment_size = v->shmem ? v->shmem->size : 0;
	return e;
}

/* Guard markers are written as vmas of their own behind the real ones. */
static VmaEntry *guard_encode(const struct range *g, struct arena *a)
{
	const struct vma v = { .start = g->start, .end = g->end, .status = VMA_GUARD };

	return vma_encode(&v, a);
}

static int write_mm(struct dump *d, const struct task *t)
{
	scoped(arena_done) struct arena a = { 0 };
	const struct mm *mm = t->mm;
	MmEntry e = MM_ENTRY__INIT;

	e.mm_start_code = mm->start_code;
	e.mm_end_code = mm->end_code;
	e.mm_start_data = mm->start_data;
	e.mm_end_data = mm->end_data;
	e.mm_start_stack = mm->start_stack;
	e.mm_start_brk = mm->start_brk;
	e.mm_brk = mm->brk;
	e.mm_arg_start = mm->arg_start;
	e.mm_arg_end = mm->arg_end;
	e.mm_env_start = mm->env_start;
	e.mm_env_end = mm->env_end;
	e.exe_file_id = mm->exe->id;
	e.mm_saved_auxv = mm->auxv.at;
	e.n_mm_saved_auxv = mm->auxv.n;
	/* Without the pair that ends it: CRIU has room for 44 words, and the kernel adds it itself. */
	if (e.n_mm_saved_auxv >= 2 && mm->auxv.at[mm->auxv.n - 2] == 0)
		e.n_mm_saved_auxv -= 2;
	e.has_dumpable = true;
	e.dumpable = mm->dumpable;
	e.has_thp_disabled = mm->thp_disabled;
	e.thp_disabled = mm->thp_disabled;
	e.vmas = ARENA_ARRAY(&a, VmaEntry *, mm->vmas.n + mm->guards.n);
	vec_for_each(v, &mm->vmas)
		if (!a.failed)
			e.vmas[e.n_vmas++] = vma_encode(*v, &a);
	vec_for_each(g, &mm->guards)
		if (!a.failed)
			e.vmas[e.n_vmas++] = guard_encode(g, &a);
	e.aios = ARENA_ARRAY(&a, AioRingEntry *, mm->aio_rings.n);
	vec_for_each(ring, &mm->aio_rings) {
		AioRingEntry *aio = ARENA_NEW(&a, AioRingEntry);

		if (a.failed)
			break;
		aio_ring_entry__init(aio);
		aio->id = ring->id;
		aio->nr_req = ring->nr_req;
		aio->ring_len = ring->ring_len;
		e.aios[e.n_aios++] = aio;
	}
	if (a.failed)
		return report_fail(d->report, -ENOMEM, "cannot encode its mappings");
	return write_one(d, IMAGE_MM, (uint64_t)t->pid, &e.base);
}

static int write_task(struct dump *d, const struct task *t)
{
	struct thread *th;
	int r = 0;

	REPORT_FRAME(d->report, "task %d", t->pid);
	thread_for_each(th, t) {
		r = write_core(d, t, th);
		if (r < 0)
			return r;
	}
	if (t->state == TASK_DEAD)
		return 0;
	r = write_ids(d, t);
	if (r == 0)
		r = write_mm(d, t);
	if (r == 0)
		r = write_fs(d, t);
	return r;
}

static int write_pstree(struct dump *d)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	struct image_error err = { 0 };
	struct task *t;
	int r = image_writer_create(d->images.dir, IMAGE_PSTREE, IMAGE_ONE, &err, &out);

	task_for_each(t, &d->model) {
		scoped(arena_done) struct arena a = { 0 };
		PstreeEntry e = PSTREE_ENTRY__INIT;
		struct thread *th;

		e.pid = (uint32_t)t->pid;
		e.ppid = (uint32_t)t->ppid;
		e.pgid = (uint32_t)t->pgid;
		e.sid = (uint32_t)t->sid;
		e.threads = ARENA_ARRAY(&a, uint32_t, t->n_threads);
		if (a.failed)
			return report_fail(d->report, -ENOMEM, "cannot encode the tree");
		thread_for_each(th, t)
			e.threads[e.n_threads++] = (uint32_t)th->tid;
		if (r == 0)
			r = image_write(out, &e.base);
	}
	if (r == 0)
		r = image_writer_finish(out);
	return r < 0 ? images_write_failed(d->report, r, &err) : 0;
}

/* ---- files
 * ---------------------------------------------------------------------------------------------------
 */

static int write_fdtable(struct dump *d, const struct fdtable *table)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	struct image_error err = { 0 };
	int r = image_writer_create(d->images.dir, IMAGE_FDINFO, table->id, &err, &out);

	vec_for_each(s, &table->slots) {
		FdinfoEntry e = FDINFO_ENTRY__INIT;

		e.id = s->file->id;
		e.flags = s->cloexec ? 1 : 0; /* FD_CLOEXEC */
		e.type = (FdTypes)s->file->kind->tag;
		e.fd = (uint32_t)s->fd;
		if (r == 0)
			r = image_write(out, &e.base);
	}
	if (r == 0)
		r = image_writer_finish(out);
	return r < 0 ? images_write_failed(d->report, r, &err) : 0;
}

static int file_write(struct dump *d, const struct file *f, struct image_writer *out)
{
	scoped(arena_done) struct arena a = { 0 };
	FileEntry e = FILE_ENTRY__INIT;
	struct file_record rec = { .fe = &e, .arena = &a };
	int r;

	REPORT_FRAME(d->report, "file %u (%s)", f->id, f->kind->name);
	e.type = (FdTypes)f->kind->tag;
	e.id = f->id;
	r = f->kind->encode(f, &rec);
	if (r == 0 && a.failed)
		r = -ENOMEM;
	if (r < 0)
		return report_fail(d->report, r, "cannot encode");
	return image_write(out, &e.base);
}

int dump_write_files(struct dump *d)
{
	scoped(image_writer_free) struct image_writer *out = NULL;
	struct image_error err = { 0 };
	bool occurs[FILE_KIND_MAX] = { 0 };
	int r = image_writer_create(d->images.dir, IMAGE_FILES, IMAGE_ONE, &err, &out);

	/* What others refer to comes first: CRIU looks for it as soon as it meets the reference. */
	for (int first = 1; first >= 0; first--)
		vec_for_each(f, &d->model.files) {
			occurs[file_kind_index((*f)->kind)] = true;
			if (r == 0 && (*f)->kind->goes_first == first)
				r = file_write(d, *f, out);
		}
	if (r == 0)
		r = image_writer_finish(out);
	if (r < 0)
		return images_write_failed(d->report, r, &err);
	for (unsigned i = 0; i < FILE_KIND_MAX && r == 0; i++)
		if (occurs[i] && file_kinds[i]->write)
			r = file_kinds[i]->write(&d->collect, &d->images);
	for (unsigned i = 0; i < TASK_KIND_MAX && r == 0; i++)
		if (task_kinds[i]->write)
			r = task_kinds[i]->write(&d->collect, &d->images);
	return r;
}

/* ---- all
 * -----------------------------------------------------------------------------------------------------
 */

static uint64_t uptime_usec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts); /* cannot fail with this clock */
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

/* The ids of stasis itself: it shares no object with the tree, but namespaces. CRIU compares. */
static void ids_fill_own(const struct dump *d, TaskKobjIdsEntry *e)
{
	uint32_t ids[KOBJ_MAX] = { 0 };
	const struct task *t;

	ids_fill(d->model.root, e);
	task_for_each(t, &d->model)
		for (enum kobj_type type = 0; type < KOBJ_MAX; type++)
			ids[type] = MAX(ids[type], t->kobj_id[type]);
	e->vm_id = ids[KOBJ_VM] + 1;
	e->files_id = ids[KOBJ_FILES] + 1;
	e->fs_id = ids[KOBJ_FS] + 1;
	e->sighand_id = ids[KOBJ_SIGHAND] + 1;
}

int dump_complete(struct dump *d)
{
	InventoryEntry e = INVENTORY_ENTRY__INIT;
	TaskKobjIdsEntry ids;
	struct image_error err = { 0 };
	int r;

	ids_fill_own(d, &ids);
	e.img_version = IMAGE_VERSION;
	e.has_fdinfo_per_id = e.fdinfo_per_id = true;
	e.has_ns_per_id = e.ns_per_id = true;
	e.root_ids = &ids;
	e.has_lsmtype = true;
	e.lsmtype = LSMTYPE__NO_LSM;
	e.has_dump_uptime = true;
	e.dump_uptime = uptime_usec();
	e.has_tcp_close = e.tcp_close = d->policy.tcp_close;
	e.has_network_lock_method = true;
	/* Whatever was asked for: it is nftables that locks. */
	e.network_lock_method = d->policy.network_lock ? LOCK_NFTABLES : LOCK_SKIP;
	e.dump_criu_run_id = d->model.dump_id;
	r = image_dir_complete(d->images.dir, &e, IMAGE_SYNC_DISK, &err);
	return r < 0 ? images_write_failed(d->report, r, &err) : 0;
}

int dump_write(struct dump *d)
{
	struct task *t;
	int r = write_pstree(d);

	task_for_each(t, &d->model) {
		if (r < 0)
			return r;
		r = write_task(d, t);
	}
	vec_for_each(table, &d->model.fdtables)
		if (r == 0)
			r = write_fdtable(d, *table);
	return r;
}
