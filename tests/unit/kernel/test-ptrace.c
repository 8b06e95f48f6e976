/* Stops told apart, on statuses and on children in every state. */
#include "unit/check.h"

#include <pthread.h>
#include <sys/syscall.h>

#include "child.h"
#include "kernel/mem.h"
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

static const int constant = 42;

static void memory(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	scoped(mem_remote_done) struct mem_remote m = MEM_REMOTE(pid);
	uint64_t word;
	char text[8];
	int value = 0, other = 43;
	remote_t at = REMOTE((uintptr_t)&constant);

	assert_int_equal(catch (pid).kind, PTRACE_STOP_TRAP);
	assert_int_equal(ptrace_peek(pid, at, &word), 0);
	assert_int_equal((int)word, 42);
	assert_int_equal(mem_read(&m, at, &value, sizeof(value)), 0);
	assert_int_equal(value, 42);
	/* Read-only memory is written through /proc/PID/mem. */
	assert_int_equal(mem_write(&m, at, &other, sizeof(other)), 0);
	assert_int_equal(mem_read(&m, at, &value, sizeof(value)), 0);
	assert_int_equal(value, 43);
	assert_int_equal(*(volatile const int *)&constant, 42);
	assert_int_equal(mem_read(&m, REMOTE(16), &value, sizeof(value)), -EFAULT);
	assert_int_equal(mem_read_str(&m, REMOTE((uintptr_t) "hello"), text, sizeof(text)), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(mem_read_str(&m, REMOTE((uintptr_t) "hello"), text, 5), -ENAMETOOLONG);
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
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
