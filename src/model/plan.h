#pragma once
/*
 * The plan: data before it is action. This part is the tree: in which order each task creates its
 *session, its process group and its children so that all end with the numbers they had. A plan can
 *be printed and compared without privileges.
 *
 * A session can only be inherited or created by its leader, and a process group joined only inside
 *a session. So a child whose session is not its parent's must be born at the right moment, or by
 *somebody else who is in that session:
 *
 *	child's session == parent's                      born after the parent's setsid
 *	child's session == the one the parent came from  born before the parent's setsid
 *	its leader is a child of the same parent         the leader gives birth for its parent
 *(CLONE_PARENT) its leader is gone                               a helper with the leader's pid
 *does its leader is elsewhere in the tree              the leader has a grandchild orphaned (the
 *parent adopts as subreaper or init, as it must have done before the dump)
 */
#include <sys/types.h>

#include "base/str.h"
#include "model/model.h"

enum tree_op_type {
	TREE_SETSID,    /* become session leader                                                 */
	TREE_NEW_GROUP, /* become process group leader                                           */
	TREE_FORK,      /* create `task` as a child                                              */
	TREE_FORK_SIBLING, /* create `task` as a child of our parent (CLONE_PARENT) */
	TREE_FORK_ORPHAN,  /* create `task` through a child that exits: the next subreaper adopts it
			    */
	TREE_SUBREAPER,  /* adopt orphans while the tree is being built                           */
	TREE_JOIN_GROUP, /* join group `pgid`, when every leader has made its own                 */
};

struct tree_op {
	enum tree_op_type type;
	struct task *task;
	pid_t pgid;
};

/* task->tree: what the task does, in order; joins come last, after the stage in which the tree is
 * forked. */
struct tree_plan {
	struct {
		VEC(struct tree_op);
	} ops;
	pid_t born_sid;   /* session at birth */
	bool is_settled;  /* somebody is going to give birth to it */
	bool is_reached;  /* some chain of births leads to it from the root */
	bool orphan_born; /* through TREE_FORK_ORPHAN: its first parent exits at once */
};

/*
 * Plans the tree of a loaded model: fills task->tree for all tasks and adds helper tasks
 * (is_helper) for leaders that are gone. `outer_sid` and `outer_pgid` are the session and group of
 * whoever will create the root: tasks that were in the root's own outer session or group (root->sid
 * != root->pid) are moved there.
 *
 * 0, -ENOMEM, or -EINVAL with *ret_task set to the task whose session or group cannot be built.
 */
int plan_tree(struct model *m, pid_t outer_sid, pid_t outer_pgid,
	      const struct task **ret_task) nodiscard;

/* Prints the plan, a line per task and operation. */
int plan_tree_print(const struct model *m, struct str *out);

void tree_plan_free(struct tree_plan *p);
