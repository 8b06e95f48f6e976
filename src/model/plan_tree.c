/* Planning the tree: sessions, process groups, order of birth. See plan.h. */
#include <string.h>

#include "model/plan.h"

void tree_plan_free(struct tree_plan *p)
{
	if (p) {
		vec_done(&p->ops);
		mem_free(p);
	}
}

static int plan_op(struct task *t, enum tree_op_type type, struct task *who, pid_t pgid)
{
	return vec_push(&t->tree->ops, (struct tree_op){ .type = type, .task = who, .pgid = pgid });
}

static bool task_leads_session(const struct task *t)
{
	return t->sid == t->pid;
}

/* The root's outer session and group become those of whoever restores it. */
static void plan_move_outer(struct model *m, pid_t outer_sid, pid_t outer_pgid)
{
	pid_t old_sid = m->root->sid, old_pgid = m->root->pgid;
	bool sid_is_outer = !model_task(m, old_sid), pgid_is_outer = !model_task(m, old_pgid);
	struct task *t;

	task_for_each(t, m) {
		if (pgid_is_outer && t->pgid == old_pgid && t->sid == old_sid)
			t->pgid = outer_pgid;
		if (sid_is_outer && t->sid == old_sid)
			t->sid = outer_sid;
	}
}

/* The session a leader must be born into: the one its children outside its own session need, when
 * they need one. */
static pid_t plan_leader_birth(const struct task *t, pid_t parent_sid)
{
	struct task *c;

	list_for_each(c, &t->children, sibling) {
		pid_t need = task_leads_session(c) ? plan_leader_birth(c, 0) : c->sid;

		if (need && need != t->sid && need != c->pid)
			return need;
	}
	return parent_sid;
}

static struct task *plan_helper(struct model *m, struct task *parent, pid_t pid, pid_t sid)
{
	struct task *h = model_add_task(m, parent, pid);

	if (!h)
		return NULL;
	h->is_helper = true;
	h->state = TASK_ALIVE;
	h->sid = sid;
	h->pgid = pid;
	h->tree = NEW(struct tree_plan);
	return h->tree ? h : NULL;
}

/* Whether `t` will be in session `sid` at some moment after its setsid. */
static struct task *plan_session_member(const struct model *m, pid_t sid)
{
	struct task *leader = model_task(m, sid);

	return leader && leader->sid == sid && leader->tree ? leader : NULL;
}

/* Adopting must be on before the first descendant is born, so it goes to the front. */
static int plan_subreaper(struct task *p)
{
	struct tree_op *ops = p->tree->ops.at;
	int r;

	if (p->tree->ops.n && ops[0].type == TREE_SUBREAPER)
		return 0;
	r = plan_op(p, TREE_SUBREAPER, NULL, 0);
	if (r < 0)
		return r;
	ops = p->tree->ops.at;
	memmove(&ops[1], &ops[0], (p->tree->ops.n - 1) * sizeof(ops[0]));
	ops[0] = (struct tree_op){ .type = TREE_SUBREAPER };
	return 0;
}

/* Births of a child whose session its parent never has while it could fork it. */
static int plan_foreign_birth(struct model *m, struct task *p, struct task *c, pid_t sid)
{
	struct task *leader = plan_session_member(m, sid);
	int r;

	if (!leader) {
		if (map_find(&m->task_by_pid, 0, (uint64_t)sid))
			return -EINVAL; /* the number is in use by something that does not lead */
		leader = plan_helper(m, p, sid, sid);
		if (!leader)
			return -ENOMEM;
		leader->tree->born_sid = p->sid;
		r = plan_op(p, TREE_FORK, leader, 0);
		if (r == 0)
			r = plan_op(leader, TREE_SETSID, NULL, 0);
		if (r < 0)
			return r;
	}

	c->tree->is_settled = true;
	if (leader->parent == p)
		return plan_op(leader, TREE_FORK_SIBLING, c, 0);

	c->tree->orphan_born = true;
	r = plan_subreaper(p);
	return r < 0 ? r : plan_op(leader, TREE_FORK_ORPHAN, c, 0);
}

/* The births that a parent gives in one of its two sessions. */
static int plan_births(struct task *p, pid_t sid)
{
	struct task *c;

	list_for_each(c, &p->children, sibling) {
		int r;

		if (c->tree->born_sid != sid || c->is_helper)
			continue;
		r = plan_op(p, TREE_FORK, c, 0);
		if (r < 0)
			return r;
		c->tree->is_settled = true; /* settled: not born twice */
	}
	return 0;
}

static int plan_task(struct task *t)
{
	bool leads = task_leads_session(t);
	struct task *c;
	int r = 0;

	list_for_each(c, &t->children, sibling) {
		c->tree->born_sid = task_leads_session(c) ? plan_leader_birth(c, t->sid) : c->sid;
		if (c->tree->born_sid == c->pid)
			c->tree->born_sid = t->sid;
	}
	if (leads && t->tree->born_sid != t->sid)
		r = plan_births(t, t->tree->born_sid);
	if (r == 0 && leads)
		r = plan_op(t, TREE_SETSID, NULL, 0);
	else if (r == 0 && t->pgid == t->pid)
		r = plan_op(t, TREE_NEW_GROUP, NULL, 0);
	if (r == 0)
		r = plan_births(t, t->sid);
	return r;
}

/* A group whose leader is gone gets one for as long as others join. */
static int plan_group(struct model *m, struct task *t, pid_t outer_pgid)
{
	struct task *leader = model_task(m, t->pgid);
	int r;

	if (t->pgid == t->pid || t->is_helper)
		return 0;
	if (t->pgid == 0 || (t->pgid == outer_pgid && !leader))
		return t == m->root ? 0 : plan_op(t, TREE_JOIN_GROUP, NULL, t->pgid);
	if (leader && leader->sid != t->sid)
		return -EINVAL;
	if (!leader) {
		if (map_find(&m->task_by_pid, 0, (uint64_t)t->pgid))
			return -EINVAL;
		leader = plan_helper(m, t, t->pgid, t->sid);
		if (!leader)
			return -ENOMEM;
		leader->tree->born_sid = t->sid;
		r = plan_op(t, TREE_FORK, leader, 0);
		if (r == 0)
			r = plan_op(leader, TREE_NEW_GROUP, NULL, 0);
		if (r < 0)
			return r;
	}
	return plan_op(t, TREE_JOIN_GROUP, NULL, t->pgid);
}

static void plan_reach(struct task *t)
{
	t->tree->is_reached = true;
	vec_for_each(op, &t->tree->ops)
		if (op->task && !op->task->tree->is_reached)
			plan_reach(op->task);
}

/* A task that waits to be born by one of its own descendants would never be: nobody must wait for
 * it. */
static int plan_check_births(struct model *m, const struct task **ret_task)
{
	struct task *t;

	plan_reach(m->root);
	task_for_each(t, m) {
		*ret_task = t;
		if (!t->tree->is_reached)
			return -EINVAL;
	}
	return 0;
}

int plan_tree(struct model *m, pid_t outer_sid, pid_t outer_pgid, const struct task **ret_task)
{
	struct task *t, *c;
	int r = 0;

	if (!task_leads_session(m->root))
		plan_move_outer(m, outer_sid, outer_pgid);
	task_for_each(t, m) {
		t->tree = NEW(struct tree_plan);
		if (!t->tree)
			return -ENOMEM;
	}
	m->root->tree->born_sid = outer_sid;
	task_for_each(t, m) {
		*ret_task = t;
		if (!t->is_helper)
			r = plan_task(t);
		if (r < 0)
			return r;
	}
	task_for_each(t, m) {
		*ret_task = t;
		list_for_each(c, &t->children, sibling) {
			if (c->tree->is_settled || c->is_helper)
				continue;
			*ret_task = c;
			r = plan_foreign_birth(m, t, c, c->tree->born_sid);
			if (r < 0)
				return r;
		}
	}
	task_for_each(t, m) {
		*ret_task = t;
		r = plan_group(m, t, outer_pgid);
		if (r < 0)
			return r;
	}
	return plan_check_births(m, ret_task);
}

int plan_tree_print(const struct model *m, struct str *out)
{
	static const char *const names[] = {
		[TREE_SETSID] = "setsid",
		[TREE_NEW_GROUP] = "new-group",
		[TREE_FORK] = "fork",
		[TREE_FORK_SIBLING] = "fork-sibling",
		[TREE_FORK_ORPHAN] = "fork-orphan",
		[TREE_SUBREAPER] = "subreaper",
		[TREE_JOIN_GROUP] = "join-group",
	};
	struct task *t;

	task_for_each(t, m) {
		str_addf(out, "task %d%s\n", t->pid,
			 t->is_helper            ? " (helper)"
			 : t->state == TASK_DEAD ? " (zombie)"
						 : "");
		vec_for_each(op, &t->tree->ops) {
			str_addf(out, "\t%s", names[op->type]);
			if (op->task)
				str_addf(out, " %d", op->task->pid);
			else if (op->type == TREE_JOIN_GROUP)
				str_addf(out, " %d", op->pgid);
			str_addf(out, "\n");
		}
	}
	return out->failed ? -ENOMEM : 0;
}
