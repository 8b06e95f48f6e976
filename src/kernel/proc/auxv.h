#pragma once
/* /proc/PID/auxv: the auxiliary vector that the kernel gave the program at exec. */
#include "kernel/proc/dir.h"

#define PROC_AUXV_MAX 128 /* words; the kernel's own limit is 2 * 28 here */

struct proc_auxv {
	size_t n;                     /* words, the closing AT_NULL pair included */
	uint64_t word[PROC_AUXV_MAX]; /* type, value, type, value... */
};

/* -EINVAL when it is not pairs of words, has no end or is too long. Words behind AT_NULL are cut.
 */
int proc_auxv_parse(const void *bytes, size_t len, struct proc_auxv *ret) nodiscard;
/* The task's, as 64-bit words also for 32-bit tasks. -ENODATA: it has no mm. */
int proc_auxv_read(const struct proc_pid *p, struct proc_auxv *ret) nodiscard;
/* The value of a type (AT_*), or false. */
bool proc_auxv_find(const struct proc_auxv *a, uint64_t type, uint64_t *ret);
