/* The model's own bookkeeping. See model.h; what kinds hang on it is freed through object/kinds.h.
 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "model/plan.h"

void model_init(struct model *m)
{
	*m = (struct model){ .next_file_id = 1, .next_pages_id = 1, .next_shmid = 1 };
	list_init(&m->tasks);
}

/* Allocates an object and keeps it in one of the model's vectors; NULL when out of memory. */
#define MODEL_NEW(vec, type)                                                                       \
	({                                                                                         \
		type *new_ = NEW(type);                                                            \
		if (new_ && vec_push(vec, new_) < 0) {                                             \
			mem_free(new_);                                                            \
			new_ = NULL;                                                               \
		}                                                                                  \
		new_;                                                                              \
	})

struct task *model_add_task(struct model *m, struct task *parent, pid_t pid)
{
	struct task *t = NEW(struct task);

	if (!t)
		return NULL;
	if (map_set(&m->task_by_pid, 0, (uint64_t)pid, t) < 0) {
		mem_free(t);
		return NULL;
	}
	t->pid = pid;
	t->state = TASK_ALIVE;
	t->parent = parent;
	list_init(&t->children);
	list_init(&t->threads);
	list_init(&t->sibling);
	list_add_tail(&m->tasks, &t->link);
	if (parent) {
		t->ppid = parent->pid;
		list_add_tail(&parent->children, &t->sibling);
	} else if (!m->root) {
		m->root = t;
	}
	m->n_tasks++;
	return t;
}

struct thread *model_add_thread(struct model *m, struct task *t, pid_t tid)
{
	struct thread *th = NEW(struct thread);

	if (!th)
		return NULL;
	th->task = t;
	th->tid = tid;
	list_add_tail(&t->threads, &th->link);
	t->n_threads++;
	m->n_threads++;
	return th;
}

void model_drop_thread(struct model *m, struct thread *th)
{
	list_del(&th->link);
	th->task->n_threads--;
	m->n_threads--;
	mem_free(th);
}

int model_drop_task(struct model *m, struct task *t)
{
	struct task *other;
	int r = 0;

	assert(t != m->root && list_is_empty(&t->children) && list_is_empty(&t->threads));
	list_del(&t->link);
	list_del(&t->sibling);
	m->n_tasks--;
	mem_free(t);
	map_done(&m->task_by_pid); /* maps forget nothing: made anew */
	task_for_each(other, m)
		r = r < 0 ? r : map_set(&m->task_by_pid, 0, (uint64_t)other->pid, other);
	return r;
}

struct mm *model_add_mm(struct model *m, uint32_t id, struct task *owner)
{
	struct mm *mm = MODEL_NEW(&m->mms, struct mm);

	if (mm) {
		mm->id = id;
		mm->owner = owner;
	}
	return mm;
}

struct fdtable *model_add_fdtable(struct model *m, uint32_t id, struct task *owner)
{
	struct fdtable *t = MODEL_NEW(&m->fdtables, struct fdtable);

	if (t) {
		t->id = id;
		t->owner = owner;
	}
	return t;
}

struct fs *model_add_fs(struct model *m, uint32_t id, struct task *owner)
{
	struct fs *fs = MODEL_NEW(&m->fss, struct fs);

	if (fs) {
		fs->id = id;
		fs->owner = owner;
	}
	return fs;
}

struct sighand *model_add_sighand(struct model *m, uint32_t id, struct task *owner)
{
	struct sighand *s = MODEL_NEW(&m->sighands, struct sighand);

	if (s) {
		s->id = id;
		s->owner = owner;
	}
	return s;
}

struct ns *model_add_ns(struct model *m, enum ns_type type, uint32_t id, uint64_t ino)
{
	struct ns *ns = MODEL_NEW(&m->nss, struct ns);

	if (ns) {
		ns->type = type;
		ns->id = id;
		ns->ino = ino;
	}
	return ns;
}

struct shmem *model_add_shmem(struct model *m, uint64_t shmid)
{
	struct shmem *s = MODEL_NEW(&m->shmems, struct shmem);

	if (!s)
		return NULL;
	s->shmid = shmid ? shmid : m->next_shmid;
	if (s->shmid >= m->next_shmid)
		m->next_shmid = s->shmid + 1;
	s->made_fd = -EBADF;
	if (map_set(&m->shmem_by_id, 0, s->shmid, s) < 0)
		return NULL; /* stays in the vector: freed with the model */
	return s;
}

int model_add_file_take(struct model *m, struct file *f)
{
	int r = vec_push(&m->files, f);

	if (r < 0) {
		mem_free(f);
		return r;
	}
	if (f->id == 0)
		f->id = m->next_file_id;
	if (f->id >= m->next_file_id)
		m->next_file_id = f->id + 1;
	if (map_find(&m->file_by_id, 0, f->id))
		return -EEXIST;
	return map_set(&m->file_by_id, 0, f->id, f);
}

struct file *model_file(const struct model *m, uint32_t id)
{
	return map_find(&m->file_by_id, 0, id);
}

struct task *model_task(const struct model *m, pid_t pid)
{
	return map_find(&m->task_by_pid, 0, (uint64_t)pid);
}

int fdtable_add(struct fdtable *t, int fd, bool cloexec, struct file *f)
{
	size_t at = t->slots.n;
	int r;

	while (at > 0 && t->slots.at[at - 1].fd > fd)
		at--;
	if (at > 0 && t->slots.at[at - 1].fd == fd)
		return -EEXIST;
	r = vec_push(&t->slots, (struct slot){ 0 });
	if (r < 0)
		return r;
	memmove(&t->slots.at[at + 1], &t->slots.at[at],
		(t->slots.n - 1 - at) * sizeof(struct slot));
	t->slots.at[at] = (struct slot){ .fd = fd, .cloexec = cloexec, .file = f };
	return 0;
}

struct file *fdtable_find(const struct fdtable *t, int fd)
{
	size_t lo = 0, hi = t->slots.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->slots.at[mid].fd == fd)
			return t->slots.at[mid].file;
		if (t->slots.at[mid].fd < fd)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct vma *mm_find(const struct mm *mm, uint64_t addr)
{
	size_t lo = 0, hi = mm->vmas.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct vma *v = mm->vmas.at[mid];

		if (addr < v->start)
			hi = mid;
		else if (addr >= v->end)
			lo = mid + 1;
		else
			return v;
	}
	return NULL;
}

bool mm_covers(const struct mm *mm, uint64_t start, uint64_t end)
{
	while (start < end) {
		const struct vma *v = mm_find(mm, start);

		if (!v)
			return false;
		start = v->end;
	}
	return true;
}

static void vma_free(struct vma *v)
{
	if (v) {
		mem_free(v->name);
		mem_free(v);
	}
}

int mm_add_take(struct mm *mm, struct vma *vma)
{
	const struct vma *last = mm->vmas.n ? mm->vmas.at[mm->vmas.n - 1] : NULL;
	int r = 0;

	if (vma->start >= vma->end || (last && vma->start < last->end))
		r = -EINVAL;
	if (r == 0)
		r = vec_push(&mm->vmas, vma);
	if (r < 0)
		vma_free(vma);
	return r;
}

void mm_free(struct mm *mm)
{
	if (!mm)
		return;
	vec_for_each(v, &mm->vmas)
		vma_free(*v);
	vec_done(&mm->vmas);
	vec_done(&mm->auxv);
	vec_done(&mm->aio_rings);
	ranges_done(&mm->guards);
	mem_free(mm);
}

static void task_free(struct task *t)
{
	struct thread *th;

	list_for_each(th, &t->threads, link) {
		mem_free(th->parts);
		mem_free(th);
	}
	tree_plan_free(t->tree);
	mem_free(t->parts);
	mem_free(t);
}

void model_done(struct model *m)
{
	struct task *t;

	list_for_each(t, &m->tasks, link)
		task_free(t);
	vec_for_each(f, &m->files)
		mem_free(*f);
	vec_for_each(mm, &m->mms)
		mm_free(*mm);
	vec_for_each(table, &m->fdtables) {
		vec_done(&(*table)->slots);
		mem_free(*table);
	}
	vec_for_each(s, &m->sighands) {
		mem_free((*s)->parts);
		mem_free(*s);
	}
	vec_for_each(fs, &m->fss)
		mem_free(*fs);
	vec_for_each(ns, &m->nss)
		mem_free(*ns);
	vec_for_each(s, &m->shmems) {
		mem_free((*s)->name);
		mem_free(*s);
	}
	vec_done(&m->files);
	vec_done(&m->mms);
	vec_done(&m->fdtables);
	vec_done(&m->sighands);
	vec_done(&m->fss);
	vec_done(&m->nss);
	vec_done(&m->shmems);
	map_done(&m->task_by_pid);
	map_done(&m->file_by_id);
	map_done(&m->shmem_by_ino);
	map_done(&m->shmem_by_id);
	mem_free(m->extras);
	mem_free(m->task_extras);
}
