/* Stops told apart, on statuses and on children in every state. */
#include "unit/check.h"

#include <asm/ldt.h>
#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "child.h"
#include "kernel/cpu.h"
#include "kernel/proc/task.h"
#include "kernel/ptrace.h"

#define SECOND USEC_PER_SEC

static void statuses(void **state)
{
	static const struct {
		int status;
		enum ptrace_stop_kind kind;
		int signal, event, code;
	} cases[] = {
		{ 0x0700, PTRACE_STOP_EXITED, 0, 0, 7 },
		{ SIGKILL, PTRACE_STOP_KILLED, SIGKILL, 0, 0 },
		{ PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 | 0x7f, PTRACE_STOP_TRAP, SIGTRAP, 0, 0 },
		{ PTRACE_EVENT_STOP << 16 | SIGTSTP << 8 | 0x7f, PTRACE_STOP_GROUP, SIGTSTP, 0, 0 },
		{ SIGUSR1 << 8 | 0x7f, PTRACE_STOP_SIGNAL, SIGUSR1, 0, 0 },
		{ SIGTRAP << 8 | 0x7f, PTRACE_STOP_SIGNAL, SIGTRAP, 0, 0 },
		{ (SIGTRAP | 0x80) << 8 | 0x7f, PTRACE_STOP_SYSCALL, SIGTRAP, 0, 0 },
		{ PTRACE_EVENT_EXEC << 16 | SIGTRAP << 8 | 0x7f, PTRACE_STOP_EVENT, SIGTRAP,
		  PTRACE_EVENT_EXEC, 0 },
		{ 0xffff, PTRACE_STOP_CONTINUED, 0, 0, 0 },
	};
	struct ptrace_stop s;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(ptrace_stop_classify(cases[i].status, &s), 0);
		assert_int_equal(s.kind, cases[i].kind);
		assert_int_equal(s.signal, cases[i].signal);
		assert_int_equal(s.event, cases[i].event);
		assert_int_equal(s.code, cases[i].code);
	}
	assert_int_equal(ptrace_stop_classify(PTRACE_EVENT_STOP << 16 | SIGUSR1 << 8 | 0x7f, &s),
			 -EINVAL);
}

static struct ptrace_stop catch (pid_t pid)
{
	struct ptrace_stop s;

	assert_int_equal(ptrace_seize(pid, 0), 0);
	assert_int_equal(ptrace_interrupt(pid), 0);
	assert_int_equal(ptrace_catch(pid, 5 * SECOND, &s), 0);
	return s;
}

static void running_and_sleeping(void **state)
{
	for (int spins = 0; spins < 2; spins++) {
		scoped(child_end) pid_t pid = child_start(spins ? child_spins : NULL, NULL);
		struct user_regs_struct regs;
		struct ptrace_syscall_state sc;
		struct ptrace_stop s;

		assert_true(child_reaches(pid, spins ? 'R' : 'S'));
		s = catch (pid);
		assert_int_equal(s.kind, PTRACE_STOP_TRAP);
		assert_int_equal(ptrace_get_regs(pid, &regs), 0);
		/* A fresh child is running, too, while it has not come out of its own birth. */
		while (spins && regs.orig_rax == SYS_clone) {
			assert_int_equal(ptrace_detach(pid, 0), 0);
			s = catch (pid);
			assert_int_equal(ptrace_get_regs(pid, &regs), 0);
		}
		assert_int_equal((long)regs.orig_rax, spins ? -1 : SYS_pause);
		assert_int_equal(ptrace_set_regs(pid, &regs), 0);
		assert_int_equal(ptrace_get_syscall(pid, &sc), 0);
		assert_int_equal(sc.sp, regs.rsp);
		assert_int_equal(ptrace_wait(pid, 1000, &s), -ETIMEDOUT);
		assert_int_equal(ptrace_detach(pid, 0), 0);
		assert_true(child_reaches(pid, spins ? 'R' : 'S'));
		assert_int_equal(ptrace_detach(pid, 0), -ESRCH);
	}
}

static void group_stopped(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	struct ptrace_stop s;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_true(child_reaches(pid, 'T'));
	s = catch (pid);
	assert_int_equal(s.kind, PTRACE_STOP_GROUP);
	assert_int_equal(s.signal, SIGSTOP);
	assert_int_equal(ptrace_detach(pid, 0), 0);
	assert_true(child_reaches(pid, 'T'));
}

static void zombie(void **state)
{
	scoped(child_end) pid_t pid = child_start(child_exits, NULL);

	assert_true(child_reaches(pid, 'Z'));
	assert_int_equal(ptrace_seize(pid, 0), -EPERM);
}

static void killed_while_caught(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	struct ptrace_stop s = catch (pid);

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(ptrace_wait(pid, 5 * SECOND, &s), 0);
	assert_int_equal(s.kind, PTRACE_STOP_KILLED);
	assert_int_equal(s.signal, SIGKILL);
	assert_int_equal(ptrace_wait(pid, SECOND, &s), -ECHILD);
}

static void on_usr1(int sig)
{
}

static void handles_usr1(void *arg)
{
	(void)signal(SIGUSR1, on_usr1);
}

/* A signal in delivery when we interrupt is not lost and does not get in the way. */
static void signal_first(void **state)
{
	scoped(child_end) pid_t pid = child_start(handles_usr1, NULL);
	struct user_regs_struct before, after;
	struct ptrace_stop s;

	assert_true(child_reaches(pid, 'S'));
	s = catch (pid);
	assert_int_equal(ptrace_get_regs(pid, &before), 0);
	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_int_equal(ptrace_cont(pid, 0), 0);
	assert_int_equal(ptrace_wait(pid, 5 * SECOND, &s), 0);
	assert_int_equal(s.kind, PTRACE_STOP_SIGNAL);
	assert_int_equal(s.signal, SIGUSR1);
	/* Now as if the freezer came: the signal stop is to be passed. */
	assert_int_equal(ptrace_interrupt(pid), 0);
	assert_int_equal(ptrace_cont(pid, SIGUSR1), 0);
	assert_int_equal(ptrace_catch(pid, 5 * SECOND, &s), 0);
	assert_int_equal(s.kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_get_regs(pid, &after), 0);
	assert_int_equal(after.rip, (uintptr_t)on_usr1);
	assert_true(after.rsp < before.rsp);
	assert_int_equal(ptrace_detach(pid, 0), 0);
	assert_true(child_reaches(pid, 'S'));
}

static void blocks_and_queues(void *arg)
{
	sigset_t set;

	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 5 });
	(void)sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 6 });
	(void)syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2);
}

static void queues_and_masks(void **state)
{
	scoped(child_end) pid_t pid = child_start(blocks_and_queues, NULL);
	siginfo_t info[4];
	uint64_t mask;

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(catch (pid).kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_peek_signals(pid, PTRACE_QUEUE_SHARED, 0, info, 4), 2);
	assert_int_equal(info[0].si_signo, SIGRTMIN + 1);
	assert_int_equal(info[0].si_int, 5);
	assert_int_equal(info[1].si_int, 6);
	assert_int_equal(ptrace_peek_signals(pid, PTRACE_QUEUE_SHARED, 1, info, 4), 1);
	assert_int_equal(info[0].si_int, 6);
	assert_int_equal(ptrace_peek_signals(pid, PTRACE_QUEUE_SHARED, 2, info, 4), 0);
	assert_int_equal(ptrace_peek_signals(pid, PTRACE_QUEUE_THREAD, 0, info, 4), 1);
	assert_int_equal(info[0].si_signo, SIGUSR2);
	assert_int_equal(ptrace_get_sigmask(pid, &mask), 0);
	assert_true(mask & 1ULL << (SIGUSR2 - 1));
	assert_int_equal(ptrace_set_sigmask(pid, mask & ~(1ULL << (SIGUSR1 - 1))), 0);
	assert_int_equal(ptrace_get_sigmask(pid, &mask), 0);
	assert_false(mask & 1ULL << (SIGUSR1 - 1));
}

static void rseq_and_sud(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	struct ptrace_rseq rseq;
	struct ptrace_sud sud;

	assert_int_equal(catch (pid).kind, PTRACE_STOP_TRAP);
	/* glibc registers one for each thread unless told not to. */
	assert_int_equal(ptrace_get_rseq(pid, &rseq), 0);
	assert_true(rseq.pointer == 0 || rseq.size >= 32);
	assert_int_equal(ptrace_get_sud(pid, &sud), 0);
	assert_int_equal(sud.mode, 0);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		(void)pause();
	return NULL;
}

static void dies_but_leaves_a_thread(void *arg)
{
	pthread_t t;

	(void)pthread_create(&t, NULL, wait_for_ever, NULL);
	(void)syscall(SYS_exit, 0); /* this thread only */
}

/* A dead leader with a live thread: the one cannot be caught, the other can. */
static void dead_leader(void **state)
{
	scoped(child_end) pid_t pid = child_start(dies_but_leaves_a_thread, NULL);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_numbers_done) struct proc_numbers tids = { 0 };
	struct proc_stat st;

	assert_true(child_reaches(pid, 'Z'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_int_equal(proc_stat_read(&p, &st), 0);
	assert_int_equal(st.threads, 2);
	assert_int_equal(ptrace_seize(pid, 0), -EPERM);
	assert_int_equal(proc_tasks_read(&p, &tids), 0);
	assert_int_equal(tids.n, 2);
	assert_int_equal(catch (tids.at[1]).kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_detach(tids.at[1], 0), 0);
}

static void asks_for_its_pid(void *arg)
{
	for (;;)
		(void)syscall(SYS_getppid);
}

static void system_calls(void **state)
{
	scoped(child_end) pid_t pid = child_start(asks_for_its_pid, NULL);
	bool seen_entry = false, seen_exit = false;
	struct ptrace_syscall_state sc;
	struct ptrace_stop s;

	assert_int_equal(catch (pid).kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_set_options(pid, PTRACE_O_TRACESYSGOOD), 0);
	/* It may still be on its way there. */
	for (int i = 0; i < 100 && !seen_exit; i++) {
		assert_int_equal(ptrace_syscall(pid, 0), 0);
		assert_int_equal(ptrace_wait(pid, 5 * SECOND, &s), 0);
		assert_int_equal(s.kind, PTRACE_STOP_SYSCALL);
		assert_int_equal(ptrace_get_syscall(pid, &sc), 0);
		if (sc.op == PTRACE_SYSCALL_OP_ENTRY) {
			seen_entry = sc.nr == SYS_getppid;
		} else if (seen_entry) {
			assert_int_equal(sc.op, PTRACE_SYSCALL_OP_EXIT);
			assert_int_equal(sc.result, getpid());
			seen_exit = true;
		}
	}
	assert_true(seen_exit);
	assert_int_equal(ptrace_interrupt(pid), 0);
	assert_int_equal(ptrace_cont(pid, 0), 0);
	assert_int_equal(ptrace_catch(pid, 5 * SECOND, &s), 0);
	assert_int_equal(s.kind, PTRACE_STOP_TRAP);
}

static void forks_now_and_then(void *arg)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(3);
		(void)waitpid(pid, NULL, 0);
		usec_sleep(1000);
	}
}

static void events(void **state)
{
	scoped(child_end) pid_t pid = child_start(forks_now_and_then, NULL);
	unsigned long child = 0;
	struct ptrace_stop s;

	assert_int_equal(catch (pid).kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_set_options(pid, PTRACE_O_TRACEFORK), 0);
	do {
		assert_int_equal(ptrace_cont(pid, 0), 0);
		assert_int_equal(ptrace_wait(pid, 5 * SECOND, &s), 0);
		if (s.kind == PTRACE_STOP_SIGNAL) /* of the child before */
			assert_int_equal(s.signal, SIGCHLD);
	} while (s.kind != PTRACE_STOP_EVENT);
	assert_int_equal(s.event, PTRACE_EVENT_FORK);
	assert_int_equal(ptrace_event_message(pid, &child), 0);
	/* Traced from birth, its first stop is a trap of ours. */
	assert_int_equal(ptrace_wait((pid_t)child, 5 * SECOND, &s), 0);
	assert_int_equal(s.kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_cont((pid_t)child, 0), 0);
	assert_int_equal(ptrace_wait((pid_t)child, 5 * SECOND, &s), 0);
	assert_int_equal(s.kind, PTRACE_STOP_EXITED);
	assert_int_equal(s.code, 3);
}

static void listening(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	struct ptrace_stop s;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_true(child_reaches(pid, 'T'));
	assert_int_equal(catch (pid).kind, PTRACE_STOP_GROUP);
	assert_int_equal(ptrace_listen(pid), 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(ptrace_wait(pid, 5 * SECOND, &s), 0);
	assert_int_equal(s.kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_detach(pid, 0), 0);
	assert_true(child_reaches(pid, 'S'));
}

static void filters_twice(void *arg)
{
	struct sock_filter one[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_filter two[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
				     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog first = { .len = 1, .filter = one };
	struct sock_fprog second = { .len = 2, .filter = two };

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &first);
	(void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &second);
}

static void seccomp_filters(void **state)
{
	scoped(child_end) pid_t pid = child_start(filters_twice, NULL);
	struct sock_filter code[8];
	uint64_t flags = 0;
	ssize_t n;

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(catch (pid).kind, PTRACE_STOP_TRAP);
	n = ptrace_get_filter(pid, 0, NULL);
	if (n == -EACCES)
		skip();
	/* Oldest first, whatever the man page says. */
	assert_int_equal(n, 1);
	assert_int_equal(ptrace_get_filter(pid, 0, code), 1);
	assert_int_equal(ptrace_get_filter(pid, 1, code), 2);
	assert_int_equal(code[0].code, BPF_LD | BPF_W | BPF_ABS);
	assert_int_equal(ptrace_get_filter(pid, 2, code), -ENOENT);
	assert_int_equal(ptrace_get_filter_flags(pid, 1, &flags), 0);
	assert_int_equal(flags, SECCOMP_FILTER_FLAG_LOG);
	assert_int_equal(ptrace_get_filter_flags(pid, 0, &flags), 0);
	assert_int_equal(flags, 0);
}

static void register_sets(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	_Alignas(64) char xstate[16384];
	struct user_fpregs_struct fp;
	struct user_desc area;
	struct cpu c;
	ssize_t n;

	cpu_read(&c);
	assert_int_equal(catch (pid).kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_get_regset(pid, NT_PRFPREG, &fp, sizeof(fp)), sizeof(fp));
	assert_int_equal(ptrace_set_regset(pid, NT_PRFPREG, &fp, sizeof(fp)), 0);
	n = ptrace_get_regset(pid, NT_X86_XSTATE, xstate, sizeof(xstate));
	if (c.has_xsave)
		assert_int_equal(n, c.xsave_size);
	if (n > 0)
		assert_int_equal(ptrace_set_regset(pid, NT_X86_XSTATE, xstate, (size_t)n), 0);
	assert_true(ptrace_get_regset(pid, 0x7777, xstate, 16) < 0);
	assert_int_equal(ptrace_get_thread_area(pid, 12, &area), 0);
	assert_int_equal(area.base_addr, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(running_and_sleeping),
		cmocka_unit_test(group_stopped),
		cmocka_unit_test(zombie),
		cmocka_unit_test(killed_while_caught),
		cmocka_unit_test(signal_first),
		cmocka_unit_test(queues_and_masks),
		cmocka_unit_test(rseq_and_sud),
		cmocka_unit_test(dead_leader),
		cmocka_unit_test(system_calls),
		cmocka_unit_test(events),
		cmocka_unit_test(listening),
		cmocka_unit_test(seccomp_filters),
		cmocka_unit_test(register_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
