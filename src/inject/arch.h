#pragma once
/*
 * What a CPU must supply to be injected into; a missing function is a link error. Implementations
 * are in arch/<cpu>/; the host and its targets are of one CPU. Registers are the kernel's
 * NT_PRSTATUS set, extended state is NT_X86_XSTATE or what the CPU has in its place.
 */
#include <sys/types.h>
#include <sys/user.h>

#include "base/base.h"

struct context;

/* Bytes below the stack pointer that belong to the running code. */
extern const uint64_t arch_red_zone;
/* The ELF note of the extended register set, and the most that we accept of it. */
extern const unsigned arch_xstate_note;
extern const size_t arch_xstate_max;

/* Jumps to `to` with two arguments in registers, for good. */
_Noreturn void arch_jump(uint64_t to, uint64_t arg0, uint64_t arg1);

/* -ENOTSUP: the thread runs in a mode that we cannot save and build (32-bit). */
int arch_regs_check(const struct user_regs_struct *regs) nodiscard;
/* -ENOTSUP: the thread has state that neither frames nor the blob can keep (shadow stacks). */
int arch_thread_check(pid_t tid) nodiscard;

uint64_t arch_ip(const struct user_regs_struct *regs);
uint64_t arch_sp(const struct user_regs_struct *regs);
void arch_set_ip(struct user_regs_struct *regs, uint64_t ip);

/*
 * Turns registers into those with which execution begins at ip with a stack and two arguments. The
 * kernel will not take it for an interrupted system call.
 */
void arch_set_entry(struct user_regs_struct *regs, uint64_t ip, uint64_t sp, uint64_t arg0,
		    uint64_t arg1);
/* The same for a system call instruction at ip. */
void arch_set_syscall(struct user_regs_struct *regs, uint64_t ip, uint64_t sp, long nr,
		      const uint64_t args[6]);
/* The result of a system call in registers at its exit. */
int64_t arch_syscall_result(const struct user_regs_struct *regs);
/* At a system call's entry: makes the kernel skip it. */
void arch_skip_syscall(struct user_regs_struct *regs);

/*
 * Registers of a thread that was stopped inside a system call hold the kernel's private wish to
 * restart it, which only the kernel's own way back to user mode understands. Rewrites them as they
 * have to be for entering user mode in any other way, where `wakeup` comes first. No change outside
 * a call.
 */
enum context_wakeup {
	WAKEUP_NONE,    /* nothing: made again, but EINTR where a time-out would begin anew */
	WAKEUP_HANDLER, /* the handler of a signal: EINTR */
	WAKEUP_HANDLER_RESTART, /* one with SA_RESTART: made again where that applies */
};
void arch_settle_restart(struct user_regs_struct *regs, enum context_wakeup wakeup);

/* ---- rt_sigframe ---- */

/* A frame is one block, at a multiple of arch_frame_align. */
extern const size_t arch_frame_align;
size_t arch_frame_size(const struct context *ctx);
/* For a builder that does not know the frame's place yet: the u64 at *ret_from must become the
 * address of the frame's byte *ret_to. False: there is nothing to link. */
bool arch_frame_link(const struct context *ctx, size_t *ret_from, size_t *ret_to);
/*
 * Writes the frame that brings ctx back, as it has to lie at `va`; its return address is
 * `restorer`, 0 when no code returns into it. The alternate signal stack is left as it is.
 */
void arch_frame_write(const struct context *ctx, uint64_t va, uint64_t restorer, void *frame);
/* The stack pointer with which a return instruction goes to the frame's restorer, and with which
 * the rt_sigreturn there finds the frame. */
uint64_t arch_frame_sp(uint64_t va);

/* ---- code found in targets ---- */

enum arch_gadget {
	ARCH_GADGET_SYSCALL,        /* a system call */
	ARCH_GADGET_SYSCALL_RETURN, /* a system call, then a return to the top of the stack */
	ARCH_GADGET_SIGRETURN,      /* rt_sigreturn of the frame that the stack pointer names */
	ARCH_GADGET_MAX,
};
/* Offset of the first such code in `code`, else -ENOENT. */
ssize_t arch_find_gadget(enum arch_gadget gadget, const void *code, size_t len) nodiscard;
/* Bytes a gadget has at most. */
#define ARCH_GADGET_LEN 9

/* ---- code written ---- */

/* The e_machine of ELF files. */
extern const unsigned arch_elf_machine;
/* Writes code that jumps to an absolute address / that makes a system call with the arguments of a
 * function and returns its result. Touches no register that a function must keep, nor its
 * arguments. Gives the length, at most 16. */
size_t arch_write_jump(uint64_t to, unsigned char *code);
size_t arch_write_call(long nr, unsigned char *code);
