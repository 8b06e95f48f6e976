/*
 * syscall_dispatch: system call user dispatch (prctl(2) PR_SET_SYSCALL_USER_DISPATCH), by which a
 * thread catches its own system calls. The interpreter's would be caught as well: refused. Nothing
 * is written.
 */
#include <errno.h>

#include "kernel/ptrace.h"
#include "object/collect.h"

#define DISPATCH_OFF 0

struct dispatch {
	char nothing; /* a thread that uses it is not dumped */
};

static int syscall_dispatch_collect(struct collect *c, struct thread *th, void *part)
{
	struct ptrace_sud sud;
	int r = ptrace_get_sud(th->host_tid, &sud);

	(void)part;
	if (r == -EIO || r == -EINVAL) /* before Linux 6.4 nobody can tell */
		return 0;
	if (r < 0)
		return report_fail(c->report, r, "cannot read its system call dispatch");
	if (sud.mode == DISPATCH_OFF)
		return 0;
	return report_refuse(c->report, -ENOTSUP, CODE_SYSCALL_DISPATCH,
			     "it catches its own system calls");
}

const struct task_kind task_kind_syscall_dispatch = {
	.name = "syscall_dispatch",
	.about = "system call user dispatch",
	.owner = PART_THREAD,
	.size = sizeof(struct dispatch),
	.collect = syscall_dispatch_collect,
};
