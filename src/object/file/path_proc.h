#pragma once
/*
 * Files of procfs that belong to a task: /proc/PID/...; of a live one they can be opened only when
 * it is there again, of a dead one only while somebody has its pid.
 */
#include "object/file/path_common.h"

struct remaps;

/* The pid of a task's file in procfs, 0 when the name is not of that form. *ret_len is the length
 * of the name up to the end of the pid. */
pid_t proc_name_pid(const char *name, size_t *ret_len);

/*
 * Restore, in the broker: sees to it that somebody has the pid until proc_stand_ins_end(), so that
 * its directory can be opened and entered. Reported: E-PID-TAKEN.
 */
int proc_stand_in(struct env *env, pid_t pid) nodiscard;
void proc_stand_ins_end(struct remaps *rs);
