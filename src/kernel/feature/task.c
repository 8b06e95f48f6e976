/* Probes about tasks: creation, tracing, identity, /proc. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/user.h>

#include "base/fd.h"
#include "kernel/feature/probe.h"
#include "kernel/kcmp.h"
#include "kernel/pidfd.h"
#include "kernel/proc/status.h"
#include "kernel/proc/value.h"
#include "kernel/ptrace.h"
#include "kernel/sys.h"

/* Newer than the installed headers may be. */
enum {
	TIMER_RESTORE_IDS = 77, /* PR_TIMER_CREATE_RESTORE_IDS */
	TIMER_RESTORE_IDS_GET = 2,
	GET_REGISTRATIONS = 1 << 9, /* MEMBARRIER_CMD_GET_REGISTRATIONS */
	MM_MAP = 14,                /* PR_SET_MM_MAP */
	MM_MAP_SIZE = 15,           /* PR_SET_MM_MAP_SIZE */
};

static int sleep_for_ever(void *arg)
{
	for (;;)
		(void)!sys_poll(NULL, 0, -1); /* until we are killed */
	return 0;
}

int probe_clone3_set_tid(void)
{
	/*
	 * A pid that cannot be: refused as such (EINVAL) by a kernel that looks at it, while an
	 * older one refuses the larger struct (E2BIG).
	 */
	pid_t impossible = -1;
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&impossible,
		.set_tid_size = 1,
	};
	pid_t r = sys_clone3(&args, CLONE_ARGS_SIZE_VER1);

	if (r == 0)
		_exit(0); /* it let us have it after all */
	if (r > 0) {
		probe_child_end(r);
		return 0;
	}
	return r == -EINVAL || r == -EPERM ? 1 : r == -E2BIG || r == -ENOSYS ? 0 : r;
}

int probe_pidfd(void)
{
	int fd = pidfd_new(sys_getpid(), PIDFD_OF_TASK);

	fd_close(fd);
	return probe_answer(fd);
}

int probe_pidfd_thread(void)
{
	int fd = pidfd_new(sys_gettid(), PIDFD_OF_THREAD);

	fd_close(fd);
	return probe_answer(fd);
}

int probe_pidfd_getfd(void)
{
	scoped(fd_close) int pidfd = pidfd_new(sys_getpid(), PIDFD_OF_TASK);
	scoped(fd_close) int fd = -EBADF;

	if (pidfd < 0)
		return probe_answer(pidfd);
	fd = pidfd_fetch(pidfd, pidfd);
	return probe_answer(fd);
}

int probe_pidfd_store(void)
{
	int r = probe_pidfd();

	return r == 1 ? probe_pidfd_getfd() : r;
}

int probe_kcmp(void)
{
	pid_t self = sys_getpid();

	return probe_answer(sys_kcmp(self, self, KCMP_VM, 0, 0));
}

int probe_kcmp_epoll(void)
{
	scoped(fd_close) int ep = sys_epoll_create(EPOLL_CLOEXEC);
	scoped(fd_close) int target = sys_eventfd(0, 0);
	struct kcmp_epoll_slot slot = { .efd = (uint32_t)ep, .tfd = (uint32_t)target };
	struct epoll_event event = { .events = EPOLLIN };
	pid_t self = sys_getpid();
	int order, r;

	if (ep < 0 || target < 0)
		return ep < 0 ? ep : target;
	r = sys_epoll_ctl(ep, EPOLL_CTL_ADD, target, &event);
	if (r < 0)
		return r;
	r = kcmp_epoll_order((struct kcmp_ref){ self, (unsigned long)target }, self, slot, &order);
	return r < 0 ? probe_answer(r) : order == 0;
}

static int has_ns_pids(void *arg)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	char buf[8192];
	int r = proc_pid_open(0, &p);
	ssize_t n = r < 0 ? r : proc_file_read(&p, "status", buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	return memmem(buf, (size_t)n, "\nNSpid:\t", 8) != NULL;
}

int probe_ns_pid(void)
{
	return has_ns_pids(NULL);
}

int probe_proc_children(void)
{
	return probe_path("/proc/thread-self/children");
}

static int write_loginuid_back(void *arg)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	char uid[32];
	int r = proc_pid_open(0, &p);
	ssize_t n = r < 0 ? r : proc_value_text(&p, "loginuid", uid, sizeof(uid));

	if (n < 0)
		return (int)n;
	r = proc_value_set(&p, "loginuid", uid);
	return r < 0 ? r : 1;
}

int probe_loginuid(void)
{
	/* In a child: a write begins a new audit session for the writer. */
	int r = probe_in_child(write_loginuid_back, NULL);

	return r == -ENOENT || r == -EPERM || r == -EINVAL ? 0 : r;
}

int probe_mm_map(void)
{
	unsigned size = 0;
	int r = sys_prctl(PR_SET_MM, MM_MAP_SIZE, (uintptr_t)&size, 0, 0);

	return r == 0 ? size > 0 : probe_answer(r);
}

int probe_timer_cr_ids(void)
{
	return probe_answer(sys_prctl(TIMER_RESTORE_IDS, TIMER_RESTORE_IDS_GET, 0, 0, 0));
}

int probe_membarrier_registrations(void)
{
	return probe_answer(sys_membarrier(GET_REGISTRATIONS, 0, 0));
}

/* A child that we trace and have stopped, to ask something of. */
static int with_tracee(unsigned long options, int (*body)(void *), int (*ask)(pid_t pid))
{
	scoped(probe_child_end) pid_t pid = probe_child_start(body, NULL);
	struct ptrace_stop stop;
	int r;

	if (pid < 0)
		return pid;
	r = ptrace_seize(pid, options);
	if (r == 0)
		r = ptrace_interrupt(pid);
	if (r == 0)
		r = ptrace_catch(pid, 5 * USEC_PER_SEC, &stop);
	if (r == 0 && stop.kind != PTRACE_STOP_TRAP)
		r = -ECHILD;
	return r < 0 ? r : ask(pid);
}

static int ask_nothing(pid_t pid)
{
	return 1;
}

int probe_seccomp_suspend(void)
{
	int r = with_tracee(PTRACE_O_SUSPEND_SECCOMP, sleep_for_ever, ask_nothing);

	return r == -EINVAL ? 0 : r;
}

static int ask_rseq(pid_t pid)
{
	struct ptrace_rseq rseq;

	return ptrace_get_rseq(pid, &rseq);
}

/* Requests that a kernel does not know are EIO. */
static int answer_request(int r)
{
	return r == -EIO ? 0 : probe_answer(r);
}

int probe_get_rseq_conf(void)
{
	return answer_request(with_tracee(0, sleep_for_ever, ask_rseq));
}

static int ask_syscall(pid_t pid)
{
	struct ptrace_syscall_state state;

	return ptrace_get_syscall(pid, &state);
}

int probe_syscall_info(void)
{
	return answer_request(with_tracee(0, sleep_for_ever, ask_syscall));
}

static int ask_sud(pid_t pid)
{
	struct ptrace_sud sud;

	return ptrace_get_sud(pid, &sud);
}

int probe_syscall_dispatch(void)
{
	return answer_request(with_tracee(0, sleep_for_ever, ask_sud));
}

static int filter_and_sleep(void *arg)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { .len = ARRAY_SIZE(allow), .filter = allow };
	int r = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (r == 0)
		r = sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &program);
	return r < 0 ? r : sleep_for_ever(NULL);
}

static int ask_filter(pid_t pid)
{
	struct ptrace_stop stop;
	ssize_t n = -EINVAL;

	/* It may have been caught before it had the filter: a few more chances. */
	for (int i = 0; i < 100 && n == -EINVAL; i++) {
		n = ptrace_get_filter(pid, 0, NULL);
		if (n != -EINVAL)
			break;
		if (ptrace_cont(pid, 0) < 0)
			return -ECHILD;
		usec_sleep(1000);
		if (ptrace_interrupt(pid) < 0 || ptrace_catch(pid, USEC_PER_SEC, &stop) < 0)
			return -ECHILD;
		if (!ptrace_stop_is_alive(&stop))
			return 0; /* no filters at all */
	}
	return n < 0 ? (int)n : n == 1;
}

int probe_seccomp_filters(void)
{
	return answer_request(with_tracee(0, filter_and_sleep, ask_filter));
}

static __attribute__((noinline)) void step_on_me(void)
{
	__asm__ volatile("");
}

static int walk_for_ever(void *arg)
{
	for (;;) {
		step_on_me();
		(void)sched_yield(); /* cannot fail */
	}
	return 0;
}

/* Sets one execution breakpoint and waits for the child to run into it. */
static int ask_breakpoint(pid_t pid)
{
	const size_t dr0 = offsetof(struct user, u_debugreg[0]);
	const size_t dr7 = offsetof(struct user, u_debugreg[7]);
	struct ptrace_stop stop;
	siginfo_t info;
	long r = sys_ptrace(PTRACE_POKEUSER, pid, (void *)dr0, (void *)(uintptr_t)step_on_me);

	if (r == 0)
		r = sys_ptrace(PTRACE_POKEUSER, pid, (void *)dr7, (void *)1);
	if (r < 0)
		return r == -ENOSPC || r == -EIO ? 0 : probe_answer((int)r);
	r = ptrace_cont(pid, 0);
	if (r == 0)
		r = ptrace_wait(pid, USEC_PER_SEC, &stop);
	if (r == -ETIMEDOUT)
		return 0; /* some hypervisors take the registers and do nothing */
	if (r < 0)
		return (int)r;
	if (stop.kind != PTRACE_STOP_SIGNAL || stop.signal != SIGTRAP)
		return 0;
	r = ptrace_get_siginfo(pid, &info);
	return r < 0 ? (int)r : info.si_code == TRAP_HWBKPT;
}

int probe_breakpoints(void)
{
	return with_tracee(0, walk_for_ever, ask_breakpoint);
}
