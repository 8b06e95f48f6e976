#pragma once
/* What the phases of restore share. One struct restore per operation; phases are functions in
 * restore.c's table. */
#include "base/undo.h"
#include "object/check.h"
#include "object/env.h"
#include "kernel/features.h"
#include "kernel/proc/maps.h"
#include "object/images.h"
#include "report/stats.h"
#include "restore/shared.h"

struct restore_request;
struct pie_area;

/*
 * The areas of all tasks lie in one memfd, a slot of AREA_SPAN bytes (mostly holes) for each: a
 * task writes its programs into its own slot and maps it where nothing else is; the coordinator
 * maps the same pages to open barriers and to see how far the threads are.
 */
#define AREA_SPAN (UINT64_C(64) << 20)

/* task->build, in the coordinator: what it needs to know of a task that is being built. */
struct build {
	struct task *task;
	unsigned slot;         /* in the memfd */
	struct pie_area *area; /* the coordinator's mapping of its slot */
	size_t area_size;
	bool seized;
};

/* Where things of ours may lie in a task: the end of user addresses with four-level page tables,
 * and a distance to neighbours that is more than the kernel's stack guard gap. */
#define TASK_TOP   UINT64_C(0x7ffffffff000)
#define MEMORY_LOW UINT64_C(0x10000000)
#define GAP_MARGIN (UINT64_C(2) << 20)

/* A special mapping of the kernel's in us, and where a task has it. */
#define SPECIALS_MAX 4
struct special {
	uint64_t from, size, to;
	enum proc_map_kind kind;
};

/* The vDSO that a task had (vdso.c); one for all tasks with the same. */
struct old_vdso {
	char *image;
	uint64_t size;
	bool fits; /* this kernel's can take its place */
};

struct restore {
	const struct restore_request *request;
	struct report *report;
	struct stats *stats;
	struct policy policy;
	struct model model;
	struct load_images in;
	struct env env; /* the broker's */
	struct undo undo;
	struct shared *shared;
	int report_pipe[2];
	int images_dir;
	struct page_chain *chain; /* where stored pages are */
	struct map stores;        /* (STORE_*, id) -> struct page_store, checked at load */
	bool huge_always;
	struct map vdsos; /* (0, id of the mm) -> struct old_vdso; none where it was not stored */
	struct old_vdso *last_vdso;
	struct special specials[SPECIALS_MAX];
	size_t n_specials;
	uint64_t own_vdso_size;
	int areas_fd;
	int self;                     /* a pidfd of the coordinator */
	const struct task *memory_of; /* whose memory is mapped in this process beside our own */
	struct features features;
	bool all_born;    /* every pid of the tree is ours */
	unsigned n_live;  /* tasks that will live */
	unsigned n_built; /* processes of the tree, helpers and the dead included */
	usec_t timeout;   /* for every wait on a task */
	pid_t root_pid;   /* as we see it */
	bool detached;    /* the tree runs on its own */
};

/* The phases, in order (restore.c). Each 0 or -errno, reported. */
int restore_load(struct restore *r);
int restore_check(struct restore *r);
int restore_plan(struct restore *r);
int restore_create_files(struct restore *r);
/* What kinds do when the tree is complete and stands still. */
int restore_finish_files(struct restore *r);
/* Closes our own descriptors of what was made: a pipe's reader waits for the last writer. */
void restore_drop_files(struct restore *r);
int restore_create_shmems(struct restore *r);
int restore_load_contents(struct restore *r);
void restore_forget_contents(struct restore *r);
int restore_tree(struct restore *r);
int restore_finish(struct restore *r);

/* The steps of the last phase (finish.c): seize every thread; catch them at their last barrier and
 * put their registers in place; let go (stopped, when asked). */
int finish_seize(struct restore *r);
int finish_park(struct restore *r);
int finish_tasks(struct restore *r);
int finish_commit(struct restore *r);
void finish_release(struct restore *r, bool stopped);

/* The stages that the interpreter's barriers wait for. */
enum area_stage { AREA_STAGE_LAST = 1, AREA_STAGE_RETURN = 2 };

struct page_store;
/* Finds our own vDSO and its data pages, once: every process of the tree has them where we do. */
int restore_find_specials(struct restore *r);
/* The text of our own maps. Reported. */
int own_maps_read(struct restore *r, struct proc_text *text);
/* Reads the vDSO of an address space and compares it with ours (vdso.c). */
int restore_load_vdso(struct restore *r, const struct mm *mm, const struct page_store *store);
/* Fills image (old->size bytes) with the old one's pages, led to ours, which will lie at ours_at.
 */
int vdso_make_proxy(struct restore *r, const struct old_vdso *old, uint64_t ours_at, void *image);

/* ---- in the tasks
 * -------------------------------------------------------------------------------------------- */

/* Creates a process for `t` as planned; does not return in the child. In the parent its pid, or
 * -errno, reported. */
pid_t task_fork(struct restore *r, struct task *t, uint64_t extra_flags);
/* The stages create, place and settle of the task we are, and its programs (assemble.c). */
int task_assemble(struct restore *r, struct task *t);

/* Makes one file, in its maker (create.c). */
int file_make(struct env *env, struct file *f);

/* Memory of the task we are: its vmas mapped and filled (memory.c). */
int memory_build(struct restore *r, struct task *t);
/* Only decides where its mappings would be built, around what is ours (*own, freed by the caller).
 */
int memory_plan(struct restore *r, struct task *t, struct ranges *own);
/* Reads stored pages into place (contents.c). */
int memory_fill(struct restore *r, struct task *t);
int shmem_fill(struct restore *r, const struct shmem *s);
/* After the children are born: final protection, advice, locks. */
int memory_finish(struct restore *r, struct task *t);
/* The ranges that are mapped in us and not the memory of task `from`. */
int memory_own(struct restore *r, const struct task *from, struct ranges *own);

/* The programs of the task we are, written into its area (program.c). */
int program_build(struct restore *r, struct task *t);
/* Appends the programs that a task would get, a line per step (--dry-run -v). */
int program_print(struct restore *r, struct task *t, struct str *out);
/* Into the interpreter: nothing of ours runs in this process any more. */
_Noreturn void program_enter(struct restore *r, struct task *t);
