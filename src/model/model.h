#pragma once
/*
 * The model: everything known of a tree of tasks, in terms of the kernel. Dump reads the kernel
 * into it and writes it; restore loads it from images and builds. It owns all objects below;
 * pointers between objects are borrowed.
 */
#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/task.h"

#define MODEL_ID_MAX 40

struct model {
	struct list tasks; /* parents before children */
	struct task *root;
	unsigned n_tasks, n_threads;
	struct map task_by_pid; /* (0, pid), in the tree's pid namespace; also tids */

	struct {
		VEC(struct file *);
	} files;               /* in order of id */
	struct map file_by_id; /* (0, id) */
	struct {
		VEC(struct mm *);
	} mms;
	struct {
		VEC(struct fdtable *);
	} fdtables;
	struct {
		VEC(struct fs *);
	} fss;
	struct {
		VEC(struct sighand *);
	} sighands;
	struct {
		VEC(struct ns *);
	} nss;
	struct {
		VEC(struct shmem *);
	} shmems;
	struct map shmem_by_ino; /* (dev, ino) */
	struct map shmem_by_id;  /* (0, shmid) */

	void **extras; /* state of a kind as a whole (pipe buffers, memfd inodes, ghost files), one
			  per file kind */
	void **task_extras; /* likewise, one per task kind */

	char dump_id[MODEL_ID_MAX]; /* of the dump that the images are of, a UUID; "" in old images
				     */

	uint32_t next_file_id;
	uint32_t next_pages_id;
	uint64_t next_shmid;
};

void model_init(struct model *m);
/* Frees the model's own objects. Parts and derived files were freed by their kinds before
 * (object/kinds.h). */
void model_done(struct model *m);

/* New objects, owned by the model; NULL when out of memory. `parent` NULL makes the root. */
struct task *model_add_task(struct model *m, struct task *parent, pid_t pid);
struct thread *model_add_thread(struct model *m, struct task *t, pid_t tid);
/* The reverse: it is gone. A thread, or a task without children and threads; the root stays.
 * -ENOMEM: the task is gone all the same, but the model cannot be used any more. */
void model_drop_thread(struct model *m, struct thread *th);
int model_drop_task(struct model *m, struct task *t) nodiscard;
struct mm *model_add_mm(struct model *m, uint32_t id, struct task *owner);
struct fdtable *model_add_fdtable(struct model *m, uint32_t id, struct task *owner);
struct fs *model_add_fs(struct model *m, uint32_t id, struct task *owner);
struct sighand *model_add_sighand(struct model *m, uint32_t id, struct task *owner);
struct ns *model_add_ns(struct model *m, enum ns_type type, uint32_t id, uint64_t ino);
struct shmem *model_add_shmem(struct model *m, uint64_t shmid);

/* Registers a file (owned by the model from now on, also on failure: freed by model_done). Gives it
 * the next id when f->id is 0. -ENOMEM, or -EEXIST when the id is taken. */
int model_add_file_take(struct model *m, struct file *f) nodiscard;

struct file *model_file(const struct model *m, uint32_t id); /* NULL when there is none */
struct task *model_task(const struct model *m, pid_t pid);   /* by pid only, not tid */

/* Adds a slot, keeping the table sorted. -ENOMEM, or -EEXIST when the number is taken. */
int fdtable_add(struct fdtable *t, int fd, bool cloexec, struct file *f) nodiscard;
/* The file in slot fd, or NULL. */
struct file *fdtable_find(const struct fdtable *t, int fd);
