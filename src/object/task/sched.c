/*
 * sched: how a thread is scheduled: policy, real-time priority, nice value, whether children start
 * afresh (sched_getattr(2)), and its I/O priority where it has one of its own (ioprio_get(2)).
 *
 * Not kept: the set of CPUs it may run on. What a thread shows is its own wish and what its cpuset
 * left of it, and on another host or in another container the result would be a new wish.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "kernel/cap.h"
#include "kernel/sys.h"
#include "object/check.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

#define FLAG_RESET_ON_FORK 1 /* SCHED_FLAG_RESET_ON_FORK of sched_attr */
#define NICE_MIN           (-20)
#define NICE_MAX           19
#define PRIO_MAX_RT        99

struct sched {
	uint32_t policy; /* SCHED_*, as sched_getscheduler(2): with SCHED_RESET_ON_FORK */
	uint32_t priority;
	int nice;
	uint32_t ioprio; /* 0: follows the nice value */
};

static unsigned policy_of(const struct sched *s)
{
	return s->policy & ~(uint32_t)SCHED_RESET_ON_FORK;
}

static bool policy_is_realtime(unsigned policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool policy_is_known(unsigned policy)
{
	return policy_is_realtime(policy) || policy == SCHED_NORMAL || policy == SCHED_BATCH ||
	       policy == SCHED_IDLE;
}

static int sched_collect(struct collect *c, struct thread *th, void *part)
{
	struct sched_attr attr = { .size = sizeof(attr) };
	struct sched *s = part;
	int r = sys_sched_getattr(th->host_tid, &attr, sizeof(attr), 0);

	if (r < 0)
		return report_fail(c->report, r, "cannot read how it is scheduled");
	s->policy = attr.sched_policy;
	s->priority = attr.sched_priority;
	if (!policy_is_known(s->policy))
		return report_refuse(c->report, -ENOTSUP, CODE_SCHED,
				     "its scheduling policy %u cannot be set again", s->policy);
	if (attr.sched_flags & FLAG_RESET_ON_FORK)
		s->policy |= SCHED_RESET_ON_FORK;
	s->nice = (int)live_thread_of(th)->stat.nice; /* kept under real-time policies, too */
	r = sys_ioprio_get(IOPRIO_WHO_PROCESS, th->host_tid);
	if (r < 0)
		return report_fail(c->report, r, "cannot read its I/O priority");
	s->ioprio = IOPRIO_PRIO_CLASS(r) == IOPRIO_CLASS_NONE ? 0 : (uint32_t)r;
	return 0;
}

static int sched_encode(const struct thread *th, const void *part, struct core_record *out)
{
	ThreadCoreEntry *e = out->core->thread_core;
	const struct sched *s = part;

	(void)th;
	e->has_sched_policy = true;
	e->sched_policy = s->policy;
	e->has_sched_prio = policy_is_realtime(policy_of(s));
	e->sched_prio = s->priority;
	e->has_sched_nice = true;
	e->sched_nice = s->nice;
	e->has_ioprio = s->ioprio;
	e->ioprio = s->ioprio;
	return 0;
}

static int sched_decode(struct model *m, struct thread *th, void *part,
			const struct core_record *in)
{
	const ThreadCoreEntry *e = in->core->thread_core;
	struct sched *s = part;

	(void)m;
	(void)th;
	s->policy = e->has_sched_policy ? e->sched_policy : SCHED_NORMAL;
	s->priority = e->has_sched_prio ? e->sched_prio : 0;
	s->nice = e->has_sched_nice ? e->sched_nice : 0;
	s->ioprio = e->has_ioprio ? e->ioprio : 0;
	if (!policy_is_known(policy_of(s)) || s->nice < NICE_MIN || s->nice > NICE_MAX ||
	    s->ioprio > UINT16_MAX)
		return -EUCLEAN;
	if (policy_is_realtime(policy_of(s)) ? s->priority < 1 || s->priority > PRIO_MAX_RT
					     : s->priority != 0)
		return -EUCLEAN;
	return 0;
}

static int sched_check(struct check *k, struct thread *th, void *part)
{
	const struct sched *s = part;

	(void)th;
	if (cap_own_has(CAP_SYS_NICE))
		return 0;
	if (policy_is_realtime(policy_of(s)) || s->nice < getpriority(PRIO_PROCESS, 0))
		return report_refuse(k->report, -EPERM, CODE_NO_PRIVILEGE,
				     "it had a higher scheduling priority (policy %u, nice %d) "
				     "than this process may give without CAP_SYS_NICE",
				     policy_of(s), s->nice);
	return 0;
}

static int sched_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct sched *s = part;
	const struct sched_param param = { .sched_priority = (int)s->priority };

	(void)env;
	(void)th;
	program_must(p, SYS_setpriority, ARGS(PRIO_PROCESS, 0, s->nice));
	program_note(p, "setting its nice value %d", s->nice);
	program_must(p, SYS_sched_setscheduler,
		     ARGS(0, s->policy, arg_at(program_put(p, &param, sizeof(param)))));
	program_note(p, "setting its scheduling policy %u, priority %u", s->policy, s->priority);
	if (s->ioprio) {
		program_must(p, SYS_ioprio_set, ARGS(IOPRIO_WHO_PROCESS, 0, s->ioprio));
		program_note(p, "setting its I/O priority");
	}
	return 0;
}

const struct task_kind task_kind_sched = {
	.name = "sched",
	.about = "scheduling policy and priorities of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct sched),
	.collect = sched_collect,
	.encode = sched_encode,
	.decode = sched_decode,
	.check = sched_check,
	.last = sched_last,
};
