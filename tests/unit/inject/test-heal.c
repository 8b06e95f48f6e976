/*
 * The injecting process is killed: at random moments, and before each single thing that it does to
 * the target. The target must live on and notice nothing, every time.
 *
 * INJECT_KILLS sets how often at random (per way of injecting).
 */
#include "unit/inject/frozen.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "unit/check.h"

#include "inject/remote.h"
#include "kernel/ptrace.h"
#include "kernel/sys.h"

#define JOBS "csfrpPuwCqcsfrc"

/* What the injecting child was doing, on a page shared with it. */
struct witness {
	volatile uint32_t rounds, inside;
	volatile int error;
};

typedef int (*inject_fn)(struct frozen *f, struct foothold_cache *cache);

static int inject_batch(struct frozen *f, struct foothold_cache *cache)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p[TARGET_THREADS + 1] = { NULL };

	for (unsigned i = 0; i < f->n; i++) {
		struct piece old;

		p[i] = batch_program(b, PIE_FAIL_TAIL);
		old = program_room(p[i], sizeof(stack_t));
		program_must(p[i], SYS_sigaltstack, ARGS(0, arg_at(old)));
		program_call(p[i], SYS_getitimer, ARGS(0, arg_at(program_room(p[i], 32))));
		program_call(p[i], SYS_prctl, ARGS(PR_GET_NAME, arg_at(program_room(p[i], 16))));
	}
	return frozen_infect(f, cache, b, p);
}

/* The same where a signal to stop with is missing. */
static int inject_batch_by_syscall(struct frozen *f, struct foothold_cache *cache)
{
	for (unsigned i = 0; i < f->n; i++)
		f->threads[i].status.sig_caught = UINT64_MAX;
	return inject_batch(f, cache);
}

/* Every thread once, each with a frame that is good for it. */
static int inject_call(struct frozen *f, struct foothold_cache *cache)
{
	int r = 0;

	for (unsigned i = 0; i < f->n && r == 0; i++) {
		const struct context *ctx = f->threads[i].context;
		struct foothold hold;
		struct remote call = { .tid = f->threads[i].tid,
				       .mem = &f->mem,
				       .context = ctx,
				       .foothold = &hold,
				       .timeout = USEC_PER_SEC };
		int64_t tid = 0;

		r = foothold_find(cache, &f->proc, &f->mem, NULL, &ctx, 1, &hold);
		if (r == 0 && !foothold_heals(&hold))
			r = -ENOTSUP;
		if (r == 0)
			r = remote_begin(&call);
		for (int k = 0; k < 3 && r == 0; k++)
			r = remote_syscall(&call, SYS_gettid, (const uint64_t[6]){ 0 }, &tid);
		if (r == 0)
			r = remote_end(&call);
		if (r == 0 && tid != call.tid)
			r = -EIO;
	}
	return r;
}

/* Injects until it is killed. */
static _Noreturn void injector(pid_t pid, struct witness *w, inject_fn inject)
{
	struct foothold_cache cache = { 0 };
	struct frozen f;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		r = frozen_stop(pid, &f);
		for (int i = 0; i < 20 && r >= 0; i++) {
			w->inside = 1;
			r = inject(&f, &cache);
			w->inside = 0;
			w->rounds++;
		}
		if (r < 0)
			break;
		frozen_release(&f);
	}
	w->error = r;
	_exit(1);
}

static void kill_often(inject_fn inject, const char *name)
{
	struct witness *w =
		mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned kills =
		getenv("INJECT_KILLS") ? (unsigned)strtoul(getenv("INJECT_KILLS"), NULL, 10) : 300;
	unsigned inside = 0, hurt = 0;
	struct target t = target_start(JOBS);

	srand((unsigned)getpid());
	for (unsigned i = 0; i < kills; i++) {
		pid_t pid = fork();

		if (pid == 0)
			injector(t.pid, w, inject);
		assert_true(pid > 0);
		usleep(1000 + (unsigned)rand() % 8000);
		kill(pid, SIGKILL);
		inside += w->inside;
		w->inside = 0;
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(w->error, 0);
		if (target_is_well(&t))
			continue;
		hurt++;
		target_stop(&t);
		t = target_start(JOBS);
	}
	print_message(
		"%s: %u kills, %u of them inside, after %u whole rounds; target hurt %u times\n",
		name, kills, inside, w->rounds, hurt);
	target_stop(&t);
	munmap(w, sizeof(*w));
	assert_int_equal(hurt, 0);
}

static unsigned die_at, done;

/* Counts what changes or reads the target; waiting is not counted, because it varies. */
static int die(enum sys_call call)
{
	if (call != SYS_CALL_ptrace && call != SYS_CALL_process_vm_writev &&
	    call != SYS_CALL_process_vm_readv && call != SYS_CALL_pwrite)
		return 0;
	if (++done == die_at)
		kill(getpid(), SIGKILL);
	return 0;
}

static void die_everywhere(inject_fn inject, const char *name)
{
	struct target t = target_start("csfuwC");
	unsigned points = 0, hurt = 0;
	bool whole = false;

	for (die_at = 1; !whole; die_at++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			struct foothold_cache cache = { 0 };
			struct frozen f;
			int r;

			sys_fault = die;
			r = frozen_stop(t.pid, &f);
			if (r == 0)
				r = inject(&f, &cache);
			if (r >= 0)
				frozen_release(&f);
			_exit(r < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		whole = WIFEXITED(status);
		if (whole)
			assert_int_equal(WEXITSTATUS(status), 0);
		else
			points++;
		if (target_is_well(&t))
			continue;
		print_error("hurt by death before operation %u\n", die_at);
		hurt++;
		target_stop(&t);
		t = target_start("csfuwC");
	}
	print_message("%s: dead before each of %u operations; target hurt %u times\n", name, points,
		      hurt);
	target_stop(&t);
	assert_int_equal(hurt, 0);
}

static void call_everywhere(void **state)
{
	die_everywhere(inject_call, "borrowed call");
}

static void batch_everywhere(void **state)
{
	die_everywhere(inject_batch, "batch");
}

static void by_syscall_everywhere(void **state)
{
	die_everywhere(inject_batch_by_syscall, "batch by system calls");
}

static void batch(void **state)
{
	kill_often(inject_batch, "batch");
}

static void batch_by_syscall(void **state)
{
	kill_often(inject_batch_by_syscall, "batch by system calls");
}

static void call(void **state)
{
	kill_often(inject_call, "borrowed call");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_everywhere),
		cmocka_unit_test(batch_everywhere),
		cmocka_unit_test(by_syscall_everywhere),
		cmocka_unit_test(call),
		cmocka_unit_test(batch),
		cmocka_unit_test(batch_by_syscall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
