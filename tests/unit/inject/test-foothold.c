/*
 * Tasks that are unlike others: without libc, on small stacks, deep in their stack, behind seccomp
 * filters, in pid namespaces. Children of the test itself, so that each can be made to measure.
 */
#include "unit/inject/frozen.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "unit/check.h"

#include "kernel/ptrace.h"

struct child {
	pid_t pid;
	volatile uint64_t *count; /* it counts there */
	uint64_t *memory;         /* a page to share other things */
};

static struct child child_start(void (*fn)(struct child *))
{
	struct child c;

	c.memory = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	c.count = c.memory + 1;
	c.pid = fork();
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(&c);
		_exit(1);
	}
	assert_true(c.pid > 0);
	for (int i = 0; *c.count < 10 && i < 5000; i++)
		usleep(1000);
	assert_true(*c.count >= 10);
	return c;
}

static void child_check(const struct child *c)
{
	uint64_t before = *c->count;

	for (int i = 0; *c->count < before + 3 && i < 3000; i++)
		usleep(1000);
	assert_int_equal(waitpid(c->pid, NULL, WNOHANG), 0);
	assert_true(*c->count >= before + 3);
}

static void child_stop(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	munmap(c->memory, PAGE_SIZE);
}

/* One infection; gives what infect_run() gave. The answers are checked if it worked. */
static int infect(pid_t pid, pid_t own_pid)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p[2] = { batch_program(b, PIE_FAIL_TAIL) };
	struct foothold_cache cache = { 0 };
	int getpid_step = program_call(p[0], SYS_getpid, ARGS()), r;
	struct frozen f;

	assert_int_equal(frozen_stop(pid, &f), 0);
	assert_int_equal(f.n, 1);
	r = frozen_infect(&f, &cache, b, p);
	if (r >= 0)
		assert_int_equal(program_result(p[0], getpid_step), own_pid);
	frozen_release(&f);
	foothold_cache_done(&cache);
	return r;
}

static void bare(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(BARE_PROGRAM, "bare", NULL);
		_exit(4);
	}
	usleep(50000);
	for (int i = 0; i < 50; i++)
		assert_int_equal(infect(pid, pid), INFECT_PLAIN);
	usleep(10000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static uint64_t on_small_stack_canary[8192];
static ucontext_t small_context, main_context;
static volatile uint64_t *small_count;

static void small_loop(void)
{
	for (;;) {
		for (size_t i = 0; i < 8192 - 512; i++)
			if (on_small_stack_canary[i] != i * 77)
				_exit(5);
		++*small_count;
		sched_yield();
	}
}

/* The stack is the end of an array, the rest is somebody's memory. */
static void run_on_small_stack(struct child *c)
{
	small_count = c->count;
	for (size_t i = 0; i < 8192; i++)
		on_small_stack_canary[i] = i * 77;
	getcontext(&small_context);
	small_context.uc_stack.ss_sp = on_small_stack_canary + 8192 - 512;
	small_context.uc_stack.ss_size = 512 * sizeof(uint64_t);
	makecontext(&small_context, small_loop, 0);
	swapcontext(&main_context, &small_context);
}

static void small_stack(void **state)
{
	struct child c = child_start(run_on_small_stack);

	for (int i = 0; i < 50; i++) {
		assert_int_equal(infect(c.pid, c.pid), INFECT_HEALED);
		child_check(&c);
	}
	child_stop(&c);
}

/* No main stack either: the frame is put over memory in use, and that is put back. */
static void run_without_main_stack(struct child *c)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start = 0, end = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			break;
	c->memory[2] = start;
	c->memory[3] = end;
	run_on_small_stack(c);
}

static void no_main_stack(void **state)
{
	struct child c = child_start(run_without_main_stack);
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p[1] = { batch_program(b, PIE_FAIL_TAIL) };
	struct foothold_cache cache = { 0 };
	int step = program_call(p[0], SYS_munmap, ARGS(c.memory[2], c.memory[3] - c.memory[2]));
	struct frozen f;

	assert_int_equal(frozen_stop(c.pid, &f), 0);
	assert_true(frozen_infect(&f, &cache, b, p) >= 0);
	assert_int_equal(program_result(p[0], step), 0);
	frozen_release(&f);
	for (int i = 0; i < 50; i++) {
		assert_true(infect(c.pid, c.pid) >= 0);
		child_check(&c);
	}
	foothold_cache_done(&cache);
	child_stop(&c);
}

/* Uses its stack to the last bytes that are mapped. */
static __attribute__((noinline)) void dig(struct child *c, int depth)
{
	volatile char frame[1000];

	memset((char *)frame, depth, sizeof(frame));
	if (depth > 0)
		dig(c, depth - 1);
	else
		for (int i = 0; i < 3; i++) {
			++*c->count;
			usleep(100);
		}
	for (size_t i = 0; i < sizeof(frame); i++)
		if (frame[i] != (char)depth)
			_exit(5);
}

static void run_deep(struct child *c)
{
	for (int depth = 0;; depth = (depth + 1) % 1000)
		dig(c, depth);
}

static void deep_stack(void **state)
{
	struct child c = child_start(run_deep);

	for (int i = 0; i < 200; i++) {
		assert_true(infect(c.pid, c.pid) >= 0);
		usleep(300);
	}
	child_check(&c);
	child_stop(&c);
}

/* A filter that kills for everything but what the child does itself. */
static void run_filtered(struct child *c)
{
	static const int allowed[] = { SYS_sched_yield, SYS_rt_sigreturn, SYS_restart_syscall };
	struct sock_filter code[16] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	struct sock_fprog prog = { .filter = code };
	unsigned short n = 1;

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (unsigned)allowed[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	prog.len = n;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(6);
	for (;;) {
		++*c->count;
		sched_yield();
	}
}

static void seccomp(void **state)
{
	struct child c = child_start(run_filtered);

	for (int i = 0; i < 20; i++) {
		assert_int_equal(infect(c.pid, c.pid), INFECT_HEALED);
		child_check(&c);
	}
	child_stop(&c);
}

static void run_in_namespace(struct child *c)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		_exit(77);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			++*c->count;
			sched_yield();
		}
	}
	c->memory[2] = (uint64_t)pid;
	waitpid(pid, NULL, 0);
}

static void pid_namespace(void **state)
{
	struct child c = child_start(run_in_namespace);

	for (int i = 0; i < 20; i++) {
		assert_int_equal(infect((pid_t)c.memory[2], 1), INFECT_HEALED);
		child_check(&c);
	}
	child_stop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare),          cmocka_unit_test(small_stack),
		cmocka_unit_test(no_main_stack), cmocka_unit_test(deep_stack),
		cmocka_unit_test(seccomp),       cmocka_unit_test(pid_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
