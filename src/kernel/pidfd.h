#pragma once
/*
 * Descriptors of tasks: pidfd_open(2), pidfd_getfd(2), pidfd_send_signal(2). (Names of our own:
 * libc has functions called like the system calls.)
 */
#include <signal.h>
#include <sys/types.h>

#include "base/usec.h"

enum pidfd_of { PIDFD_OF_TASK, PIDFD_OF_THREAD };

/*
 * A close-on-exec descriptor of a task, or of one thread (Linux 6.9). -ESRCH: no such task;
 * -EINVAL: pid is no leader, or the kernel knows no threads here.
 */
int pidfd_new(pid_t pid, enum pidfd_of what) nodiscard;

/*
 * Fetches a copy of descriptor fd of the task (close-on-exec). Needs the right to ptrace it.
 * -EBADF: it has no such descriptor; -ESRCH: it has ended; -EPERM.
 */
int pidfd_fetch(int pidfd, int fd) nodiscard;

/* Sends a signal; info may be NULL. -ESRCH: ended and reaped. */
int pidfd_signal(int pidfd, int sig, const siginfo_t *info) nodiscard;

/* Waits until the task has ended (reaped or not). -ETIMEDOUT when it lives on. */
int pidfd_wait(int pidfd, usec_t timeout) nodiscard;
