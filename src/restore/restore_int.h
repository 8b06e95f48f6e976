#pragma once
/* What the phases of restore share. One struct restore per operation; phases are functions in restore.c's table. */
#include "base/undo.h"
#include "object/check.h"
#include "object/env.h"
#include "object/images.h"
#include "report/stats.h"
#include "restore/shared.h"

struct restore_request;
struct pie_area;

/* task->build: what is known of a task while it is being built. */
struct build {
	struct task *task;
	/* The area of the interpreter: the same pages in us and in the task. */
	void *area;         /* our mapping */
	size_t area_size;
	uint64_t area_at;   /* where the task has it */
	int area_fd;
	uint64_t staging;   /* where vmas that overlap our own mappings are built */
	uint64_t staging_size;
};

/* A range of addresses that is ours (the restoring process's own mappings), ascending. */
struct own_map {
	uint64_t start, end;
	enum { OWN_PLAIN, OWN_VDSO, OWN_VVAR } what;
	bool keep; /* cannot be unmapped ([vsyscall]) */
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
	struct {
		VEC(struct own_map);
	} own;
	int floor;
	pid_t root_pid; /* as we see it */
	bool detached;  /* the tree runs on its own */
};

/* The phases, in order (restore.c). Each 0 or -errno, reported. */
int restore_load(struct restore *r);
int restore_check(struct restore *r);
int restore_plan(struct restore *r);
int restore_create_files(struct restore *r);
int restore_tree(struct restore *r);
int restore_stages(struct restore *r);
int restore_program(struct restore *r);
int restore_finish(struct restore *r);

/* Creates a process for `t` as planned; in the child this does not return. In the parent its pid or -errno. */
pid_t task_fork(struct restore *r, struct task *t, uint64_t extra_flags);

/* The life of a task from its birth to the interpreter; tree.c and task.c. */
_Noreturn void task_main(struct restore *r, struct task *t);

/* Memory of the task we are: its vmas mapped and filled (memory.c). */
int memory_build(struct restore *r, struct task *t);
/* After the children are born: final protection, advice, locks. */
int memory_finish(struct restore *r, struct task *t);

/* The programs of the task we are: its leader's and its threads' (program.c). */
int program_build(struct restore *r, struct task *t);
_Noreturn void program_enter(struct restore *r, struct task *t);
/* The stages create, place and settle of the task we are, and its programs (assemble.c). */
int task_assemble(struct restore *r, struct task *t);
