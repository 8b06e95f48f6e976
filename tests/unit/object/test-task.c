/*
 * Parts of tasks: what decode() takes from a core image, encode() writes again, byte for byte;
 * images that cannot be are refused; late() and last() make the steps that set the same state.
 */
#include "unit/check.h"

#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "inject/context.h"
#include "object/check.h"
#include "object/env.h"
#include "object/kinds.h"
#include "samples/core.h"
#include "schema/core.pb-c.h"

/* A task with two threads, and a core image of each, as a dump would write them. */
struct fixture {
	struct arena arena;
	struct report report;
	struct model model;
	struct env env;
	struct task *task;
	struct thread *leader, *second;
	CoreEntry *core[2];
};

static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	struct arena *a = &f->arena;

	report_init(&f->report);
	f->report.quiet = true;
	model_init(&f->model);
	f->env = (struct env){ .model = &f->model, .report = &f->report };
	f->task = model_add_task(&f->model, NULL, SAMPLE_PID);
	f->env.task = f->task;
	f->task->state = TASK_ALIVE;
	f->task->mm = model_add_mm(&f->model, 1, f->task);
	f->task->sighand = model_add_sighand(&f->model, 1, f->task);
	f->leader = model_add_thread(&f->model, f->task, SAMPLE_PID);
	f->second = model_add_thread(&f->model, f->task, SAMPLE_PID + 1);
	assert_int_equal(parts_new(f->leader), 0);
	assert_int_equal(parts_new(f->second), 0);
	f->core[0] = sample_core(a, true);
	f->core[1] = sample_core(a, false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kinds_release(&f->model);
	model_done(&f->model);
	report_done(&f->report);
	arena_done(&f->arena);
	mem_free(f);
	return 0;
}

static int decode(struct fixture *f, struct thread *th, CoreEntry *core)
{
	const struct core_record rec = { .core = core, .arena = &f->arena };

	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];
		int r;

		if (!k->decode || !part_is_visited_by(k, th))
			continue;
		r = k->decode(&f->model, th, part_of(th, (enum task_kind_index)i), &rec);
		if (r < 0)
			return r;
	}
	return 0;
}

static CoreEntry *encode(struct fixture *f, struct thread *th)
{
	struct arena *a = &f->arena;
	CoreEntry *core = NEW_MESSAGE(a, CoreEntry, core_entry__init);
	struct core_record rec = { .core = core, .arena = a };

	core->mtype = CORE_ENTRY__MARCH__X86_64;
	core->thread_core = NEW_MESSAGE(a, ThreadCoreEntry, thread_core_entry__init);
	if (th == f->leader) {
		core->tc = NEW_MESSAGE(a, TaskCoreEntry, task_core_entry__init);
		core->tc->task_state = 1;
	}
	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];

		if (k->encode && part_is_visited_by(k, th))
			assert_int_equal(k->encode(th, part_of(th, (enum task_kind_index)i), &rec),
					 0);
	}
	return core;
}

/* The text of the steps that a kind makes for a thread. */
static char *steps_of(struct fixture *f, enum task_kind_index kind, struct thread *th, bool last)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_WAIT);
	struct str text = { 0 };

	assert_int_equal((last ? task_kinds[kind]->last
			       : task_kinds[kind]->late)(&f->env, th, part_of(th, kind), p),
			 0);
	program_exit(p, 0);
	assert_int_equal(batch_layout(b), 0);
	assert_int_equal(batch_print(b, &text), 0);
	return str_take(&text);
}

static void assert_text_has(char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("no \"%s\" in:\n%s", piece, text);
}

/* ---- tests ---- */

static void round_trip(void **state)
{
	struct fixture *f = *state;
	struct thread *th[] = { f->leader, f->second };

	for (unsigned i = 0; i < 2; i++) {
		CoreEntry *again;
		size_t n = core_entry__get_packed_size(f->core[i]);
		uint8_t *want = ARENA_ARRAY(&f->arena, uint8_t, n), *got;

		assert_int_equal(decode(f, th[i], f->core[i]), 0);
		again = encode(f, th[i]);
		/* This CPU's components, all as after reset, which the image did not mention. */
		if (again->thread_info->fpregs->xsave)
			assert_int_equal(again->thread_info->fpregs->xsave->xstate_bv & ~3ul, 0);
		again->thread_info->fpregs->xsave = NULL;
		assert_int_equal(core_entry__get_packed_size(again), n);
		got = ARENA_ARRAY(&f->arena, uint8_t, n);
		core_entry__pack(f->core[i], want);
		core_entry__pack(again, got);
		assert_memory_equal(got, want, n);
	}
}

static void vector_state(void **state)
{
	struct fixture *f = *state;
	struct arena *a = &f->arena;
	UserX86XsaveEntry *x = NEW_MESSAGE(a, UserX86XsaveEntry, user_x86_xsave_entry__init);
	const UserX86XsaveEntry *again;

	x->xstate_bv = 7;
	x->n_ymmh_space = 64;
	x->ymmh_space = ARENA_ARRAY(a, uint32_t, 64);
	for (unsigned i = 0; i < 64; i++)
		x->ymmh_space[i] = 0xabcd0000 + i;
	f->core[0]->thread_info->fpregs->xsave = x;
	assert_int_equal(decode(f, f->leader, f->core[0]), 0);
	again = encode(f, f->leader)->thread_info->fpregs->xsave;
	if (!again || !again->n_ymmh_space)
		skip(); /* a CPU without AVX */
	assert_int_equal(again->xstate_bv, 7);
	assert_memory_equal(again->ymmh_space, x->ymmh_space, 64 * sizeof(uint32_t));
}

/* A handler that is due must find the call that it interrupts ended, not begun again. */
static void call_ended_by_pending_signal(void **state)
{
	struct fixture *f = *state;
	struct user_regs_struct *regs;
	const UserX86RegsEntry *gp;

	assert_int_equal(decode(f, f->leader, f->core[0]), 0);
	regs = &f->leader->context->regs;
	regs->orig_rax = SYS_pause;
	regs->rax = (uint64_t)-514; /* ERESTARTNOHAND */
	f->task->sighand->caught = UINT64_C(1) << (SIGUSR1 - 1);
	gp = encode(f, f->leader)->thread_info->gpregs;
	assert_int_equal(gp->ip, regs->rip - 2);
	f->task->pending = f->task->sighand->caught;
	gp = encode(f, f->leader)->thread_info->gpregs;
	assert_int_equal(gp->ip, regs->rip);
	assert_true(gp->ax == (uint64_t)-EINTR);
	f->leader->context->sigmask |= f->task->pending;
	gp = encode(f, f->leader)->thread_info->gpregs;
	assert_int_equal(gp->ip, regs->rip - 2);
}

static void components_that_no_cpu_has(void **state)
{
	struct fixture *f = *state;
	struct arena *a = &f->arena;
	UserX86XsaveEntry *x = NEW_MESSAGE(a, UserX86XsaveEntry, user_x86_xsave_entry__init);

	x->xstate_bv = UINT64_C(1) << 40;
	f->core[0]->thread_info->fpregs->xsave = x;
	assert_int_equal(decode(f, f->leader, f->core[0]), 0);
	assert_int_equal(task_kinds[TASK_KIND_regs]->check(&(struct check){ .report = &f->report },
							   f->leader,
							   part_of(f->leader, TASK_KIND_regs)),
			 -ENOTSUP);
}

/* Each damages one thing. */
static void damage_ti(struct fixture *f)
{
	f->core[0]->thread_info = NULL;
}
static void damage_st(struct fixture *f)
{
	f->core[0]->thread_info->fpregs->n_st_space = 31;
}
static void damage_mxcsr(struct fixture *f)
{
	f->core[0]->thread_info->fpregs->mxcsr = 0xffffffff;
}
static void damage_ymm(struct fixture *f)
{
	UserX86XsaveEntry *x =
		NEW_MESSAGE(&f->arena, UserX86XsaveEntry, user_x86_xsave_entry__init);

	x->xstate_bv = 7;
	x->n_ymmh_space = 1;
	x->ymmh_space = ARENA_ARRAY(&f->arena, uint32_t, 1);
	f->core[0]->thread_info->fpregs->xsave = x;
}
static void damage_tls(struct fixture *f)
{
	f->core[0]->thread_info->n_tls = 4;
}
static void damage_sigactions(struct fixture *f)
{
	f->core[0]->tc->n_sigactions = 61;
}
static void damage_robust(struct fixture *f)
{
	f->core[0]->thread_core->futex_rla_len = 23;
}
static void damage_comm(struct fixture *f)
{
	f->core[0]->thread_core->comm = arena_str(&f->arena, "longer than sixteen bytes");
}
static void damage_caps(struct fixture *f)
{
	f->core[0]->thread_core->creds->n_cap_prm = 1;
}
static void damage_cap_words(struct fixture *f)
{
	f->core[0]->thread_core->creds->n_cap_bnd = 3;
}
static void damage_creds(struct fixture *f)
{
	f->core[0]->thread_core->creds = NULL;
}

static void damage_siginfo(struct fixture *f)
{
	f->core[0]->thread_core->signals_p->signals[1]->siginfo.len = 127;
}
static void damage_signal(struct fixture *f)
{
	((siginfo_t *)(void *)f->core[0]->tc->signals_s->signals[0]->siginfo.data)->si_signo =
		SIGKILL;
}
static void damage_itimer(struct fixture *f)
{
	f->core[0]->tc->timers->real->vusec = 1000000;
}
static void damage_timer_id(struct fixture *f)
{
	f->core[0]->tc->timers->posix[1]->it_id = 3;
}
static void damage_timer_thread(struct fixture *f)
{
	f->core[0]->tc->timers->posix[1]->notify_thread_id = 814;
}
static void damage_rlimit(struct fixture *f)
{
	f->core[0]->tc->rlimits->rlimits[0]->cur = 1;
}
static void damage_sched(struct fixture *f)
{
	f->core[0]->thread_core->sched_policy = 6;
}
static void damage_sched_prio(struct fixture *f)
{
	f->core[0]->thread_core->sched_prio = 100;
}
static void damage_oom(struct fixture *f)
{
	f->core[0]->tc->oom_score_adj = 1001;
}
static void damage_membarrier(struct fixture *f)
{
	f->core[0]->tc->membarrier_registration_mask = 1;
}
static void damage_pdeath(struct fixture *f)
{
	f->core[0]->thread_core->pdeath_sig = 65;
}
static void damage_seccomp(struct fixture *f)
{
	f->core[0]->thread_core->has_seccomp_mode = true;
	f->core[0]->thread_core->seccomp_mode = SECCOMP_MODE__filter;
	f->core[0]->thread_core->has_seccomp_filter = true;
	f->core[0]->thread_core->seccomp_filter = 0;
}

static void damage(void **state)
{
	void (*const damages[])(struct fixture *) = {
		damage_ti,         damage_st,         damage_mxcsr,      damage_ymm,
		damage_tls,        damage_sigactions, damage_robust,     damage_comm,
		damage_caps,       damage_cap_words,  damage_creds,      damage_siginfo,
		damage_signal,     damage_itimer,     damage_timer_id,   damage_timer_thread,
		damage_rlimit,     damage_sched,      damage_sched_prio, damage_oom,
		damage_membarrier, damage_pdeath,     damage_seccomp,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		void *fresh;
		struct fixture *f;

		setup(&fresh);
		f = fresh;
		damages[i](f);
		if (decode(f, f->leader, f->core[0]) != -EUCLEAN)
			fail_msg("damage %zu was not found", i);
		teardown(&fresh);
	}
}

static void steps(void **state)
{
	struct fixture *f = *state;
	const struct {
		enum task_kind_index kind;
		bool last;
		const char *text;
	} want[] = {
		{ TASK_KIND_regs, false, "arch_prctl(4098, 0x7f1234567740)" },
		{ TASK_KIND_regs, false, "set_thread_area(" },
		{ TASK_KIND_sigaction, false, "rt_sigaction(64, " },
		{ TASK_KIND_sigaltstack, false, "sigaltstack(" },
		{ TASK_KIND_clear_tid, false, "set_tid_address(0x7f1234567a10)" },
		{ TASK_KIND_robust_list, false, "set_robust_list(0x7f12345679e0, 24)" },
		{ TASK_KIND_comm, false, "prctl(15, " },
		{ TASK_KIND_personality, false, "personality(" },
		{ TASK_KIND_mm, true, "prctl(65, 1)" },
		{ TASK_KIND_creds, true, "prctl(38, 1)" },
		{ TASK_KIND_dumpable, true, "prctl(4, 1)" },
		{ TASK_KIND_rseq, false, "rseq(0x7f1234567aa0, 32, 0, 0x53053053)" },
		{ TASK_KIND_membarrier, false, "membarrier(16)" },
		{ TASK_KIND_subreaper, false, "prctl(36, 1)" },
		{ TASK_KIND_prctl, true, "prctl(29, 12345)" },
		{ TASK_KIND_prctl, true, "prctl(26, 2)" },
		{ TASK_KIND_signals_shared, true, "rt_sigqueueinfo(result(0), 40, " },
		{ TASK_KIND_signals, true, "rt_tgsigqueueinfo(result(0), result(1), 13, " },
		{ TASK_KIND_itimers, true, "setitimer(0, &" },
		{ TASK_KIND_posix_timers, true, "timer_settime(3, " },
		{ TASK_KIND_sched, true, "setpriority(0, 0, -5)" },
		{ TASK_KIND_rlimits, true, "prlimit64(0, 15, " },
		{ TASK_KIND_pdeath_sig, true, "prctl(1, 10)" },
	};

	assert_int_equal(decode(f, f->leader, f->core[0]), 0);
	f->task->mm->dumpable = 1;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		scoped(mem_free) char *text = steps_of(f, want[i].kind, f->leader, want[i].last);

		assert_text_has(text, want[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(vector_state, setup, teardown),
		cmocka_unit_test_setup_teardown(call_ended_by_pending_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(components_that_no_cpu_has, setup, teardown),
		cmocka_unit_test(damage),
		cmocka_unit_test_setup_teardown(steps, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
