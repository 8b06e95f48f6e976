#pragma once
/* Children of a test, in a known state, killed and reaped at the end of their scope. */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/scope.h"
#include "base/usec.h"
#include "kernel/proc/stat.h"
#include "kernel/proc/syscall.h"

static inline void child_end(pid_t pid)
{
	if (pid > 0) {
		(void)kill(pid, SIGKILL); /* maybe reaped already */
		(void)waitpid(pid, NULL, __WALL);
	}
}
SCOPED(pid_t, child_end);

/* Forks; the child runs body(arg), then sleeps for ever; it dies with us. */
static inline pid_t child_start(void (*body)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1); /* it was gone before we asked: nobody would end us */
		if (body)
			body(arg);
		for (;;)
			(void)pause();
	}
	return pid;
}

/* Waits up to 5 s until /proc shows the state; 'S' means asleep for ever, its body behind it. */
static inline bool child_reaches(pid_t pid, char state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_syscall sc;
	struct proc_stat st;

	if (proc_pid_open(pid, &p) < 0)
		return false;
	for (int i = 0; i < 5000; i++) {
		if (proc_stat_read(&p, &st) == 0 && st.state == state &&
		    (state != 'S' || (proc_syscall_read(&p, &sc) == 0 && sc.nr == SYS_pause)))
			return true;
		usec_sleep(1000);
	}
	return false;
}

static inline unused void child_spins(void *arg)
{
	for (;;)
		__asm__ volatile("" ::: "memory");
}

static inline unused void child_exits(void *arg)
{
	_exit(7);
}
