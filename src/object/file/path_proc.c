/* Files of procfs that belong to a task. See path_proc.h. */
#include "object/file/path_proc.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/sys.h"

pid_t proc_name_pid(const char *name, size_t *ret_len)
{
	const char *rest;
	char number[16];
	size_t digits;
	int pid;

	if (!str_has_prefix(name, "/proc/", &rest))
		return 0;
	digits = strspn(rest, "0123456789");
	if (digits == 0 || digits >= sizeof(number) || (rest[digits] && rest[digits] != '/'))
		return 0;
	memcpy(number, rest, digits);
	number[digits] = '\0';
	if (str_to_int(number, 10, &pid) < 0)
		return 0;
	*ret_len = (size_t)(rest + digits - name);
	return pid;
}

int proc_stand_in_new(pid_t pid, pid_t *ret_pid)
{
	/* No exit signal: nobody else shall notice it. */
	struct clone_args args = { .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1 };
	pid_t child = (pid_t)sys_clone3(&args, sizeof(args));

	if (child == 0) {
		if (sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
			_exit(1);
		for (;;)
			(void)pause(); /* comes back when a signal is handled: there is none */
	}
	if (child < 0)
		return child;
	*ret_pid = child;
	return 0;
}

void proc_stand_in_end(pid_t pid)
{
	siginfo_t info;
	int r;

	(void)kill(pid, SIGKILL); /* it is our child: it can be */
	do {
		r = sys_waitid(P_PID, (id_t)pid, &info, WEXITED | __WALL);
	} while (r == -EINTR);
}
