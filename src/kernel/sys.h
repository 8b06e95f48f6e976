#pragma once
/*
 * System calls, one thin wrapper each: sys_xxx() makes the bare call and gives its result, else
 * -errno. Nothing is retried (EINTR comes out), nothing is translated, errno is not meaningful
 * afterwards. The table sys.def has a row per call; arguments are those of the man page, with
 * output pointers named ret_ where the page has none.
 *
 * Structs are the kernel's, not libc's, where the two differ: signal sets are one uint64_t.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include "base/base.h"

struct clone_args;
struct epoll_event;
struct file_handle;
struct iocb;
struct iovec;
struct itimerval;
struct mount_attr;
struct open_how;
struct pollfd;
struct rlimit;
struct rusage;
struct sched_attr;
struct sched_param;
struct stat;
struct statfs;
struct statx;
struct utsname;
struct __user_cap_header_struct;
struct __user_cap_data_struct;
union bpf_attr;

/* One value per row, for fault injection and messages. */
enum sys_call {
#define SYS(type, name, nr, params, args) SYS_CALL_##name,
#define SYS_BY_HAND(name)                 SYS_CALL_##name,
#include "kernel/sys.def"
#undef SYS
#undef SYS_BY_HAND
	SYS_CALL_MAX,
};

#define SYS(type, name, nr, params, args) type sys_##name params nodiscard;
#define SYS_BY_HAND(name)
#include "kernel/sys.def"
#undef SYS
#undef SYS_BY_HAND

/* mmap(2). *ret_addr is written only on success. */
int sys_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t offset,
	     void **ret_addr) nodiscard;
/* mremap(2); new_addr counts only with MREMAP_FIXED. */
int sys_mremap(void *old, size_t old_len, size_t new_len, int flags, void *new_addr,
	       void **ret_addr) nodiscard;

/* The row's name ("pidfd_open"); "?" outside the table. */
const char *sys_name(enum sys_call call);

/*
 * The hook of the fault tests: asked before each call while it is set; 0 lets the call pass, a
 * -errno becomes its result without the call being made. It may also not come back (our death).
 * One per process, never set outside tests. Calls made by libc (malloc, base/fd.c) do not pass
 * here.
 */
typedef int (*sys_fault_fn)(enum sys_call call);
extern sys_fault_fn sys_fault;
