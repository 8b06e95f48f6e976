/* Threads and children. See task.h. */
#include "kernel/proc/task.h"

#include <stdio.h>

int proc_tasks_read(const struct proc_pid *task, struct proc_numbers *ret)
{
	return proc_numbers_read(task, "task", ret);
}

int proc_children_read(const struct proc_pid *task, pid_t tid, struct proc_text *text,
		       struct proc_numbers *ret)
{
	char name[48];
	int r;

	(void)snprintf(name, sizeof(name), "task/%d/children", tid); /* fits */
	r = proc_text_read(task, name, text);
	if (r < 0)
		return r;
	return proc_numbers_parse(text->at, text->n, ret);
}
