#pragma once
/*
 * Where entry.S finds things in the wire structs, and the system call numbers the interpreter uses
 * on its own account. Read by assembler and C; interp.c asserts the offsets.
 */
#define OFFSET_AREA_THREADS   32
#define OFFSET_THREAD_STACK   32
#define OFFSET_THREAD_SIGMASK 40
#define SIZE_THREAD           48
#define SIZE_CODE             4096
#define SIZE_STACK            8192

#define NR_rt_sigprocmask 14
#define NR_rt_sigreturn   15
#define NR_exit           60
#define NR_futex          202
#define NR_clone3         435
