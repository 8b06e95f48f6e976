/*
 * `stasis tree -t PID`: the live tree with the ids of what its tasks share, for a person or a
 *script. It is a dump that stops after identity; the tree stands still for that long only.
 *
 *	 PID  TASK                 THR  VM FS FD SIG   PID NET IPC UTS MNT USER CGRP TIME
 *	 812  bash                   1   1  1  1   1     1   2   3   4   5    6    7    8
 *	 813  |- python3             4   2  2  1   2     1   2   3   4   5    6    7    8
 *	 820  `- sleep               1   3  3  3   3     1   2   3   4   5    6    7    8
 */
#include <jansson.h>
#include <string.h>

#include "dump/dump.h"
#include "dump/dump_int.h"

#define NAME_WIDTH 28

static const char *const kobj_names[KOBJ_MAX] = {
	[KOBJ_VM] = "vm_id",           [KOBJ_FS] = "fs_id", [KOBJ_FILES] = "files_id",
	[KOBJ_SIGHAND] = "sighand_id", [KOBJ_IO] = "io_id", [KOBJ_SYSVSEM] = "sysvsem_id",
};

static const char *const ns_names[NS_MAX] = {
	[NS_PID] = "pid_ns_id",       [NS_NET] = "net_ns_id",   [NS_IPC] = "ipc_ns_id",
	[NS_UTS] = "uts_ns_id",       [NS_MNT] = "mnt_ns_id",   [NS_USER] = "user_ns_id",
	[NS_CGROUP] = "cgroup_ns_id", [NS_TIME] = "time_ns_id",
};

static const char *const place_names[] = {
	[NS_OURS] = "ours",
	[NS_ROOTS] = "root's",
	[NS_NESTED] = "nested",
};

static const char *state_name(const struct task *t)
{
	return t->state == TASK_DEAD ? "dead" : t->state == TASK_STOPPED ? "stopped" : "alive";
}

static const char *task_comm(const struct task *t)
{
	return live_thread_of(task_leader(t))->stat.comm;
}

/* ---- for a script
 * -------------------------------------------------------------------------------------------- */

static json_t *task_json(const struct task *t)
{
	json_t *o = json_pack("{si si si si ss ss si}", "pid", t->host_pid, "ppid",
			      t->parent ? t->parent->host_pid : 0, "pgid", t->pgid, "sid", t->sid,
			      "comm", task_comm(t), "state", state_name(t), "threads",
			      (int)t->n_threads);

	if (t->state == TASK_DEAD)
		return o;
	for (unsigned i = 0; i < KOBJ_MAX; i++)
		(void)json_object_set_new(o, kobj_names[i], json_integer(t->kobj_id[i]));
	for (unsigned i = 0; i < NS_MAX; i++)
		(void)json_object_set_new(o, ns_names[i],
					  json_integer(t->ns[i] ? t->ns[i]->id : 0));
	return o;
}

static json_t *ns_json(const struct ns *ns)
{
	return json_pack("{si ss sI ss si}", "id", (int)ns->id, "type", ns_names[ns->type], "inode",
			 (json_int_t)ns->ino, "place", place_names[ns->place], "first_pid",
			 ns->task->host_pid);
}

static int tree_print_json(const struct dump *d, FILE *out)
{
	json_t *tasks = json_array(), *nss = json_array(), *all;
	struct task *t;
	int r;

	task_for_each(t, &d->model)
		(void)json_array_append_new(tasks, task_json(t));
	vec_for_each(ns, &d->model.nss)
		(void)json_array_append_new(nss, ns_json(*ns));
	all = json_pack("{so so sI}", "tasks", tasks, "namespaces", nss, "kcmp_calls",
			(json_int_t)d->stats->kcmp_calls);
	if (!all)
		return -ENOMEM;
	r = json_dumpf(all, out, JSON_INDENT(2));
	json_decref(all);
	(void)fputc('\n', out); /* seen by ferror() as well */
	return r < 0 || ferror(out) ? -EIO : 0;
}

/* ---- for a person
 * -------------------------------------------------------------------------------------------- */

static void task_print_ids(const struct task *t, FILE *out)
{
	static const int width[NS_MAX] = { 5, 3, 3, 3, 3, 4, 4, 4 };

	if (t->state == TASK_DEAD) {
		fprintf(out, "  dead\n");
		return;
	}
	fprintf(out, " %4u %3u %3u %3u", t->kobj_id[KOBJ_VM], t->kobj_id[KOBJ_FS],
		t->kobj_id[KOBJ_FILES], t->kobj_id[KOBJ_SIGHAND]);
	for (unsigned i = 0; i < NS_MAX; i++) {
		const struct ns *ns = t->ns[i];

		fprintf(out, " %*u%s", width[i], ns ? ns->id : 0,
			ns && ns->place == NS_NESTED ? "*" : "");
	}
	fprintf(out, "%s\n", t->state == TASK_STOPPED ? "  stopped" : "");
}

static void task_print(const struct task *t, const char *indent, FILE *out)
{
	const struct list *last = t->children.prev;
	char name[192], below[64];
	struct task *c;

	(void)snprintf(name, sizeof(name), "%s%s", indent, task_comm(t)); /* fits */
	fprintf(out, "%7d  %-*.*s %4u", t->host_pid, NAME_WIDTH, NAME_WIDTH, name, t->n_threads);
	task_print_ids(t, out);
	list_for_each(c, &t->children, sibling) {
		size_t n = strlen(indent);

		/* Our own branch mark becomes a line (or nothing) above our children's. */
		(void)snprintf(below, sizeof(below), "%.*s%s%s", n >= 3 ? (int)n - 3 : 0, indent,
			       n < 3                  ? ""
			       : indent[n - 3] == '`' ? "   "
						      : "|  ",
			       &c->sibling == last ? "`- " : "|- ");
		task_print(c, below, out);
	}
}

static int tree_print_text(const struct dump *d, FILE *out)
{
	fprintf(out, "%7s  %-*s %4s %4s %3s %3s %3s %5s %3s %3s %3s %3s %4s %4s %4s\n", "PID",
		NAME_WIDTH, "TASK", "THR", "VM", "FS", "FD", "SIG", "pid", "net", "ipc", "uts",
		"mnt", "user", "cgrp", "time");
	task_print(d->model.root, "", out);
	vec_for_each(ns, &d->model.nss)
		if ((*ns)->place == NS_NESTED)
			fprintf(out, "* %s %u is nested, first seen in task %d\n",
				ns_names[(*ns)->type], (*ns)->id, (*ns)->task->host_pid);
	return ferror(out) ? -EIO : 0;
}

int dump_print_tree(struct dump *d, FILE *out)
{
	int r = d->request->json ? tree_print_json(d, out) : tree_print_text(d, out);

	return r < 0 ? report_fail(d->report, r, "cannot write the tree") : 0;
}
