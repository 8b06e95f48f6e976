/* See core.h. */
#include "samples/core.h"

#include <errno.h>
#include <signal.h>

#include "schema/core.pb-c.h"

#define ACTIONS 62

static void *copy_of(struct arena *a, const void *p, size_t len)
{
	void *copy = arena_dup(a, p, len);

	assert(copy);
	return copy;
}

static UserX86FpregsEntry *make_fpregs(struct arena *a)
{
	UserX86FpregsEntry *e = NEW_MESSAGE(a, UserX86FpregsEntry, user_x86_fpregs_entry__init);
	uint32_t space[64];

	for (unsigned i = 0; i < ARRAY_SIZE(space); i++)
		space[i] = 0x1000 + i;
	e->cwd = 0x37f;
	e->twd = 3;
	e->rip = 0x7f0000001234;
	e->mxcsr = 0x1f80;
	e->mxcsr_mask = 0x2ffff;
	e->n_st_space = 32;
	e->st_space = copy_of(a, space, 32 * sizeof(*space));
	e->n_xmm_space = 64;
	e->xmm_space = copy_of(a, space, sizeof(space));
	return e;
}

static ThreadInfoX86 *make_thread_info(struct arena *a)
{
	ThreadInfoX86 *ti = NEW_MESSAGE(a, ThreadInfoX86, thread_info_x86__init);
	UserX86RegsEntry *gp = NEW_MESSAGE(a, UserX86RegsEntry, user_x86_regs_entry__init);

	gp->r15 = 15;
	gp->bx = 0xb;
	gp->ax = (uint64_t)-EINTR;
	gp->orig_ax = UINT64_MAX;
	gp->ip = 0x401234;
	gp->sp = 0x7ffc00001000;
	gp->flags = 0x246;
	gp->cs = 0x33;
	gp->ss = 0x2b;
	gp->fs_base = 0x7f1234567740;
	gp->has_mode = true;
	gp->mode = USER_X86_REGS_MODE__NATIVE;
	ti->clear_tid_addr = 0x7f1234567a10;
	ti->gpregs = gp;
	ti->fpregs = make_fpregs(a);
	ti->n_tls = 3;
	ti->tls = ARENA_ARRAY(a, UserDescT *, 3);
	for (unsigned i = 0; i < 3; i++) {
		ti->tls[i] = NEW_MESSAGE(a, UserDescT, user_desc_t__init);
		ti->tls[i]->entry_number = 12 + i;
	}
	ti->tls[1]->base_addr = 0x10000000;
	ti->tls[1]->limit = 0xfffff;
	ti->tls[1]->seg_32bit = true;
	ti->tls[1]->usable = true;
	ti->tls[1]->read_exec_only = ti->tls[1]->seg_not_present = false;
	return ti;
}

static CredsEntry *make_creds(struct arena *a)
{
	CredsEntry *e = NEW_MESSAGE(a, CredsEntry, creds_entry__init);
	const uint32_t some[] = { 0x401, 0x100 }, all[] = { 0xffffffff, 0x1ff };
	const uint32_t groups[] = { 27495, 48244 };

	e->uid = e->euid = e->suid = e->fsuid = 18943;
	e->gid = e->egid = e->sgid = e->fsgid = 58467;
	e->n_cap_inh = e->n_cap_prm = e->n_cap_eff = e->n_cap_bnd = e->n_cap_amb = 2;
	e->cap_inh = e->cap_prm = e->cap_eff = e->cap_amb = copy_of(a, some, sizeof(some));
	e->cap_bnd = copy_of(a, all, sizeof(all));
	e->secbits = 0x10;
	e->n_groups = 2;
	e->groups = copy_of(a, groups, sizeof(groups));
	e->has_no_new_privs = true;
	e->no_new_privs = 1;
	return e;
}

static SignalQueueEntry *make_queue(struct arena *a, int first)
{
	SignalQueueEntry *e = NEW_MESSAGE(a, SignalQueueEntry, signal_queue_entry__init);

	e->n_signals = 2;
	e->signals = ARENA_ARRAY(a, SiginfoEntry *, 2);
	for (int i = 0; i < 2; i++) {
		siginfo_t info = { .si_signo = first + i, .si_code = SI_QUEUE };

		e->signals[i] = NEW_MESSAGE(a, SiginfoEntry, siginfo_entry__init);
		e->signals[i]->siginfo.len = sizeof(info);
		e->signals[i]->siginfo.data = copy_of(a, &info, sizeof(info));
	}
	return e;
}

static TaskTimersEntry *make_timers(struct arena *a)
{
	TaskTimersEntry *e = NEW_MESSAGE(a, TaskTimersEntry, task_timers_entry__init);
	PosixTimerEntry *t;

	e->real = NEW_MESSAGE(a, ItimerEntry, itimer_entry__init);
	e->virt = NEW_MESSAGE(a, ItimerEntry, itimer_entry__init);
	e->prof = NEW_MESSAGE(a, ItimerEntry, itimer_entry__init);
	e->real->isec = 1;
	e->real->vsec = 1999;
	e->real->vusec = 484640;
	e->n_posix = 2;
	e->posix = ARENA_ARRAY(a, PosixTimerEntry *, 2);
	e->posix[0] = t = NEW_MESSAGE(a, PosixTimerEntry, posix_timer_entry__init);
	t->it_id = 3;
	t->clock_id = (uint32_t)-6;
	t->si_signo = 10;
	t->sival_ptr = 0x1234;
	t->overrun = 5;
	t->vsec = 999;
	t->vnsec = 1;
	e->posix[1] = t = NEW_MESSAGE(a, PosixTimerEntry, posix_timer_entry__init);
	t->it_id = 4;
	t->clock_id = 1;
	t->si_signo = 34;
	t->it_sigev_notify = 4;
	t->has_notify_thread_id = true;
	t->notify_thread_id = SAMPLE_PID + 1;
	return e;
}

static TaskRlimitsEntry *make_rlimits(struct arena *a)
{
	TaskRlimitsEntry *e = NEW_MESSAGE(a, TaskRlimitsEntry, task_rlimits_entry__init);

	e->n_rlimits = 16;
	e->rlimits = ARENA_ARRAY(a, RlimitEntry *, 16);
	for (unsigned i = 0; i < 16; i++) {
		e->rlimits[i] = NEW_MESSAGE(a, RlimitEntry, rlimit_entry__init);
		e->rlimits[i]->cur = i;
		e->rlimits[i]->max = i ? UINT64_MAX : 0;
	}
	return e;
}

static RseqEntry *make_rseq(struct arena *a)
{
	RseqEntry *e = NEW_MESSAGE(a, RseqEntry, rseq_entry__init);

	e->rseq_abi_pointer = 0x7f1234567aa0;
	e->rseq_abi_size = 32;
	e->signature = 0x53053053;
	return e;
}

static ThreadCoreEntry *make_thread_core(struct arena *a)
{
	ThreadCoreEntry *e = NEW_MESSAGE(a, ThreadCoreEntry, thread_core_entry__init);

	e->futex_rla = 0x7f12345679e0;
	e->futex_rla_len = 24;
	e->sas = NEW_MESSAGE(a, ThreadSasEntry, thread_sas_entry__init);
	e->sas->ss_sp = 0x5600000;
	e->sas->ss_size = 65536;
	e->creds = make_creds(a);
	e->comm = arena_str(a, "worker");
	e->has_sched_nice = e->has_sched_policy = e->has_sched_prio = true;
	e->sched_nice = -5;
	e->sched_policy = 0x40000002;
	e->sched_prio = 17;
	e->has_pdeath_sig = true;
	e->pdeath_sig = SIGUSR1;
	e->signals_p = make_queue(a, SIGUSR2);
	e->rseq_entry = make_rseq(a);
	e->has_ioprio = true;
	e->ioprio = 0x4007;
	e->has_timerslack = true;
	e->timerslack = 12345;
	e->has_tsc = true;
	e->tsc = 2;
	return e;
}

static TaskCoreEntry *make_tc(struct arena *a)
{
	TaskCoreEntry *e = NEW_MESSAGE(a, TaskCoreEntry, task_core_entry__init);

	e->task_state = 1;
	e->personality = 0x40000;
	e->blk_sigset = 0x8000000800;
	e->comm = arena_str(a, "worker");
	e->n_sigactions = ACTIONS;
	e->sigactions = ARENA_ARRAY(a, SaEntry *, ACTIONS);
	for (unsigned i = 0; i < ACTIONS; i++) {
		e->sigactions[i] = NEW_MESSAGE(a, SaEntry, sa_entry__init);
		e->sigactions[i]->has_compat_sigaction = true;
	}
	e->sigactions[9]->sigaction = 0x401000; /* SIGUSR1: SIGKILL is left out */
	e->sigactions[9]->flags = 0x14000000;
	e->sigactions[9]->restorer = 0x402000;
	e->sigactions[9]->mask = 0x200;
	e->timers = make_timers(a);
	e->rlimits = make_rlimits(a);
	e->signals_s = make_queue(a, 40);
	e->has_loginuid = true;
	e->loginuid = UINT32_MAX;
	e->has_oom_score_adj = true;
	e->oom_score_adj = -17;
	e->has_child_subreaper = e->child_subreaper = true;
	e->has_membarrier_registration_mask = true;
	e->membarrier_registration_mask = 0x14;
	e->has_mdwe = true;
	e->mdwe = 1;
	e->has_memory_merge = true;
	e->memory_merge = true;
	e->has_thp_flags = true;
	e->thp_flags = 3;
	return e;
}

CoreEntry *sample_core(struct arena *a, bool leader)
{
	CoreEntry *core = NEW_MESSAGE(a, CoreEntry, core_entry__init);

	core->mtype = CORE_ENTRY__MARCH__X86_64;
	core->thread_info = make_thread_info(a);
	core->thread_core = make_thread_core(a);
	if (leader) {
		core->tc = make_tc(a);
		return core;
	}
	core->thread_core->has_blk_sigset = true;
	core->thread_core->blk_sigset = UINT64_C(0xfffffffe7ffbfeff);
	core->thread_core->has_personality = true;
	core->thread_core->personality = 0x8000000;
	return core;
}
