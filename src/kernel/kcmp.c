/* kcmp(2). See kcmp.h. */
#include "kernel/kcmp.h"

#include "kernel/sys.h"

/* What the system call answers. */
enum { ANSWER_EQUAL, ANSWER_LESS, ANSWER_GREATER, ANSWER_UNORDERED };

static int answer_to_order(int answer, int *ret_order)
{
	switch (answer) {
	case ANSWER_EQUAL:
		*ret_order = 0;
		return 0;
	case ANSWER_LESS:
		*ret_order = -1;
		return 0;
	case ANSWER_GREATER:
		*ret_order = 1;
		return 0;
	default:
		return answer < 0 ? answer : -ENOTSUP;
	}
}

int kcmp_order(enum kcmp_type type, struct kcmp_ref a, struct kcmp_ref b, int *ret_order)
{
	return answer_to_order(sys_kcmp(a.pid, b.pid, (int)type, a.index, b.index), ret_order);
}

int kcmp_same(enum kcmp_type type, struct kcmp_ref a, struct kcmp_ref b, bool *ret_same)
{
	int answer = sys_kcmp(a.pid, b.pid, (int)type, a.index, b.index);

	if (answer < 0)
		return answer;
	*ret_same = answer == ANSWER_EQUAL;
	return 0;
}

int kcmp_epoll_order(struct kcmp_ref a, pid_t pid, struct kcmp_epoll_slot slot, int *ret_order)
{
	return answer_to_order(sys_kcmp(a.pid, pid, KCMP_EPOLL_TFD, a.index, (uintptr_t)&slot),
			       ret_order);
}
