/*
 * Infecting self-checking targets: the answers are right, and the target notices nothing.
 */
#include "unit/inject/frozen.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "unit/check.h"

#include "inject/remote.h"
#include "inject/tracee.h"
#include "kernel/proc/maps.h"
#include "kernel/proc/stat.h"
#include "kernel/ptrace.h"

#define ALL_JOBS "csfrpPuwCqcsfrpPuwCq"

static struct foothold_cache cache;

/* Everything that ptrace shows of a thread. */
struct shown {
	struct user_regs_struct regs;
	unsigned char xstate[16384];
	ssize_t xstate_len;
	uint64_t sigmask;
};

static void show(pid_t tid, struct shown *ret)
{
	memset(ret, 0, sizeof(*ret));
	assert_int_equal(ptrace_get_regs(tid, &ret->regs), 0);
	ret->xstate_len = ptrace_get_regset(tid, NT_X86_XSTATE, ret->xstate, sizeof(ret->xstate));
	assert_true(ret->xstate_len > 0);
	/* Which components are not in their initial state: the CPU may find that any time. */
	memset(ret->xstate + 512, 0, 8);
	assert_int_equal(ptrace_get_sigmask(tid, &ret->sigmask), 0);
}

static size_t count_maps(const struct frozen *f)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_maps_walk w;
	struct proc_map m;
	size_t n = 0;

	assert_int_equal(proc_maps_read(&f->proc, &text), 0);
	w = proc_maps_walk(text.at, text.n);
	while (proc_maps_next(&w, &m) > 0)
		n++;
	return n;
}

static void borrowed_call(void **state)
{
	struct target t = target_start("cfs");
	const struct context *ctx[4];
	struct foothold hold;
	struct shown *before = NEW_ARRAY(struct shown, 2);
	struct frozen f;

	t.board->strict = 1;
	for (int round = 0; round < 20; round++) {
		assert_int_equal(frozen_stop(t.pid, &f), 0);
		for (unsigned i = 0; i < f.n; i++)
			ctx[i] = f.threads[i].context;
		for (unsigned i = 0; i < f.n; i++) {
			struct remote r = { .tid = f.threads[i].tid,
					    .mem = &f.mem,
					    .context = ctx[i],
					    .foothold = &hold,
					    .timeout = USEC_PER_SEC };
			int64_t pid, tid;

			assert_int_equal(
				foothold_find(&cache, &f.proc, &f.mem, NULL, &ctx[i], 1, &hold), 0);
			assert_true(foothold_heals(&hold));
			show(r.tid, &before[0]);
			assert_int_equal(remote_begin(&r), 0);
			assert_int_equal(
				remote_syscall(&r, SYS_getpid, (const uint64_t[6]){ 0 }, &pid), 0);
			assert_int_equal(
				remote_syscall(&r, SYS_gettid, (const uint64_t[6]){ 0 }, &tid), 0);
			assert_int_equal(remote_end(&r), 0);
			assert_int_equal(pid, t.pid);
			assert_int_equal(tid, r.tid);
			show(r.tid, &before[1]);
			if (before[0].regs.rip == ctx[i]->regs.rip) /* no rseq abort */
				assert_memory_equal(&before[0], &before[1], sizeof(*before));
		}
		frozen_release(&f);
		target_check(&t);
	}
	target_stop(&t);
	mem_free(before);
}

struct question {
	struct piece altstack, itimer, name;
	int gettid, getpid, sas, prctl, bad;
};

static void ask(struct program *p, struct question *q)
{
	q->altstack = program_room(p, sizeof(stack_t));
	q->name = program_room(p, 16);
	q->gettid = program_call(p, SYS_gettid, ARGS());
	q->getpid = program_must(p, SYS_getpid, ARGS());
	q->sas = program_must(p, SYS_sigaltstack, ARGS(0, arg_at(q->altstack)));
	q->prctl = program_call(p, SYS_prctl, ARGS(PR_GET_NAME, arg_at(q->name)));
	q->bad = program_call(p, SYS_close, ARGS(-1));
}

static void check_answers(const struct frozen *f, unsigned i, const struct program *p,
			  const struct question *q)
{
	assert_int_equal(program_state(p), PIE_STATE_DONE);
	assert_int_equal(program_result(p, q->gettid), f->threads[i].tid);
	assert_int_equal(program_result(p, q->getpid), f->pid);
	assert_int_equal(program_result(p, q->sas), 0);
	assert_int_equal(((stack_t *)q->altstack.p)->ss_size, i ? 32768 : 0);
	assert_string_equal(q->name.p, "inject-target");
	assert_int_equal(program_result(p, q->bad), -EBADF);
}

/* One infection of all threads. */
static int infect_all(struct frozen *f, bool check)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program **p = NEW_ARRAY(struct program *, f->n);
	struct question *q = NEW_ARRAY(struct question, f->n);
	int r;

	for (unsigned i = 0; i < f->n; i++) {
		p[i] = batch_program(b, PIE_FAIL_TAIL);
		ask(p[i], &q[i]);
	}
	r = frozen_infect(f, &cache, b, p);
	for (unsigned i = 0; i < f->n && check && r >= 0; i++)
		check_answers(f, i, p[i], &q[i]);
	mem_free(p);
	mem_free(q);
	return r;
}

/* After each infection all that ptrace and maps show is as before. */
static void exact(void **state)
{
	struct target t = target_start(ALL_JOBS);
	struct shown *before, *after;
	struct frozen f;

	t.board->strict = 1;
	before = NEW_ARRAY(struct shown, t.board->n + 1);
	after = NEW_ARRAY(struct shown, t.board->n + 1);
	for (int round = 0; round < 50; round++) {
		size_t maps;

		assert_int_equal(frozen_stop(t.pid, &f), 0);
		assert_int_equal(f.n, t.board->n + 1);
		maps = count_maps(&f);
		for (unsigned i = 0; i < f.n; i++) {
			show(f.threads[i].tid, &before[i]);
			before[i].regs.rip = f.threads[i].context->regs.rip; /* rseq abort */
		}
		assert_int_equal(infect_all(&f, true), INFECT_HEALED);
		for (unsigned i = 0; i < f.n; i++)
			show(f.threads[i].tid, &after[i]);
		assert_memory_equal(before, after, f.n * sizeof(*before));
		assert_int_equal(count_maps(&f), maps);
		frozen_release(&f);
	}
	target_check(&t);
	target_stop(&t);
	mem_free(before);
	mem_free(after);
}

static void many_threads(void **state)
{
	struct target t = target_start("csfrpPuwcsfrpPuwcsfrpPuwcsfrpPuwcsfrpPuwcsfrpPuwcs");
	struct frozen f;
	usec_t begin, sum = 0;

	t.board->strict = 1;
	for (int round = 0; round < 20; round++) {
		assert_int_equal(frozen_stop(t.pid, &f), 0);
		begin = usec_now();
		assert_int_equal(infect_all(&f, true), INFECT_HEALED);
		sum += usec_now() - begin;
		assert_int_equal(f.n, 51);
		frozen_release(&f);
	}
	print_message("51 threads: %llu us for one infection\n", (unsigned long long)sum / 20);
	target_check(&t);
	target_stop(&t);
}

/* A failed step ends the questions, not the thread. */
static void failed_step(void **state)
{
	struct target t = target_start("cf");
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p[3] = { NULL };
	int bad, never;
	struct frozen f;

	t.board->strict = 1;
	p[2] = batch_program(b, PIE_FAIL_TAIL);
	program_call(p[2], SYS_getpid, ARGS());
	bad = program_must(p[2], SYS_close, ARGS(-1));
	never = program_call(p[2], SYS_getpid, ARGS());
	assert_int_equal(frozen_stop(t.pid, &f), 0);
	assert_int_equal(frozen_infect(&f, &cache, b, p), INFECT_HEALED);
	assert_int_equal(program_failed_step(p[2]), bad);
	assert_true(program_result(p[2], never) == PIE_NOT_RUN);
	frozen_release(&f);
	target_check(&t);
	target_stop(&t);
}

/* Killed while its questions run: told so, and nothing is left behind here. */
static void killed(void **state)
{
	struct target t = target_start("cf");
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p[3] = { NULL };
	struct frozen f;

	p[1] = batch_program(b, PIE_FAIL_TAIL);
	program_call(p[1], SYS_kill, ARGS(t.pid, SIGKILL));
	assert_int_equal(frozen_stop(t.pid, &f), 0);
	assert_int_equal(frozen_infect(&f, &cache, b, p), -ESRCH);
	frozen_release(&f);
	target_stop(&t);
}

/* A question that blocks: the others are answered and all go on. */
static void blocks(void **state)
{
	struct target t = target_start("cfs");
	scoped(batch_free) struct batch *b = batch_new();
	struct infect_thread threads[4];
	struct infect in = { .cache = &cache, .threads = threads, .n = 4, .timeout = 200000 };
	struct program *p[4];
	struct piece forever, zero;
	struct frozen f;

	assert_int_equal(frozen_stop(t.pid, &f), 0);
	for (unsigned i = 0; i < 4; i++) {
		p[i] = batch_program(b, PIE_FAIL_TAIL);
		threads[i] = (struct infect_thread){ f.threads[i].tid, &f.threads[i].status,
						     f.threads[i].context, p[i] };
		program_call(p[i], SYS_getpid, ARGS());
	}
	forever = program_put(p[2], &(struct timespec){ .tv_sec = 1000 }, sizeof(struct timespec));
	zero = program_put(p[2], NULL, 4);
	program_call(p[2], SYS_futex, ARGS(arg_at(zero), 0, 0, arg_at(forever)));
	in.proc = &f.proc;
	assert_int_equal(infect_run(&in, b), -ETIMEDOUT);
	frozen_release(&f);
	target_check(&t);
	target_stop(&t);
}

/* Stopped by job control before and meanwhile: stays stopped, goes on with SIGCONT. */
static void group_stop(void **state)
{
	struct target t = target_start("csfrpP");
	struct frozen f;

	for (int round = 0; round < 6; round++) {
		struct proc_stat st;

		if (round % 2) {
			kill(t.pid, SIGSTOP);
			assert_int_equal(waitpid(t.pid, NULL, WUNTRACED), t.pid);
		}
		assert_int_equal(frozen_stop(t.pid, &f), 0);
		if (!(round % 2)) /* is delivered while the programs run */
			kill(t.pid, SIGSTOP);
		assert_int_equal(infect_all(&f, true), INFECT_HEALED);
		frozen_release(&f);
		usleep(20000);
		{
			scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;

			assert_int_equal(proc_pid_open(t.pid, &p), 0);
			assert_int_equal(proc_stat_read(&p, &st), 0);
			assert_int_equal(st.state, 'T');
		}
		kill(t.pid, SIGCONT);
		target_check(&t);
	}
	target_stop(&t);
}

/* Signals that come while the programs run are there afterwards, also those of our choice. */
static void foreign_signals(void **state)
{
	static const int sigs[] = { SIGWINCH, SIGURG, SIGCHLD, SIGHUP };

	for (int round = 0; round < 40; round++) {
		struct target t = target_start("cfwC");
		scoped(batch_free) struct batch *b = batch_new();
		scoped(proc_status_done) struct proc_status st = { 0 };
		struct program *p[5] = { NULL };
		unsigned i = target_thread(&t, round % 2 ? 'C' : 'w');
		uint64_t want = 0;
		struct frozen f;
		pid_t sender;

		assert_int_equal(frozen_stop(t.pid, &f), 0);
		p[i] = batch_program(b, PIE_FAIL_TAIL);
		for (int k = 0; k < 300; k++)
			program_call(p[i], SYS_getppid, ARGS());
		for (size_t k = 0; k < ARRAY_SIZE(sigs); k++)
			want |= UINT64_C(1) << (sigs[k] - 1);
		want &= f.threads[i].context->sigmask;
		/* Before, while and after the program runs. */
		sender = fork();
		if (sender == 0) {
			usleep(20 * (unsigned)round);
			for (size_t k = 0; k < ARRAY_SIZE(sigs); k++)
				syscall(SYS_tgkill, t.pid, f.threads[i].tid, sigs[k]);
			_exit(0);
		}
		assert_int_equal(frozen_infect(&f, &cache, b, p), INFECT_HEALED);
		assert_int_equal(program_state(p[i]), PIE_STATE_DONE);
		assert_int_equal(waitpid(sender, NULL, 0), sender);
		assert_int_equal(proc_status_read(&f.threads[i].proc, &st), 0);
		/* Those that it does not block were to be ignored. */
		assert_int_equal(st.sig_pending & want, want);
		assert_int_equal(t.board->failures, 0);
		frozen_release(&f);
		target_stop(&t);
	}
}

/* No signal to spare: the other way of stopping. */
static void no_signal(void **state)
{
	struct target t = target_start(ALL_JOBS);
	struct frozen f;

	t.board->strict = 1;
	for (int round = 0; round < 10; round++) {
		assert_int_equal(frozen_stop(t.pid, &f), 0);
		for (unsigned i = 0; i < f.n; i += 2)
			f.threads[i].status.sig_caught = UINT64_MAX;
		assert_int_equal(infect_all(&f, true), INFECT_HEALED);
		frozen_release(&f);
	}
	target_check(&t);
	target_stop(&t);
}

/* Memory that is writable and executable is refused (PR_SET_MDWE, Linux 6.3). */
static void no_writable_code(void **state)
{
	struct target t = target_start(ALL_JOBS);
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p[32] = { NULL };
	int set;
	struct frozen f;

	t.board->strict = 1;
	assert_int_equal(frozen_stop(t.pid, &f), 0);
	p[0] = batch_program(b, PIE_FAIL_TAIL);
	set = program_call(p[0], SYS_prctl, ARGS(65, 1)); /* PR_SET_MDWE, REFUSE_EXEC_GAIN */
	assert_int_equal(frozen_infect(&f, &cache, b, p), INFECT_HEALED);
	for (int round = 0; round < 5 && program_result(p[0], set) == 0; round++) {
		size_t maps = count_maps(&f);

		assert_int_equal(infect_all(&f, true), INFECT_HEALED);
		assert_int_equal(count_maps(&f), maps);
		frozen_release(&f);
		target_check(&t);
		assert_int_equal(frozen_stop(t.pid, &f), 0);
	}
	frozen_release(&f);
	target_stop(&t);
}

/* A thread caught in a restartable sequence comes back to its abort code. */

static void restartable_sequence(void **state)
{
	struct target t = target_start("qq");
	unsigned caught = 0;
	struct frozen f;

	for (int round = 0; round < 200 && caught < 20; round++) {
		struct user_regs_struct regs;

		assert_int_equal(frozen_stop(t.pid, &f), 0);
		assert_int_equal(ptrace_get_regs(f.threads[1].tid, &regs), 0);
		if (regs.rip != f.threads[1].context->regs.rip) {
			caught++;
			assert_int_equal(infect_all(&f, true), INFECT_HEALED);
			assert_int_equal(ptrace_get_regs(f.threads[1].tid, &regs), 0);
			assert_int_equal(regs.rip, f.threads[1].context->regs.rip);
		}
		frozen_release(&f);
		usleep(500);
	}
	assert_true(caught > 0);
	assert_true(t.board->rseq_aborts >= caught);
	target_check(&t);
	target_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(borrowed_call),
		cmocka_unit_test(exact),
		cmocka_unit_test(many_threads),
		cmocka_unit_test(failed_step),
		cmocka_unit_test(killed),
		cmocka_unit_test(blocks),
		cmocka_unit_test(group_stop),
		cmocka_unit_test(foreign_signals),
		cmocka_unit_test(no_signal),
		cmocka_unit_test(no_writable_code),
		cmocka_unit_test(restartable_sequence),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	foothold_cache_done(&cache);
	return r;
}
