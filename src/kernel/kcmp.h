#pragma once
/*
 * kcmp(2): whether two tasks share a kernel object, and an order of objects that lasts as long as
 * the system runs, so that they can be kept in trees. Needs the right to ptrace both tasks.
 *
 * The types are those of <linux/kcmp.h>: KCMP_FILE (indexes are descriptors), KCMP_VM, KCMP_FILES,
 * KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM.
 */
#include <linux/kcmp.h>
#include <sys/types.h>

#include "base/base.h"

/* One side of a comparison. */
struct kcmp_ref {
	pid_t pid;
	unsigned long index; /* a descriptor for KCMP_FILE, else 0 */
};

/*
 * Compares: *ret_order is 0 when both are the same object, else <0 or >0. -ENOTSUP when the kernel
 * answers "different" without an order; -ESRCH, -EPERM, -EBADF (no such descriptor), -ENOSYS.
 */
int kcmp_order(enum kcmp_type type, struct kcmp_ref a, struct kcmp_ref b, int *ret_order) nodiscard;

/* The same where only "same or not" matters. */
int kcmp_same(enum kcmp_type type, struct kcmp_ref a, struct kcmp_ref b, bool *ret_same) nodiscard;

/*
 * Compares descriptor a with the file that slot (target number, index among equal numbers) of epoll
 * descriptor epfd of task pid watches. -ENOENT when there is no such slot.
 */
int kcmp_epoll_order(struct kcmp_ref a, pid_t pid, struct kcmp_epoll_slot slot,
		     int *ret_order) nodiscard;
