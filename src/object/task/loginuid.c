/*
 * loginuid: the user that a task's actions are put down to in the audit log, however often it
 * changes its ids. Kernels without auditing have none. Setting it again may need CAP_AUDIT_CONTROL;
 * without, it stays that of the restoring process, with a warning.
 */
#include <errno.h>
#include <inttypes.h>

#include "kernel/features.h"
#include "kernel/proc/value.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "report/log.h"
#include "schema/core.pb-c.h"

#define FILE_NAME "loginuid"

struct loginuid {
	uint32_t uid; /* UINT32_MAX: never logged in */
	bool is_known;
};

/* -ENOENT where the kernel has no auditing. */
static int loginuid_read(const struct proc_pid *p, uint32_t *ret)
{
	uint64_t v;
	int r = proc_value_u64(p, FILE_NAME, 10, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

static int loginuid_collect(struct collect *c, struct thread *th, void *part)
{
	struct loginuid *s = part;
	int r = loginuid_read(&live_of(th->task)->proc, &s->uid);

	if (r < 0 && r != -ENOENT)
		return report_fail(c->report, r, "cannot read its " FILE_NAME);
	s->is_known = r == 0;
	return 0;
}

static int loginuid_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct loginuid *s = part;

	(void)th;
	out->core->tc->has_loginuid = s->is_known;
	out->core->tc->loginuid = s->uid;
	return 0;
}

static int loginuid_decode(struct model *m, struct thread *th, void *part,
			   const struct core_record *in)
{
	struct loginuid *s = part;

	(void)m;
	(void)th;
	s->is_known = in->core->tc->has_loginuid;
	s->uid = in->core->tc->loginuid;
	return 0;
}

static int loginuid_check(struct check *k, struct thread *th, void *part)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	struct features features = *k->features;
	const struct loginuid *s = part;
	uint32_t ours = UINT32_MAX;
	int r;

	(void)th;
	if (!s->is_known)
		return 0;
	r = proc_pid_open(0, &self);
	if (r == 0)
		r = loginuid_read(&self, &ours);
	if (r < 0 && r != -ENOENT)
		return report_fail(k->report, r, "cannot read our own " FILE_NAME);
	if (r == -ENOENT ? s->uid != UINT32_MAX
			 : s->uid != ours && !feature_has(&features, FEATURE_loginuid))
		report_warn(k->report, CODE_NO_PRIVILEGE,
			    "its " FILE_NAME " was %u, which cannot be set here; audit records "
			    "will name another",
			    s->uid);
	return 0;
}

static int loginuid_early(struct env *env, struct thread *th, void *part)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	const struct loginuid *s = part;
	uint32_t ours = UINT32_MAX;
	char text[16];
	int r;

	if (!s->is_known)
		return 0;
	r = env_proc_self(env, &self);
	if (r == 0)
		r = loginuid_read(&self, &ours);
	if (r == 0 && ours != s->uid) {
		(void)snprintf(text, sizeof(text), "%u", s->uid); /* fits */
		r = proc_value_set(&self, FILE_NAME, text);
	}
	if (r == -ENOENT || r == -EPERM) {
		log_warn(FILE_NAME " is not set pid=%d", th->task->pid);
		return 0;
	}
	return r < 0 ? report_fail(env->report, r, "cannot set its " FILE_NAME) : 0;
}

const struct task_kind task_kind_loginuid = {
	.name = "loginuid",
	.about = "a task's user in the audit log",
	.owner = PART_TASK,
	.size = sizeof(struct loginuid),
	.collect = loginuid_collect,
	.encode = loginuid_encode,
	.decode = loginuid_decode,
	.check = loginuid_check,
	.early = loginuid_early,
};
