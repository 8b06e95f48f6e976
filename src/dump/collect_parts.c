/* The parts of tasks that can be read from outside: loops over the rows of the family `task`. */
#include "dump/dump_int.h"

static int thread_collect_parts(struct dump *d, struct thread *th)
{
	int trouble = 0;

	for (unsigned i = 0; i < TASK_KIND_MAX; i++) {
		const struct task_kind *k = task_kinds[i];
		int r;

		if (!k->collect || !part_is_visited_by(k, th))
			continue;
		REPORT_FRAME(d->report, "%s", k->name);
		r = k->collect(&d->collect, th, part_of(th, (enum task_kind_index)i));
		trouble = r < 0 ? r : trouble;
	}
	return trouble;
}

int dump_collect_parts(struct dump *d)
{
	int trouble = 0;
	struct task *t;

	task_for_each(t, &d->model) {
		struct thread *th;

		thread_for_each(th, t) {
			int r = parts_new(th);

			if (r < 0)
				return report_fail(d->report, r, "cannot note the parts of task %d",
						   t->pid);
			if (t->state == TASK_DEAD)
				continue;
			REPORT_FRAME(d->report, "task %d: thread %d", t->host_pid, th->host_tid);
			r = thread_collect_parts(d, th);
			trouble = r < 0 ? r : trouble;
		}
	}
	return trouble;
}
