/*
 * The ways into and out of the interpreter on x86-64. Nothing here touches the FPU, and the stack
 * that a thread comes in with is not written to.
 */
#include "arch/x86_64/offsets.h"

	.section .text.entry, "ax", @progbits

/*
 * pie_entry: rdi = base of the area, rsi = index of the pie_thread, rsp = anything; does not come
 * back. Signals are blocked while rsp is still the one of the task, so that a handler that runs
 * before that finds the stack it would always find.
 */
	.globl pie_entry
	.type pie_entry, @function
pie_entry:
	cld
	mov	%rdi, %rbx
	mov	%rsi, %rbp
	imul	$SIZE_THREAD, %rsi, %r12
	add	%rdi, %r12
	add	(SIZE_CODE + OFFSET_AREA_THREADS)(%rdi), %r12
	mov	$2, %edi			/* SIG_SETMASK */
	lea	OFFSET_THREAD_SIGMASK(%r12), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	mov	$NR_rt_sigprocmask, %eax
	syscall
	mov	OFFSET_THREAD_STACK(%r12), %rsp
	lea	SIZE_STACK(%rsp, %rbx), %rsp
	mov	%rbx, %rdi
	mov	%rbp, %rsi
	xor	%ebp, %ebp
	call	pie_main
	ud2
	.size pie_entry, . - pie_entry

/*
 * pie_return: rdi = address of a frame; rt_sigreturn into it, again if a tracer skipped the call.
 * Also a place of its own for the host, which sets a thread here before it unblocks signals: rsp
 * changes last.
 */
	.globl pie_return
	.type pie_return, @function
pie_return:
	mov	$NR_rt_sigreturn, %eax
	lea	8(%rdi), %rsp
	syscall
	jmp	pie_return
	.size pie_return, . - pie_return

/*
 * pie_clone: rdi = struct clone_args with a stack, rsi = its size, rdx = base, rcx = index for the
 * child. The parent gets the result of clone3; the child begins its program.
 */
	.globl pie_clone
	.type pie_clone, @function
pie_clone:
	mov	%rcx, %r8			/* the kernel overwrites rcx */
	mov	$NR_clone3, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	xor	%ebp, %ebp
	mov	%rdx, %rdi
	mov	%r8, %rsi
	call	pie_main
	ud2
	.size pie_clone, . - pie_clone

	.section .note.GNU-stack, "", @progbits
