/*
 * A task with nothing in it: no libc, so no code that returns from signals. It keeps a value in a
 * register while it makes system calls, and ends with status 3 when the value changes.
 */
	.text
	.globl _start
_start:
	mov	$0x1234567, %rbx
	xor	%r12, %r12
1:	inc	%r12
	cmp	$0x1234567, %rbx
	jne	2f
	mov	$39, %eax		/* getpid */
	syscall
	mov	%rax, %r13
	cmp	$0x1000, %r12
	jne	1b
	xor	%r12, %r12
	mov	$24, %eax		/* sched_yield */
	syscall
	jmp	1b
2:	mov	$60, %eax		/* exit(3): it noticed something */
	mov	$3, %edi
	syscall
	.section .note.GNU-stack, "", @progbits
