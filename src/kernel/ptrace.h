#pragma once
/*
 * ptrace(2) with PTRACE_SEIZE: stopping a thread, telling why it stopped, reading and changing it.
 *
 * Everything works on single threads (tids) and needs the calling thread to be their tracer, except
 * ptrace_seize(). -ESRCH means, here too, that the thread is gone, is not traced by us or is not
 * stopped.
 *
 * Note: never include <linux/ptrace.h> beside this; it and libc's header exclude each other.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "base/usec.h"

/* Why wait(2) came back. */
enum ptrace_stop_kind {
	PTRACE_STOP_EXITED, /* `code`: has been reaped by this wait */
	PTRACE_STOP_KILLED, /* by `signal`; reaped likewise */
	PTRACE_STOP_TRAP,   /* PTRACE_EVENT_STOP by us: INTERRUPT, or a seized clone's first stop */
	PTRACE_STOP_GROUP,  /* PTRACE_EVENT_STOP: the task is stopped by `signal` (SIGSTOP...) */
	PTRACE_STOP_SIGNAL, /* about to get `signal`; SIGTRAP of exec and breakpoints too */
	PTRACE_STOP_SYSCALL, /* entry or exit after ptrace_syscall(), with PTRACE_O_TRACESYSGOOD */
	PTRACE_STOP_EVENT,   /* `event` is PTRACE_EVENT_FORK, _CLONE, _EXEC, _EXIT, _SECCOMP... */
	PTRACE_STOP_CONTINUED, /* only where WCONTINUED was asked for */
};

struct ptrace_stop {
	enum ptrace_stop_kind kind;
	int signal;
	int event;
	int code;
	bool core_dumped; /* KILLED */
	int status;       /* as wait(2) gave it */
};

/* Classifies a status of wait(2); -EINVAL when it is none that a kernel makes. */
int ptrace_stop_classify(int status, struct ptrace_stop *ret) nodiscard;

/* Whether the thread is still there and in our hands. */
static inline bool ptrace_stop_is_alive(const struct ptrace_stop *s)
{
	return s->kind != PTRACE_STOP_EXITED && s->kind != PTRACE_STOP_KILLED;
}

/*
 * Attaches without stopping. options: PTRACE_O_*. -EPERM: a zombie, a kernel thread, already traced
 * by somebody (TracerPid tells), or no right; -ESRCH: gone.
 */
int ptrace_seize(pid_t tid, unsigned long options) nodiscard;
/* Asks a seized thread to stop; the stop is then waited for. */
int ptrace_interrupt(pid_t tid) nodiscard;

/*
 * Waits at most `timeout` for the next report of the thread (of the kernel's: nothing is filtered).
 * -ETIMEDOUT: still running (asleep in the kernel without listening, or a dead leader whose threads
 * live on); -ECHILD: neither child nor tracee.
 */
int ptrace_wait(pid_t tid, usec_t timeout, struct ptrace_stop *ret) nodiscard;

/*
 * After ptrace_interrupt(): waits until the thread is caught for good: TRAP, GROUP, EXITED or
 * KILLED. A signal that was being delivered just then is delivered first (its handler's frame is
 * set up, no instruction of it runs), so none is lost. Errors as above.
 */
int ptrace_catch(pid_t tid, usec_t timeout, struct ptrace_stop *ret) nodiscard;

/* Lets it run, delivering sig (0: none). */
int ptrace_cont(pid_t tid, int sig) nodiscard;
/* Lets it run to the next entry or exit of a system call. */
int ptrace_syscall(pid_t tid, int sig) nodiscard;
/* Executes one instruction. */
int ptrace_step(pid_t tid, int sig) nodiscard;
/* From a GROUP stop: leaves it stopped, but listening to SIGCONT. */
int ptrace_listen(pid_t tid) nodiscard;
/* Lets go: it runs on, delivering sig; a group-stopped task stays stopped. */
int ptrace_detach(pid_t tid, int sig) nodiscard;
int ptrace_set_options(pid_t tid, unsigned long options) nodiscard;
/* The number that belongs to an EVENT stop (the new pid, the exit status). */
int ptrace_event_message(pid_t tid, unsigned long *ret) nodiscard;

/* General registers. -ENOTSUP: a 32-bit task; read it with ptrace_get_regset(). */
int ptrace_get_regs(pid_t tid, struct user_regs_struct *ret) nodiscard;
int ptrace_set_regs(pid_t tid, const struct user_regs_struct *regs) nodiscard;
/*
 * A register set by its ELF note (NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE, NT_X86_SHSTK...). Gives
 * the bytes it has, at most room. -EINVAL or -ENODEV: this CPU or kernel has no such set.
 */
ssize_t ptrace_get_regset(pid_t tid, unsigned note, void *buf, size_t room) nodiscard;
int ptrace_set_regset(pid_t tid, unsigned note, const void *buf, size_t len) nodiscard;

/* The blocked signals of a thread; bit N-1 is signal N. */
int ptrace_get_sigmask(pid_t tid, uint64_t *ret) nodiscard;
int ptrace_set_sigmask(pid_t tid, uint64_t mask) nodiscard;

enum ptrace_queue { PTRACE_QUEUE_THREAD, PTRACE_QUEUE_SHARED };
/*
 * Copies pending signals from the given position on without taking them; gives how many, at most
 * n, 0 at the end of the queue.
 */
ssize_t ptrace_peek_signals(pid_t tid, enum ptrace_queue queue, uint64_t from, siginfo_t *buf,
			    size_t n) nodiscard;
/* What a SIGNAL stop is about to deliver. */
int ptrace_get_siginfo(pid_t tid, siginfo_t *ret) nodiscard;
int ptrace_set_siginfo(pid_t tid, const siginfo_t *info) nodiscard;

/* Restartable sequences of a thread (Linux 5.13); -EIO when the kernel cannot tell. */
struct ptrace_rseq {
	uint64_t pointer; /* 0: not registered */
	uint32_t size;
	uint32_t signature;
	uint32_t flags;
};
int ptrace_get_rseq(pid_t tid, struct ptrace_rseq *ret) nodiscard;

/* Where in a system call the thread is stopped (Linux 5.3). */
enum ptrace_syscall_op {
	PTRACE_SYSCALL_OP_NONE,
	PTRACE_SYSCALL_OP_ENTRY,
	PTRACE_SYSCALL_OP_EXIT,
	PTRACE_SYSCALL_OP_SECCOMP,
};
struct ptrace_syscall_state {
	enum ptrace_syscall_op op;
	uint32_t arch; /* AUDIT_ARCH_*: tells 32-bit tasks */
	uint64_t ip, sp;
	uint64_t nr, args[6]; /* ENTRY, SECCOMP */
	int64_t result;       /* EXIT */
	bool is_error;        /* EXIT */
};
int ptrace_get_syscall(pid_t tid, struct ptrace_syscall_state *ret) nodiscard;

/* System call user dispatch (Linux 6.4); -EIO when the kernel cannot tell. */
struct ptrace_sud {
	uint64_t mode; /* PR_SYS_DISPATCH_OFF or _ON */
	uint64_t selector;
	uint64_t offset, len;
};
int ptrace_get_sud(pid_t tid, struct ptrace_sud *ret) nodiscard;

struct sock_filter;
/*
 * Seccomp filter number `index`, 0 being the oldest, so in the order in which they must be
 * installed again. (The man page says the reverse.) Gives its length in instructions, and copies
 * them when filter is not NULL (room for all of them must be there: ask first). -ENOENT: there are
 * no more; -EINVAL: it has none; -EACCES: no right (needs CAP_SYS_ADMIN in the initial user
 * namespace, and no seccomp on ourselves).
 */
ssize_t ptrace_get_filter(pid_t tid, unsigned long index, struct sock_filter *filter) nodiscard;
/* SECCOMP_FILTER_FLAG_* of that filter (only _LOG is kept by the kernel). */
int ptrace_get_filter_flags(pid_t tid, unsigned long index, uint64_t *ret) nodiscard;

struct user_desc;
/* A slot of the 32-bit TLS table: 12, 13, 14 on x86-64. */
int ptrace_get_thread_area(pid_t tid, unsigned index, struct user_desc *ret) nodiscard;

/* A word of memory; writes through read-only mappings (copying the page). */
int ptrace_peek(pid_t tid, remote_t addr, uint64_t *ret) nodiscard;
int ptrace_poke(pid_t tid, remote_t addr, uint64_t value) nodiscard;
