#pragma once
/*
 * The kinds of kernel objects, in families with the same verbs. A kind is one file and one row of
 *kinds.def; the phases of dump and restore are loops over these rows and never name a kind.
 *
 *	dump		match collect resolve lock ask answer encode write confirm
 *	restore		load decode check plan create settle early late last
 *
 * Slots left NULL mean "nothing to do". Every verb returns 0 or a positive result, else -errno, and
 *has then reported (env->report, c->report) what went wrong. Structs of a kind are allocated by the
 *engine with the row's size, zeroed, and freed after done().
 */
#include <sys/stat.h>

#include "base/mem.h"
#include "model/model.h"

struct check;       /* object/check.h: what this host has */
struct collect;     /* object/collect.h: the dump context */
struct dump_images; /* object/images.h: the directory being written */
struct env;         /* object/env.h: the restore context of one task, or of the broker */
struct load_images; /* object/images.h: the directory being read */
struct program;     /* inject: steps for the interpreter of one thread */
struct report;

struct FileEntry; /* protobuf-c's file_entry and core_entry, of schema/ */
struct CoreEntry;

/* ---- open files
 * ---------------------------------------------------------------------------------------------- */

/* What is known of a descriptor before its kind. All borrowed. */
struct fd_view {
	int fd; /* our duplicate of the descriptor: same open file description */
	const struct stat *st;
	const char *link;  /* what /proc/PID/fd/N points to */
	uint64_t fs_magic; /* f_type of the file system */
	bool is_opath;     /* the task opened it with O_PATH: a place, not the object there */
};

/* One file_entry: being written (allocate pieces from the arena), or as read and unpacked. */
struct file_record {
	struct FileEntry *fe;
	struct arena *arena;
};

struct file_kind {
	const char *name;
	const char *about; /* one sentence, for `check --list` and the docs */
	int tag;           /* enum fd_types of the image format */
	size_t size;       /* of the state struct, which starts with struct file */
	bool takes_opath;  /* is asked about descriptors opened with O_PATH, too */
	bool goes_first;   /* into files.img: records of other kinds refer to it */

	/* Dump. */
	bool (*match)(const struct fd_view *v);
	/* A line of fdinfo beyond pos, flags, mnt_id and ino. Lines come in the kernel's order. */
	int (*fdinfo)(struct collect *c, struct file *f, const char *key, const char *value);
	int (*collect)(struct collect *c, struct file *f, const struct fd_view *v);
	/* Once per file, with every file of the tree known: resolve references, refuse what cannot
	 * be. */
	int (*resolve)(struct collect *c, struct file *f);
	/* Once per dump when the kind occurs, with everything collected and nothing refused: keeps
	 * the world from noticing that the tree stands still (c->hold undoes it), and reads what
	 * can only be read then. */
	int (*lock)(struct collect *c);
	int (*encode)(const struct file *f, struct file_record *out);
	/* Once per dump when the kind occurs: images beside files.img (pipe contents, ghost
	 * files...). */
	int (*write)(struct collect *c, struct dump_images *out);

	/* Restore. */
	/* Once, before the files of files.img are decoded. */
	int (*load)(struct model *m, struct load_images *in);
	int (*decode)(struct model *m, struct file *f, const struct file_record *in);
	int (*check)(struct check *k, struct file *f);
	/* Once, when the kind occurs, with the whole model loaded: who makes what, who comes before
	 * whom. */
	int (*plan)(struct model *m, struct report *rep);
	/* In the maker. Others made by the same call are handed over with env_deposit_take(). */
	int (*create)(struct env *env, struct file *f, int *ret_fd);
	/* Once, in the broker, when every file that it makes exists: what files do with each other
	 * and no task is needed for. */
	int (*link)(struct env *env);
	/* In the owner of the first table that holds it, when every task has its slots; fd is the
	 * number there. Files in flight that no table holds: in the root task, fd is the maker's.
	 */
	int (*settle)(struct env *env, struct file *f, int fd);
	/* Steps of the program of that same task's leader, after it has been seized: what starts
	 * clocks. */
	int (*last)(struct env *env, struct file *f, int fd, struct program *p);
	/* Once, in the broker, when the tree is complete and before it runs: takes away what only
	 * the restore needed and what shall stay when it fails. */
	int (*finish)(struct env *env);
	/* Frees what the kind's struct owns, not the struct itself. */
	void (*done)(struct file *f);
	/* Frees what the kind hung at model->extras[]. */
	void (*extra_done)(void *extra);
};

/* ---- parts of tasks
 * ------------------------------------------------------------------------------------------ */

/* Who owns the state: a part exists once per owner, and its verbs are called with a thread that
 * stands for it. */
enum part_owner { PART_THREAD, PART_TASK, PART_SIGHAND };

/* The core-TID.img record: thread_core always there; tc (the task's part) in the leader's only. */
struct core_record {
	struct CoreEntry *core;
	struct arena *arena;
};

struct task_kind {
	const char *name;
	const char *about;
	enum part_owner owner;
	size_t size;

	/* Dump. The part is part_of(th, kind). */
	int (*collect)(struct collect *c, struct thread *th, void *part);
	int (*ask)(struct collect *c, struct thread *th, void *part, struct program *p);
	int (*answer)(struct collect *c, struct thread *th, void *part, const struct program *p);
	int (*encode)(const struct thread *th, const void *part, struct core_record *out);
	/* Once per dump, with all cores encoded: images of the kind's own. */
	int (*write)(struct collect *c, struct dump_images *out);

	/* Restore. */
	/* Once, before the cores are decoded. */
	int (*load)(struct model *m, struct load_images *in);
	int (*decode)(struct model *m, struct thread *th, void *part, const struct core_record *in);
	int (*check)(struct check *k, struct thread *th, void *part);
	/* In the task, in host C, when all its objects exist and before the interpreter takes over;
	 * THREAD parts too are called in the leader, once per thread, before those threads exist.
	 */
	int (*early)(struct env *env, struct thread *th, void *part);
	/* Steps of the thread's own program (for TASK and SIGHAND: the leader's). Rows run in the
	 * order of kinds.def: that is the order of kernel effects (credentials after all that needs
	 * privilege, seccomp last). */
	int (*late)(struct env *env, struct thread *th, void *part, struct program *p);
	/* The same, but after the coordinator has seized every thread (the network is unlocked,
	 * seccomp suspended): for what takes privileges away or starts clocks: credentials,
	 * dumpable, timers, pending signals, seccomp. */
	int (*last)(struct env *env, struct thread *th, void *part, struct program *p);
	void (*done)(void *part);
	/* Frees what the kind hung at task_kind_extra(), itself included. */
	void (*extra_done)(void *extra);
};

/* ---- mappings
 * ------------------------------------------------------------------------------------------------
 */

struct mem_kind {
	const char *name;
	const char *about;
	/* Dump: whether a vma (fields of smaps filled in) is of this kind; rows are asked in order,
	 * the first wins. */
	bool (*match)(const struct vma *v);
	/* Sets status, flags, file, shmem, has_pages. */
	int (*collect)(struct collect *c, struct task *t, struct vma *v);
	/* When everything is written, before the tree goes on: whether it still holds. */
	int (*confirm)(struct collect *c, struct task *t, struct vma *v);
	/* Restore: whether an image's vma (status, flags) is of this kind. */
	bool (*match_image)(const struct vma *v);
	int (*decode)(struct model *m, struct vma *v);
	/* Maps it at v->at with `prot`, in the task, in host C. NULL: the program's business (vDSO
	 * and the like). */
	int (*map)(struct env *env, struct vma *v, int prot);
	/* In the task, in host C: contents are there and the children born; protection and advice
	 * are the engine's. */
	int (*finish)(struct env *env, struct vma *v);
	/* Steps of the leader's program when the old maps are gone and the vma is in its place. */
	int (*late)(struct env *env, struct vma *v, struct program *p);
};

/* ---- the tables
 * ---------------------------------------------------------------------------------------------- */

enum file_kind_index {
#define FILE_KIND(name) FILE_KIND_##name,
#define TASK_KIND(name)
#define MEM_KIND(name)
#include "object/kinds.def"
#undef FILE_KIND
#undef TASK_KIND
#undef MEM_KIND
	FILE_KIND_MAX,
};

enum task_kind_index {
#define FILE_KIND(name)
#define TASK_KIND(name) TASK_KIND_##name,
#define MEM_KIND(name)
#include "object/kinds.def"
#undef FILE_KIND
#undef TASK_KIND
#undef MEM_KIND
	TASK_KIND_MAX,
};

enum mem_kind_index {
#define FILE_KIND(name)
#define TASK_KIND(name)
#define MEM_KIND(name) MEM_KIND_##name,
#include "object/kinds.def"
#undef FILE_KIND
#undef TASK_KIND
#undef MEM_KIND
	MEM_KIND_MAX,
};

extern const struct file_kind *const file_kinds[FILE_KIND_MAX];
extern const struct task_kind *const task_kinds[TASK_KIND_MAX];
extern const struct mem_kind *const mem_kinds[MEM_KIND_MAX];

/* The index of a kind in its table: for model->extras. */
unsigned file_kind_index(const struct file_kind *k);
/* The kind with an image tag; NULL when it is unknown or not built. */
const struct file_kind *file_kind_by_tag(int tag);
/* The kind of a vma as smaps shows it, or as an image does; NULL when no row wants it. */
const struct mem_kind *mem_kind_match(const struct vma *v);
const struct mem_kind *mem_kind_match_image(const struct vma *v);

/* Where a kind as a whole keeps its state (model->extras); the first call makes room. NULL when out
 * of memory. */
void **file_kind_extra(struct model *m, enum file_kind_index i);
void **task_kind_extra(struct model *m, enum task_kind_index i);

/* A new file of a kind: zeroed, sized by the row, not yet registered; NULL when out of memory. */
struct file *file_new(const struct file_kind *k);

/* Allocates the parts of a thread and, once, of its task and sighand. 0 or -ENOMEM. */
int parts_new(struct thread *th) nodiscard;
/* The part of a row for a thread: the thread's own, its task's or its sighand's; NULL when there is
 * none. */
void *part_of(const struct thread *th, enum task_kind_index kind);
/* Whether `th` stands for the owner of parts of this kind, so that each part is visited once. */
bool part_is_visited_by(const struct task_kind *k, const struct thread *th);

/* Runs done() for everything in the model and frees the parts; before model_done(). */
void kinds_release(struct model *m);
