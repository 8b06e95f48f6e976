/* Files of procfs that belong to a task. See path_proc.h. */
#include "object/file/path_proc.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/undo.h"
#include "kernel/sys.h"
#include "object/file/remap.h"

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

/* It holds nothing of ours, and does nothing. */
static _Noreturn void stand_in_live(void)
{
	if (sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || sys_close_range(0, ~0U, 0) < 0)
		_exit(1);
	for (;;)
		(void)pause(); /* comes back when a signal is handled: there is none */
}

static void stand_ins_undo(void *arg)
{
	proc_stand_ins_end(arg);
}

int proc_stand_in(struct env *env, pid_t pid)
{
	/* No exit signal: nobody else shall notice it. */
	struct clone_args args = { .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1 };
	struct remaps *rs = remaps_of(env->model);
	pid_t child;
	int r;

	assert(rs); /* it was there when the file was decoded */
	vec_for_each(s, &rs->stand_ins)
		if (*s == pid)
			return 0;
	r = vec_reserve(&rs->stand_ins, 1);
	if (r == 0 && rs->stand_ins.n == 0)
		r = undo_push(env->undo, "stand-ins for dead tasks", stand_ins_undo, rs);
	if (r < 0)
		return report_fail(env->report, r, "cannot note a stand-in for task %d", pid);
	child = (pid_t)sys_clone3(&args, sizeof(args));
	if (child == 0)
		stand_in_live();
	if (child == -EEXIST)
		return report_refuse(env->report, child, CODE_PID_TAKEN,
				     "pid %d of a task that ended is in use by another process",
				     pid);
	if (child < 0)
		return report_fail(env->report, child, "cannot create a task with pid %d", pid);
	rs->stand_ins.at[rs->stand_ins.n++] = child;
	return 0;
}

void proc_stand_ins_end(struct remaps *rs)
{
	vec_for_each(s, &rs->stand_ins) {
		siginfo_t info;
		int r;

		(void)kill(*s, SIGKILL); /* it is our child: it can be */
		do {
			r = sys_waitid(P_PID, (id_t)*s, &info, WEXITED | __WALL);
		} while (r == -EINTR);
	}
	rs->stand_ins.n = 0;
}
