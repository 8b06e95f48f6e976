/*
 * oom_score_adj: how likely the kernel chooses a task when memory runs out. Whoever lacks
 * CAP_SYS_RESOURCE may not make a process less likely to be chosen than it was allowed to be;
 * then it stays as it is, with a warning: nothing that the program can see depends on it.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>

#include "kernel/cap.h"
#include "kernel/proc/value.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "report/log.h"
#include "schema/core.pb-c.h"

#define FILE_NAME "oom_score_adj"
#define SCORE_MIN (-1000)
#define SCORE_MAX 1000

struct oom {
	int32_t score;
	bool is_known;
};

static int oom_score_adj_collect(struct collect *c, struct thread *th, void *part)
{
	struct oom *s = part;
	int64_t v;
	int r = proc_value_i64(&live_of(th->task)->proc, FILE_NAME, &v);

	if (r < 0)
		return report_fail(c->report, r, "cannot read its " FILE_NAME);
	s->score = (int32_t)v;
	s->is_known = true;
	return 0;
}

static int oom_score_adj_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct oom *s = part;

	(void)th;
	out->core->tc->has_oom_score_adj = s->is_known;
	out->core->tc->oom_score_adj = s->score;
	return 0;
}

static int oom_score_adj_decode(struct model *m, struct thread *th, void *part,
				const struct core_record *in)
{
	struct oom *s = part;

	(void)m;
	(void)th;
	s->is_known = in->core->tc->has_oom_score_adj;
	s->score = in->core->tc->oom_score_adj;
	return s->score < SCORE_MIN || s->score > SCORE_MAX ? -EUCLEAN : 0;
}

static int oom_score_adj_check(struct check *k, struct thread *th, void *part)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	const struct oom *s = part;
	int64_t ours;
	int r;

	(void)th;
	if (!s->is_known || cap_own_has(CAP_SYS_RESOURCE))
		return 0;
	r = proc_pid_open(0, &self);
	if (r == 0)
		r = proc_value_i64(&self, FILE_NAME, &ours);
	if (r < 0)
		return report_fail(k->report, r, "cannot read our own " FILE_NAME);
	if (s->score < ours)
		report_warn(k->report, CODE_NO_PRIVILEGE,
			    "its " FILE_NAME " was %d, which needs CAP_SYS_RESOURCE here; it may "
			    "come back with %" PRId64,
			    s->score, ours);
	return 0;
}

static int oom_score_adj_early(struct env *env, struct thread *th, void *part)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	const struct oom *s = part;
	char text[16];
	int64_t ours;
	int r;

	(void)th;
	if (!s->is_known)
		return 0;
	r = env_proc_self(env, &self);
	if (r == 0)
		r = proc_value_i64(&self, FILE_NAME, &ours);
	if (r == 0 && ours != s->score) {
		(void)snprintf(text, sizeof(text), "%d", s->score); /* fits */
		r = proc_value_set(&self, FILE_NAME, text);
	}
	if (r == -EACCES || r == -ENOENT) { /* no right, or no proc in its root */
		log_warn(FILE_NAME " is not set pid=%d", th->task->pid);
		return 0;
	}
	return r < 0 ? report_fail(env->report, r, "cannot set its " FILE_NAME) : 0;
}

const struct task_kind task_kind_oom_score_adj = {
	.name = "oom_score_adj",
	.about = "a task's chance to be killed when memory runs out",
	.owner = PART_TASK,
	.size = sizeof(struct oom),
	.collect = oom_score_adj_collect,
	.encode = oom_score_adj_encode,
	.decode = oom_score_adj_decode,
	.check = oom_score_adj_check,
	.early = oom_score_adj_early,
};
