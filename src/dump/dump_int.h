#pragma once
/* What the phases of dump share. One struct dump per operation; phases are the rows of dump.c's
 * table. */
#include "base/undo.h"
#include "object/collect.h"
#include "object/images.h"
#include "report/stats.h"

struct cgroup_hold;
struct dump_request;

struct dump {
	const struct dump_request *request; /* NULL in check_tree and tree */
	struct report *report;
	struct stats *stats;
	struct policy policy;
	struct model model;
	struct collect collect;
	struct dump_images images;
	struct undo undo;    /* what we did to the tree */
	struct undo changes; /* what we did to the rest of the world: stays when the images do */
	pid_t pid;           /* the root of the tree, as we see it */
	usec_t timeout;      /* for every single wait */
	unsigned pid_level;  /* of the tree's pid namespace, counted from ours */
	struct cgroup_hold *cgroup; /* while the tree's control group is frozen */
	bool ids_only;              /* tree: no files, no memory */
};

/* The phases, in order (dump.c). Each 0 or -errno, reported. */
int dump_probe(struct dump *d);
int dump_freeze(struct dump *d);
/* --freeze-cgroup (cgroup_freeze.c): nothing when it was not asked for. */
int dump_cgroup_freeze(struct dump *d);
int dump_cgroup_thaw(struct dump *d);
int dump_collect_tasks(struct dump *d);
int dump_collect_ids(struct dump *d);
int dump_collect_memory(struct dump *d);
int dump_confirm_memory(struct dump *d);
int dump_collect_files(struct dump *d);
int dump_collect_parts(struct dump *d);
/* Nobody outside notices from here on that the tree stands still (collect_files.c). */
int dump_lock(struct dump *d);
int dump_inspect(struct dump *d);
/* Plans what is stored of memory; with `move` also moves it into pages files. */
int dump_contents(struct dump *d, bool move);
/* files.img and what kinds write beside it: may still ask the frozen tree. */
int dump_write_files(struct dump *d);
/* Everything else: a pure function of the model. */
int dump_write(struct dump *d);
int dump_complete(struct dump *d);
int dump_finish(struct dump *d);

/* Prints the tree with the ids of its tasks (tree_view.c). */
int dump_print_tree(struct dump *d, FILE *out);

/* Frees what freeze() and collect() hold of live tasks; threads were let go before. */
void dump_forget_live(struct dump *d);
