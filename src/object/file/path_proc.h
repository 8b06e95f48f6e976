#pragma once
/*
 * Files of procfs that belong to a task: /proc/PID/...; of a live one they can be opened only when
 * it is there again, of a dead one only while somebody has its pid for a moment.
 */
#include "object/file/path_common.h"

/* The pid of a task's file in procfs, 0 when the name is not of that form. *ret_len is the length
 * of the name up to the end of the pid. */
pid_t proc_name_pid(const char *name, size_t *ret_len);

/* Restore: creates a task with that pid. 0 or -errno: -EEXIST when the pid is taken. Not reported.
 */
int proc_stand_in_new(pid_t pid, pid_t *ret_pid) nodiscard;
void proc_stand_in_end(pid_t pid);
