/*
 * What the steps mean. The blob runs for real, in a child that shares our memory, so that the area
 * can be looked at while it runs.
 */
#include "unit/check.h"

#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inject/batch.h"
#include "inject/enter.h"

struct place {
	void *base;
	size_t size;
};

static int enter(void *arg)
{
	area_enter(arg, 0);
}

static struct pie_area *area_of(const struct place *pl)
{
	return (struct pie_area *)((char *)pl->base + PIE_CODE);
}

static struct pie_thread *thread_of(const struct place *pl, unsigned i)
{
	return (struct pie_thread *)((char *)pl->base + area_of(pl)->threads) + i;
}

static struct pie_step *steps_of(const struct place *pl, unsigned i)
{
	return (struct pie_step *)((char *)pl->base + thread_of(pl, i)->steps);
}

/* Maps and writes the area. */
static struct place place_batch(struct batch *b)
{
	struct place pl = { 0 };

	assert_int_equal(batch_layout(b), 0);
	pl.size = batch_size(b);
	pl.base = mmap(NULL, pl.size, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pl.base, MAP_FAILED);
	batch_write(b, REMOTE((uint64_t)pl.base), pl.base);
	return pl;
}

/* Starts thread 0 in a process of its own in our memory. */
static pid_t start(const struct place *pl)
{
	static char stack[65536];
	pid_t pid = clone(enter, stack + sizeof(stack), CLONE_VM | SIGCHLD, pl->base);

	assert_true(pid > 0);
	return pid;
}

static int finish(struct batch *b, struct place *pl, pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	batch_read(b, pl->base);
	munmap(pl->base, pl->size);
	return status;
}

static int run(struct batch *b)
{
	struct place pl = place_batch(b);

	return finish(b, &pl, start(&pl));
}

static void wait_arrived(const struct place *pl, uint32_t n)
{
	uint32_t now;

	while ((now = __atomic_load_n(&area_of(pl)->arrived, __ATOMIC_SEQ_CST)) < n)
		syscall(SYS_futex, &area_of(pl)->arrived, FUTEX_WAIT, now, NULL);
}

static void allow(const struct place *pl, uint32_t stage)
{
	__atomic_store_n(&area_of(pl)->stage, stage, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &area_of(pl)->stage, FUTEX_WAKE, INT32_MAX);
}

static void calls(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);
	struct piece name = program_text(p, "x"), out = program_room(p, 32);
	int fd = program_must(p, SYS_memfd_create, ARGS(arg_at(name), 0)), n, off;

	program_exact(p, 5, SYS_pwrite64, ARGS(arg_result(fd), arg_at(name), 2, 3));
	n = program_call(p, SYS_pread64, ARGS(arg_result(fd), arg_at_offset(out, 8), 16, 0));
	off = program_call(p, SYS_close, ARGS(12345));
	program_exit(p, 7);
	assert_int_equal(WEXITSTATUS(run(b)), 7);
	/* pwrite gave 2, not 5: the steps behind it did not run, the tail did. */
	assert_int_equal(program_state(p), PIE_STATE_FAILED);
	assert_int_equal(program_failed_step(p), 1);
	assert_int_equal(program_result(p, 1), 2);
	assert_true(program_result(p, n) == PIE_NOT_RUN && program_result(p, off) == PIE_NOT_RUN);
}

static void results(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);
	struct piece name = program_text(p, "x"), out = program_room(p, 32);
	int fd = program_must(p, SYS_memfd_create, ARGS(arg_at(name), 0)), n, bad;

	program_exact(p, 2, SYS_pwrite64, ARGS(arg_result(fd), arg_at(name), 2, 3));
	n = program_call(p, SYS_pread64, ARGS(arg_result(fd), arg_at_offset(out, 8), 16, 0));
	bad = program_call(p, SYS_close, ARGS(12345));
	program_exit(p, 0);
	assert_int_equal(run(b), 0);
	assert_int_equal(program_state(p), PIE_STATE_DONE);
	assert_int_equal(program_result(p, n), 5);
	assert_memory_equal((char *)out.p + 8, "\0\0\0x\0", 5);
	assert_int_equal(program_result(p, bad), -EBADF);
	close((int)program_result(p, fd));
}

static void bytes(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);
	struct piece src = program_text(p, "0123456789"), out = program_room(p, 32);
	uint64_t value = 0x1122334455667788;
	struct piece number = program_put(p, &value, 8);
	char ours[8] = "";

	program_copy(p, arg_at_offset(out, 1), arg_at_offset(src, 2), 4);
	program_fill(p, arg_at_offset(out, 8), 'z', 3);
	program_copy(p, arg_const((uint64_t)ours), arg_at(src), 7);
	program_call(p, SYS_exit, ARGS(arg_load32(number, 4))); /* not reached as the tail */
	program_exit(p, 1);
	assert_int_equal(WEXITSTATUS(run(b)), 0x44);
	assert_memory_equal(out.p,
			    "\0"
			    "2345"
			    "\0\0\0"
			    "zzz\0",
			    12);
	assert_string_equal(ours, "0123456");
}

static void loads(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);
	uint64_t value = 0x1122334455667788;
	struct piece number = program_put(p, &value, 8), out = program_room(p, 8);
	struct piece where = program_put(p, NULL, 8);

	program_link(p, where, 0, out, 0);
	program_copy(p, arg_load64(where, 0), arg_at(number), 8);
	program_exit(p, 0);
	assert_int_equal(run(b), 0);
	assert_memory_equal(out.p, &value, 8);
}

static void until(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);
	struct piece id = program_room(p, 4), id2 = program_room(p, 4);
	int create = program_until(p, SYS_timer_create, ARGS(CLOCK_MONOTONIC, 0, arg_at(id)),
				   arg_at(id), 3, 10, SYS_timer_delete, ARGS(arg_load32(id, 0)));
	int never;

	program_exact(p, 0, SYS_timer_delete, ARGS(3));
	never = program_until(p, SYS_timer_create, ARGS(CLOCK_MONOTONIC, 0, arg_at(id2)),
			      arg_at(id2), 1, 4, SYS_timer_delete, ARGS(arg_load32(id2, 0)));
	program_exit(p, 0);
	assert_int_equal(run(b), 0);
	assert_int_equal(program_result(p, create), 0);
	assert_int_equal(*(uint32_t *)id.p, 3);
	assert_int_equal(program_failed_step(p), never);
	assert_int_equal(program_result(p, never), -ELOOP);
}

#define N 20

/* Thread 0 spawns the others; all meet at a barrier, the host lets them pass. */
static void threads(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_WAIT), *q[N];
	struct clone_args args = { .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					    CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID };
	struct piece tid[N];
	int gettid[N], spawn[N];
	struct place pl;
	pid_t pid;

	for (int i = 0; i < N; i++) {
		struct piece a = program_put(p, &args, sizeof(args));

		q[i] = batch_program(b, PIE_FAIL_WAIT);
		tid[i] = program_room(p, 4);
		program_link(p, a, offsetof(struct clone_args, parent_tid), tid[i], 0);
		spawn[i] = program_spawn(p, q[i], a, 0);
		gettid[i] = program_must(q[i], SYS_gettid, ARGS());
		program_barrier(q[i], 1);
		program_exit(q[i], 0);
	}
	program_barrier(p, 1);
	program_call(p, SYS_nanosleep,
		     ARGS(arg_at(program_put(p, &(struct timespec){ .tv_nsec = 50000000 },
					     sizeof(struct timespec)))));
	program_exit(p, 0);

	pl = place_batch(b);
	pid = start(&pl);
	wait_arrived(&pl, N + 1);
	for (int i = 0; i < N; i++)
		assert_int_equal(thread_of(&pl, program_index(q[i]))->state, PIE_STATE_RUNNING);
	allow(&pl, 1);
	assert_int_equal(finish(b, &pl, pid), 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(program_state(q[i]), PIE_STATE_DONE);
		assert_int_equal(program_result(q[i], gettid[i]), program_result(p, spawn[i]));
		assert_int_equal(*(pid_t *)tid[i].p, program_result(p, spawn[i]));
	}
}

/* A failure of a restore's program is told and then waits to be killed. */
static void failure_waits(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_WAIT);
	scoped(str_done) struct str s = { 0 };
	struct place pl;
	pid_t pid;

	program_must(p, SYS_close, ARGS(9999));
	program_exit(p, 0);
	pl = place_batch(b);
	pid = start(&pl);
	wait_arrived(&pl, 1);
	assert_int_equal(area_of(&pl)->failures, 1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_true(WIFSIGNALED(finish(b, &pl, pid)));
	assert_int_equal(program_failed_step(p), 0);
	program_print_step(p, 0, &s);
	assert_string_equal(str_get(&s), "close(9999) or fail: Bad file descriptor");
}

/* Steps that point outside the area fail and touch nothing. */
static void bounds(void **state)
{
	for (int kind = PIE_ARG_AREA; kind <= PIE_ARG_MAX; kind++) {
		for (int op = 0; op <= PIE_OP_MAX; op++) {
			scoped(batch_free) struct batch *b = batch_new();
			struct program *p = batch_program(b, PIE_FAIL_TAIL);
			struct piece out = program_room(p, 4096);
			struct pie_step *s;
			struct place pl;

			program_fill(p, arg_at(out), 1, 4096);
			program_exit(p, 5);
			pl = place_batch(b);
			s = steps_of(&pl, 0);
			s->op = (uint8_t)op;
			s->nr = 1;
			s->limit = 3;
			for (int i = 0; i < PIE_ARGS; i++) {
				s->arg_kind[i] = (uint8_t)kind;
				s->arg[i] = kind == PIE_ARG_RESULT ? 2 : pl.size - 3;
			}
			if (kind == PIE_ARG_AREA) {
				s->arg[0] = pl.size - 2;
				s->arg_kind[2] = PIE_ARG_CONST;
				s->arg[2] = 3;
			}
			/* CALL takes addresses as they come, and there is no stage to wait for. */
			if (kind == PIE_ARG_AREA && (op == PIE_OP_CALL || op == PIE_OP_BARRIER ||
						     op == PIE_OP_RETURN || op == PIE_OP_EXIT))
				s->op = 0;
			assert_int_equal(WEXITSTATUS(finish(b, &pl, start(&pl))), 5);
			assert_int_equal(program_failed_step(p), 0);
			assert_true(program_result(p, 0) == -EFAULT ||
				    program_result(p, 0) == -EINVAL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls),         cmocka_unit_test(results),
		cmocka_unit_test(bytes),         cmocka_unit_test(loads),
		cmocka_unit_test(until),         cmocka_unit_test(threads),
		cmocka_unit_test(failure_waits), cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
