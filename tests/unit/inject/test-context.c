/*
 * Contexts come back through frames exactly, whatever is in the registers; interrupted system calls
 * are settled; what cannot be saved is refused.
 */
#include "unit/inject/frozen.h"

#include <elf.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "unit/check.h"

#include "inject/remote.h"
#include "inject/tracee.h"
#include "kernel/ptrace.h"
#include "pie/blob.h"

static struct remote remote_for(struct frozen *f, const struct foothold *hold)
{
	return (struct remote){ .tid = f->threads[hold->thread].tid,
				.mem = &f->mem,
				.context = f->threads[hold->thread].context,
				.foothold = hold,
				.timeout = USEC_PER_SEC };
}

static int64_t call(struct frozen *f, const struct foothold *hold, long nr, const uint64_t args[6])
{
	struct remote r = remote_for(f, hold);
	int64_t result;

	assert_int_equal(remote_begin(&r), 0);
	assert_int_equal(remote_syscall(&r, nr, args, &result), 0);
	assert_int_equal(remote_end(&r), 0);
	return result;
}

/* All threads go through the interpreter and back by their frames, as restored ones do. */
static void go_round(struct frozen *f, const struct foothold *hold)
{
	scoped(batch_free) struct batch *b = batch_new();
	unsigned char *area;
	uint64_t base;

	for (unsigned i = 0; i < f->n; i++) {
		struct program *p = batch_program(b, PIE_FAIL_WAIT);

		program_must(p, SYS_getpid, ARGS());
		program_return(p, context_frame(f->threads[i].context, p));
	}
	assert_int_equal(batch_layout(b), 0);
	base = (uint64_t)call(f, hold, SYS_mmap,
			      (const uint64_t[6]){ 0, batch_size(b),
						   PROT_READ | PROT_WRITE | PROT_EXEC,
						   MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX });
	assert_true(base < UINT64_MAX - 4096);
	area = NEW_ARRAY(unsigned char, batch_written(b));
	batch_write(b, REMOTE(base), area);
	assert_int_equal(mem_write(&f->mem, REMOTE(base), area, batch_written(b)), 0);
	mem_free(area);
	for (unsigned i = 0; i < f->n; i++) {
		struct user_regs_struct regs = f->threads[i].context->regs;
		pid_t tid = f->threads[i].tid;

		/* Nothing of the thread's own must be needed. */
		memset(&regs, 0x55, offsetof(struct user_regs_struct, orig_rax));
		arch_set_entry(&regs, base + pie_blob_entry, 0, base, i);
		assert_int_equal(ptrace_set_regs(tid, &regs), 0);
		assert_int_equal(ptrace_set_sigmask(tid, UINT64_MAX), 0);
		assert_int_equal(tracee_park_at_return(tid, USEC_PER_SEC), 0);
	}
	assert_int_equal(call(f, hold, SYS_munmap, (const uint64_t[6]){ base, batch_size(b) }), 0);
}

static void frames(void **state)
{
	struct target t = target_start("cCcCcCsfrpPuq");
	struct foothold_cache cache = { 0 };

	for (int round = 0; round < 30; round++) {
		const struct context *ctx[TARGET_THREADS];
		struct foothold hold;
		struct frozen f;

		assert_int_equal(frozen_stop(t.pid, &f), 0);
		for (unsigned i = 0; i < f.n; i++) {
			/* From here on, the settled one is what they must have. */
			context_settle(f.threads[i].context);
			ctx[i] = f.threads[i].context;
		}
		assert_int_equal(foothold_find(&cache, &f.proc, &f.mem, NULL, ctx, f.n, &hold), 0);
		go_round(&f, &hold);
		for (unsigned i = 0; i < f.n; i++) {
			struct context *now;

			assert_int_equal(context_save(f.threads[i].tid, &f.mem, &now), 0);
			assert_memory_equal(&now->regs, &ctx[i]->regs, sizeof(now->regs));
			assert_true(now->sigmask == ctx[i]->sigmask);
			assert_int_equal(now->xstate_len, ctx[i]->xstate_len);
			memset(now->xstate + 512, 0, 8);
			memset(ctx[i]->xstate + 512, 0, 8);
			assert_memory_equal(now->xstate, ctx[i]->xstate, now->xstate_len);
			context_free(now);
		}
		frozen_release(&f);
		target_check(&t);
	}
	foothold_cache_done(&cache);
	target_stop(&t);
}

static struct user_regs_struct settled(long nr, long result, enum context_wakeup wakeup)
{
	struct user_regs_struct regs = { .rip = 1000,
					 .rax = (uint64_t)result,
					 .orig_rax = (uint64_t)nr };

	arch_settle_restart(&regs, wakeup);
	assert_true(nr < 0 || regs.orig_rax == UINT64_MAX);
	return regs;
}

/* A sleep goes on where the time left has taken the place of the time asked for. */
static void sleeps(void)
{
	struct user_regs_struct regs = {
		.rip = 1000, .rax = (uint64_t)-516, .orig_rax = SYS_nanosleep, .rdi = 8, .rsi = 8
	};
	struct user_regs_struct other = regs, clock = regs;

	arch_settle_restart(&regs, WAKEUP_NONE);
	assert_int_equal(regs.rip, 998);
	assert_int_equal(regs.rax, SYS_nanosleep);
	other.rsi = 0;
	arch_settle_restart(&other, WAKEUP_NONE);
	assert_int_equal(other.rip, 1000);
	clock.orig_rax = SYS_clock_nanosleep;
	clock.rdx = clock.r10 = 16;
	arch_settle_restart(&clock, WAKEUP_HANDLER);
	assert_true(clock.rax == (uint64_t)-EINTR);
}

/* The kernel's table: what a call does that was interrupted. */
static void settle(void **state)
{
	static const struct {
		long result;
		bool again[3]; /* by enum context_wakeup */
	} table[] = {
		{ -512, { true, false, true } },   /* ERESTARTSYS */
		{ -513, { true, true, true } },    /* ERESTARTNOINTR */
		{ -514, { true, false, false } },  /* ERESTARTNOHAND */
		{ -516, { false, false, false } }, /* ERESTART_RESTARTBLOCK */
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		for (int w = 0; w < 3; w++) {
			struct user_regs_struct regs =
				settled(SYS_read, table[i].result, (enum context_wakeup)w);

			assert_int_equal(regs.rip, table[i].again[w] ? 998 : 1000);
			assert_true(regs.rax == (uint64_t)(table[i].again[w] ? SYS_read : -EINTR));
		}
	}
	assert_true(settled(SYS_read, -EBADF, WAKEUP_HANDLER).rax == (uint64_t)-EBADF);
	sleeps();
	/* Not in a call: whatever rax is. */
	assert_true(settled(-1, -512, WAKEUP_NONE).rax == (uint64_t)-512);
	assert_int_equal(settled(-1, -512, WAKEUP_NONE).rip, 1000);
}

static void modes(void **state)
{
	assert_int_equal(arch_regs_check(&(struct user_regs_struct){ .cs = 0x33 }), 0);
	assert_int_equal(arch_regs_check(&(struct user_regs_struct){ .cs = 0x23 }), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(settle),
		cmocka_unit_test(modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
