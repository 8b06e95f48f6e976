/* ptrace(2). See ptrace.h. */
#include "kernel/ptrace.h"

#include <elf.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "kernel/sys.h"

/* Linux 6.4; not in older headers. */
enum { REQUEST_GET_SUD_CONFIG = 0x4211 }; /* 0x4210 sets it */

static void *ptr(uintptr_t number)
{
	return (void *)number;
}

/* Requests whose result is a number that matters are called directly; these give 0. */
static int request(long what, pid_t tid, uintptr_t addr, const void *data)
{
	long r = sys_ptrace(what, tid, ptr(addr), (void *)(uintptr_t)data);

	return r < 0 ? (int)r : 0;
}

static int classify_stopped(int status, struct ptrace_stop *s)
{
	int event = status >> 16;

	s->signal = WSTOPSIG(status);
	if (event == PTRACE_EVENT_STOP) {
		switch (s->signal) {
		case SIGTRAP:
			s->kind = PTRACE_STOP_TRAP;
			return 0;
		case SIGSTOP:
		case SIGTSTP:
		case SIGTTIN:
		case SIGTTOU:
			s->kind = PTRACE_STOP_GROUP;
			return 0;
		default:
			return -EINVAL;
		}
	}
	if (event) {
		s->kind = PTRACE_STOP_EVENT;
		s->event = event;
	} else if (s->signal == (SIGTRAP | 0x80)) {
		s->kind = PTRACE_STOP_SYSCALL;
		s->signal = SIGTRAP;
	} else {
		s->kind = PTRACE_STOP_SIGNAL;
	}
	return 0;
}

int ptrace_stop_classify(int status, struct ptrace_stop *ret)
{
	struct ptrace_stop s = { .status = status };
	int r = 0;

	if (WIFEXITED(status)) {
		s.kind = PTRACE_STOP_EXITED;
		s.code = WEXITSTATUS(status);
	} else if (WIFCONTINUED(status)) {
		s.kind = PTRACE_STOP_CONTINUED;
	} else if (WIFSTOPPED(status)) {
		r = classify_stopped(status, &s);
	} else if (WIFSIGNALED(status)) {
		s.kind = PTRACE_STOP_KILLED;
		s.signal = WTERMSIG(status);
		s.core_dumped = WCOREDUMP(status);
	} else {
		r = -EINVAL;
	}
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

int ptrace_seize(pid_t tid, unsigned long options)
{
	return request(PTRACE_SEIZE, tid, 0, ptr(options));
}

int ptrace_interrupt(pid_t tid)
{
	return request(PTRACE_INTERRUPT, tid, 0, NULL);
}

/*
 * wait(2) has no time limit, and its other bounds (a timer's signal) belong to the whole process.
 * So we ask, and give way for longer and longer. Stops come within microseconds unless the thread
 * sleeps uninterruptibly, while the shortest sleep costs a timer's slack of 50: at first we only
 * let others have the CPU.
 */
static void give_way(usec_t waited)
{
	if (waited < 200)
		(void)sched_yield(); /* cannot fail */
	else
		usec_sleep(waited < 2000 ? 20 : waited < 20000 ? 200 : 1000);
}

int ptrace_wait(pid_t tid, usec_t timeout, struct ptrace_stop *ret)
{
	usec_t begin = 0, now;

	for (;;) {
		int status;
		pid_t r = sys_wait4(tid, &status, __WALL | WNOHANG, NULL);

		if (r > 0)
			return ptrace_stop_classify(status, ret);
		if (r < 0 && r != -EINTR)
			return r;
		now = usec_now();
		if (!begin)
			begin = now;
		else if (now - begin >= timeout)
			return -ETIMEDOUT;
		give_way(now - begin);
	}
}

int ptrace_catch(pid_t tid, usec_t timeout, struct ptrace_stop *ret)
{
	usec_t deadline = usec_now() + timeout;

	for (;;) {
		usec_t now = usec_now();
		struct ptrace_stop s;
		int r = ptrace_wait(tid, now < deadline ? deadline - now : 0, &s);

		if (r < 0)
			return r;
		switch (s.kind) {
		case PTRACE_STOP_TRAP:
		case PTRACE_STOP_GROUP:
		case PTRACE_STOP_EXITED:
		case PTRACE_STOP_KILLED:
			*ret = s;
			return 0;
		case PTRACE_STOP_SIGNAL:
		case PTRACE_STOP_SYSCALL:
		case PTRACE_STOP_EVENT:
		case PTRACE_STOP_CONTINUED:
			break;
		}
		/* The request to stop is still pending: it will be met before user code. */
		r = ptrace_cont(tid, s.kind == PTRACE_STOP_SIGNAL ? s.signal : 0);
		if (r < 0 && r != -ESRCH) /* ESRCH: killed meanwhile, the next wait tells */
			return r;
	}
}

int ptrace_cont(pid_t tid, int sig)
{
	return request(PTRACE_CONT, tid, 0, ptr((uintptr_t)sig));
}

int ptrace_syscall(pid_t tid, int sig)
{
	return request(PTRACE_SYSCALL, tid, 0, ptr((uintptr_t)sig));
}

int ptrace_step(pid_t tid, int sig)
{
	return request(PTRACE_SINGLESTEP, tid, 0, ptr((uintptr_t)sig));
}

int ptrace_listen(pid_t tid)
{
	return request(PTRACE_LISTEN, tid, 0, NULL);
}

int ptrace_detach(pid_t tid, int sig)
{
	return request(PTRACE_DETACH, tid, 0, ptr((uintptr_t)sig));
}

int ptrace_set_options(pid_t tid, unsigned long options)
{
	return request(PTRACE_SETOPTIONS, tid, 0, ptr(options));
}

int ptrace_event_message(pid_t tid, unsigned long *ret)
{
	return request(PTRACE_GETEVENTMSG, tid, 0, ret);
}

int ptrace_get_regs(pid_t tid, struct user_regs_struct *ret)
{
	struct user_regs_struct regs;
	ssize_t n = ptrace_get_regset(tid, NT_PRSTATUS, &regs, sizeof(regs));

	if (n < 0)
		return (int)n;
	if (n != sizeof(regs))
		return -ENOTSUP;
	*ret = regs;
	return 0;
}

int ptrace_set_regs(pid_t tid, const struct user_regs_struct *regs)
{
	return ptrace_set_regset(tid, NT_PRSTATUS, regs, sizeof(*regs));
}

ssize_t ptrace_get_regset(pid_t tid, unsigned note, void *buf, size_t room)
{
	struct iovec v = { .iov_base = buf, .iov_len = room };
	int r = request(PTRACE_GETREGSET, tid, note, &v);

	return r < 0 ? r : (ssize_t)v.iov_len;
}

int ptrace_set_regset(pid_t tid, unsigned note, const void *buf, size_t len)
{
	struct iovec v = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };

	return request(PTRACE_SETREGSET, tid, note, &v);
}

int ptrace_get_sigmask(pid_t tid, uint64_t *ret)
{
	return request(PTRACE_GETSIGMASK, tid, sizeof(*ret), ret);
}

int ptrace_set_sigmask(pid_t tid, uint64_t mask)
{
	return request(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask);
}

ssize_t ptrace_peek_signals(pid_t tid, enum ptrace_queue queue, uint64_t from, siginfo_t *buf,
			    size_t n)
{
	struct __ptrace_peeksiginfo_args args = {
		.off = from,
		.flags = queue == PTRACE_QUEUE_SHARED ? PTRACE_PEEKSIGINFO_SHARED : 0,
		.nr = (int)MIN(n, (size_t)INT32_MAX),
	};

	static_assert(sizeof(siginfo_t) == 128, "the kernel copies whole siginfo_t");
	return sys_ptrace(PTRACE_PEEKSIGINFO, tid, &args, buf);
}

int ptrace_get_siginfo(pid_t tid, siginfo_t *ret)
{
	return request(PTRACE_GETSIGINFO, tid, 0, ret);
}

int ptrace_set_siginfo(pid_t tid, const siginfo_t *info)
{
	return request(PTRACE_SETSIGINFO, tid, 0, info);
}

int ptrace_get_rseq(pid_t tid, struct ptrace_rseq *ret)
{
	struct __ptrace_rseq_configuration c = { 0 };
	long n = sys_ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, ptr(sizeof(c)), &c);

	if (n < 0)
		return (int)n;
	*ret = (struct ptrace_rseq){
		.pointer = c.rseq_abi_pointer,
		.size = c.rseq_abi_size,
		.signature = c.signature,
		.flags = c.flags,
	};
	return 0;
}

int ptrace_get_syscall(pid_t tid, struct ptrace_syscall_state *ret)
{
	struct __ptrace_syscall_info info = { 0 };
	long n = sys_ptrace(PTRACE_GET_SYSCALL_INFO, tid, ptr(sizeof(info)), &info);
	struct ptrace_syscall_state s = { .op = PTRACE_SYSCALL_OP_NONE };

	if (n < 0)
		return (int)n;
	s.arch = info.arch;
	s.ip = info.instruction_pointer;
	s.sp = info.stack_pointer;
	switch (info.op) {
	case PTRACE_SYSCALL_INFO_ENTRY:
		s.op = PTRACE_SYSCALL_OP_ENTRY;
		s.nr = info.entry.nr;
		memcpy(s.args, info.entry.args, sizeof(s.args));
		break;
	case PTRACE_SYSCALL_INFO_SECCOMP:
		s.op = PTRACE_SYSCALL_OP_SECCOMP;
		s.nr = info.seccomp.nr;
		memcpy(s.args, info.seccomp.args, sizeof(s.args));
		break;
	case PTRACE_SYSCALL_INFO_EXIT:
		s.op = PTRACE_SYSCALL_OP_EXIT;
		s.result = info.exit.rval;
		s.is_error = info.exit.is_error;
		break;
	default:
		break;
	}
	*ret = s;
	return 0;
}

int ptrace_get_sud(pid_t tid, struct ptrace_sud *ret)
{
	/* The kernel's struct has the same four words in the same order. */
	static_assert(sizeof(struct ptrace_sud) == 32, "retyped; not in older headers");
	struct ptrace_sud sud = { 0 };
	int r = request(REQUEST_GET_SUD_CONFIG, tid, sizeof(sud), &sud);

	if (r < 0)
		return r;
	*ret = sud;
	return 0;
}

ssize_t ptrace_get_filter(pid_t tid, unsigned long index, struct sock_filter *filter)
{
	return sys_ptrace(PTRACE_SECCOMP_GET_FILTER, tid, ptr(index), filter);
}

int ptrace_get_filter_flags(pid_t tid, unsigned long index, uint64_t *ret)
{
	struct __ptrace_seccomp_metadata m = { .filter_off = index };
	long n = sys_ptrace(PTRACE_SECCOMP_GET_METADATA, tid, ptr(sizeof(m)), &m);

	if (n < 0)
		return (int)n;
	*ret = m.flags;
	return 0;
}

int ptrace_get_thread_area(pid_t tid, unsigned index, struct user_desc *ret)
{
	return request(PTRACE_GET_THREAD_AREA, tid, index, ret);
}

int ptrace_peek(pid_t tid, remote_t addr, uint64_t *ret)
{
	return request(PTRACE_PEEKDATA, tid, addr.va, ret);
}

int ptrace_poke(pid_t tid, remote_t addr, uint64_t value)
{
	return request(PTRACE_POKEDATA, tid, addr.va, ptr(value));
}
