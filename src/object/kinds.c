/* The tables of kinds, made from kinds.def, and what is common to all rows. */
#include "object/kinds.h"

#include "inject/context.h"

#define FILE_KIND(name) extern const struct file_kind file_kind_##name;
#define TASK_KIND(name) extern const struct task_kind task_kind_##name;
#define MEM_KIND(name)  extern const struct mem_kind mem_kind_##name;
#include "object/kinds.def"
#undef FILE_KIND
#undef TASK_KIND
#undef MEM_KIND

#define FILE_KIND(name) &file_kind_##name,
#define TASK_KIND(name)
#define MEM_KIND(name)
const struct file_kind *const file_kinds[FILE_KIND_MAX] = {
#include "object/kinds.def"
};
#undef FILE_KIND
#undef TASK_KIND

#define FILE_KIND(name)
#define TASK_KIND(name) &task_kind_##name,
const struct task_kind *const task_kinds[TASK_KIND_MAX] = {
#include "object/kinds.def"
};
#undef TASK_KIND
#undef MEM_KIND

#define TASK_KIND(name)
#define MEM_KIND(name) &mem_kind_##name,
const struct mem_kind *const mem_kinds[MEM_KIND_MAX] = {
#include "object/kinds.def"
};
#undef FILE_KIND
#undef TASK_KIND
#undef MEM_KIND

unsigned file_kind_index(const struct file_kind *k)
{
	for (unsigned i = 0; i < FILE_KIND_MAX; i++)
		if (file_kinds[i] == k)
			return i;
	assert(!"a kind that is not in kinds.def");
	return 0;
}

const struct file_kind *file_kind_by_tag(int tag)
{
	for (unsigned i = 0; i < FILE_KIND_MAX; i++)
		if (file_kinds[i]->tag == tag)
			return file_kinds[i];
	return NULL;
}

const struct mem_kind *mem_kind_match(const struct vma *v)
{
	for (unsigned i = 0; i < MEM_KIND_MAX; i++)
		if (mem_kinds[i]->match(v))
			return mem_kinds[i];
	return NULL;
}

const struct mem_kind *mem_kind_match_image(const struct vma *v)
{
	for (unsigned i = 0; i < MEM_KIND_MAX; i++)
		if (mem_kinds[i]->match_image(v))
			return mem_kinds[i];
	return NULL;
}

void **file_kind_extra(struct model *m, enum file_kind_index i)
{
	if (!m->extras)
		m->extras = NEW_ARRAY(void *, FILE_KIND_MAX);
	return m->extras ? &m->extras[i] : NULL;
}

void **task_kind_extra(struct model *m, enum task_kind_index i)
{
	if (!m->task_extras)
		m->task_extras = NEW_ARRAY(void *, TASK_KIND_MAX);
	return m->task_extras ? &m->task_extras[i] : NULL;
}

struct file *file_new(const struct file_kind *k)
{
	struct file *f = mem_alloc(1, k->size);

	if (f) {
		f->kind = k;
		f->mnt_id = -1;
		f->made_fd = -EBADF;
		f->fd = -1;
	}
	return f;
}

static int parts_add(void ***parts, enum part_owner owner)
{
	if (*parts)
		return 0;
	*parts = NEW_ARRAY(void *, TASK_KIND_MAX);
	if (!*parts)
		return -ENOMEM;
	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		if (task_kinds[i]->owner != owner)
			continue;
		(*parts)[i] = mem_alloc(1, task_kinds[i]->size);
		if (!(*parts)[i])
			return -ENOMEM;
	}
	return 0;
}

int parts_new(struct thread *th)
{
	int r = parts_add(&th->parts, PART_THREAD);

	if (r == 0)
		r = parts_add(&th->task->parts, PART_TASK);
	if (r == 0 && th->task->sighand)
		r = parts_add(&th->task->sighand->parts, PART_SIGHAND);
	return r;
}

void *part_of(const struct thread *th, enum task_kind_index kind)
{
	void **parts = NULL;

	switch (task_kinds[kind]->owner) {
	case PART_THREAD:
		parts = th->parts;
		break;
	case PART_TASK:
		parts = th->task->parts;
		break;
	case PART_SIGHAND:
		parts = th->task->sighand ? th->task->sighand->parts : NULL;
		break;
	}
	return parts ? parts[kind] : NULL;
}

bool part_is_visited_by(const struct task_kind *k, const struct thread *th)
{
	bool leader = task_leader(th->task) == th;

	switch (k->owner) {
	case PART_THREAD:
		return true;
	case PART_TASK:
		return leader;
	case PART_SIGHAND:
		return leader && th->task->sighand && th->task->sighand->owner == th->task;
	}
	return false;
}

static void parts_release(void **parts)
{
	for (unsigned i = 0; parts && i < TASK_KIND_MAX; i++) {
		if (!parts[i])
			continue;
		if (task_kinds[i]->done)
			task_kinds[i]->done(parts[i]);
		mem_free(parts[i]);
		parts[i] = NULL;
	}
}

void kinds_release(struct model *m)
{
	struct task *t;

	task_for_each(t, m) {
		struct thread *th;

		thread_for_each(th, t) {
			parts_release(th->parts);
			context_free(ptr_take(&th->context));
		}
		parts_release(t->parts);
	}
	vec_for_each(s, &m->sighands)
		parts_release((*s)->parts);
	vec_for_each(f, &m->files)
		if ((*f)->kind->done)
			(*f)->kind->done(*f);
	for (unsigned i = 0; m->extras && i < FILE_KIND_MAX; i++)
		if (m->extras[i] && file_kinds[i]->extra_done)
			file_kinds[i]->extra_done(m->extras[i]);
	for (unsigned i = 0; m->task_extras && i < TASK_KIND_MAX; i++)
		if (m->task_extras[i] && task_kinds[i]->extra_done)
			task_kinds[i]->extra_done(ptr_take(&m->task_extras[i]));
}
