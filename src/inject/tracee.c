/* See tracee.h. */
#include "inject/tracee.h"

#include <signal.h>
#include <sys/syscall.h>

int tracee_resume(pid_t tid, enum tracee_run how, int sig)
{
	return how == TRACEE_TO_SYSCALL ? ptrace_syscall(tid, sig) : ptrace_cont(tid, sig);
}

int tracee_wait(pid_t tid, enum tracee_run how, usec_t timeout, struct ptrace_stop *ret)
{
	usec_t deadline = usec_now() + timeout;

	for (;;) {
		usec_t now = usec_now();
		struct ptrace_stop s;
		int r = ptrace_wait(tid, now < deadline ? deadline - now : 0, &s);

		if (r < 0)
			return r == -ECHILD ? -ESRCH : r;
		if (!ptrace_stop_is_alive(&s))
			return -ESRCH;
		if (s.kind == PTRACE_STOP_SYSCALL ||
		    (s.kind == PTRACE_STOP_SIGNAL && s.signal != SIGSTOP)) {
			*ret = s;
			return 0;
		}
		r = tracee_resume(tid, how, s.kind == PTRACE_STOP_SIGNAL ? s.signal : 0);
		if (r < 0 && r != -ESRCH) /* ESRCH: killed meanwhile, the next wait tells */
			return r;
	}
}

static int catch (pid_t tid, usec_t timeout)
{
	struct ptrace_stop s;
	int r = ptrace_catch(tid, timeout, &s);

	if (r < 0)
		return r == -ECHILD ? -ESRCH : r;
	return ptrace_stop_is_alive(&s) ? 0 : -ESRCH;
}

int tracee_park(pid_t tid, usec_t timeout)
{
	int r = ptrace_interrupt(tid);

	if (r == 0)
		r = ptrace_cont(tid, 0);
	if (r < 0 && r != -ESRCH) /* ESRCH: killed, which the wait takes note of */
		return r;
	return catch (tid, timeout);
}

int tracee_halt(pid_t tid, usec_t timeout)
{
	int r = ptrace_interrupt(tid);

	if (r < 0 && r != -ESRCH)
		return r;
	return catch (tid, timeout);
}

int tracee_park_at_return(pid_t tid, usec_t timeout)
{
	bool returning = false;
	int sig = 0;

	for (;;) {
		struct ptrace_syscall_state sc;
		struct ptrace_stop s;
		int r = tracee_resume(tid, TRACEE_TO_SYSCALL, sig);

		if (r == 0)
			r = tracee_wait(tid, TRACEE_TO_SYSCALL, timeout, &s);
		if (r < 0)
			return r;
		/* Signals are blocked until it has returned: this one cannot be blocked. */
		sig = s.kind == PTRACE_STOP_SIGNAL ? s.signal : 0;
		if (s.kind != PTRACE_STOP_SYSCALL)
			continue;
		r = ptrace_get_syscall(tid, &sc);
		if (r < 0)
			return r;
		if (returning && sc.op == PTRACE_SYSCALL_OP_EXIT)
			return tracee_park(tid, timeout);
		returning = sc.op == PTRACE_SYSCALL_OP_ENTRY && sc.nr == SYS_rt_sigreturn;
	}
}
