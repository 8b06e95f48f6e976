#pragma once
/*
 * The probes behind features.def: each gives 1 (has), 0 (has not) or -errno (cannot find out). Only
 * features.c calls them. What they have in common is here too: children to try things in.
 */
#include <sys/types.h>

#include "base/base.h"
#include "base/scope.h"

#define FEATURE(name, text, about, since) int probe_##name(void) nodiscard;
#include "kernel/features.def"
#undef FEATURE

/*
 * Runs fn(arg) in a child and gives its result (an int of any value), or the -errno that kept it
 * from running; -ETIMEDOUT after 5 s. The child leaves no trace: no SIGCHLD, nobody else's wait()
 * sees it. fn may use system calls and the stack only: another thread may hold libc's locks.
 */
int probe_in_child(int (*fn)(void *arg), void *arg) nodiscard;

/* Starts a child that runs fn(arg) and ends when fn returns or we do. Gives its pid. */
pid_t probe_child_start(int (*fn)(void *arg), void *arg) nodiscard;
/* Kills and reaps it. */
void probe_child_end(pid_t pid);
SCOPED(pid_t, probe_child_end);

/* 1 when `r` says yes (>= 0), 0 when it is one of the usual ways of an old kernel to say no
 * (ENOSYS, EINVAL, ENOTTY, EOPNOTSUPP, ENOPROTOOPT), else r. */
int probe_answer(int r) nodiscard;
/* 1 when the path is there, 0 when not, else -errno. */
int probe_path(const char *path) nodiscard;
