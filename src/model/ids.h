#pragma once
/*
 * The eight namespaces and the kernel objects that tasks share. The order is the order of
 * `task_kobj_ids_entry`.
 */
#include <stdint.h>

enum ns_type {
	NS_PID,
	NS_NET,
	NS_IPC,
	NS_UTS,
	NS_MNT,
	NS_USER,
	NS_CGROUP,
	NS_TIME,
	NS_MAX,
};

/* The four objects told apart by kcmp for every task, and two more that kcmp can tell. */
enum kobj_type { KOBJ_VM, KOBJ_FS, KOBJ_FILES, KOBJ_SIGHAND, KOBJ_IO, KOBJ_SYSVSEM, KOBJ_MAX };
