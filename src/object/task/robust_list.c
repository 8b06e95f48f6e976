/*
 * robust_list: the list of robust futexes that the kernel goes through when a thread ends
 * (get_robust_list(2), set_robust_list(2)). The list itself is memory.
 */
#include <linux/futex.h>
#include <sys/syscall.h>

#include "inject/batch.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "schema/core.pb-c.h"

#define HEAD_LEN sizeof(struct robust_list_head)

struct robust {
	uint64_t head; /* 0: none */
};

static int robust_list_collect(struct collect *c, struct thread *th, void *part)
{
	struct robust *l = part;
	size_t len;
	int r = sys_get_robust_list(th->host_tid, &l->head, &len);

	if (r < 0)
		return report_fail(c->report, r, "cannot read its list of robust futexes");
	return 0;
}

static int robust_list_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct robust *l = part;

	(void)th;
	out->core->thread_core->futex_rla = l->head;
	out->core->thread_core->futex_rla_len = HEAD_LEN;
	return 0;
}

static int robust_list_decode(struct model *m, struct thread *th, void *part,
			      const struct core_record *in)
{
	const ThreadCoreEntry *e = in->core->thread_core;
	struct robust *l = part;

	(void)m;
	(void)th;
	if (e->futex_rla_len != HEAD_LEN && e->futex_rla_len != 0)
		return -EUCLEAN;
	l->head = e->futex_rla_len ? e->futex_rla : 0;
	return 0;
}

static int robust_list_late(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct robust *l = part;

	(void)env;
	(void)th;
	/* Also when there is none: our own libc had one. */
	program_must(p, SYS_set_robust_list, ARGS(l->head, HEAD_LEN));
	program_note(p, "setting the list of robust futexes");
	return 0;
}

const struct task_kind task_kind_robust_list = {
	.name = "robust_list",
	.about = "list of robust futexes of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct robust),
	.collect = robust_list_collect,
	.encode = robust_list_encode,
	.decode = robust_list_decode,
	.late = robust_list_late,
};
