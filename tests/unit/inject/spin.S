/*
 * void spin(struct bank *want, struct bank *got)
 *
 * Loads every general register, the vector registers (by want->level), an x87 register and the red
 * zone from `want`, computes for a while without using any of them, and stores them in `got`.
 */
	.set LEVEL, 120
	.set RED, 128
	.set ST0, 240
	.set VEC, 256

	.macro each_gpr op
	\op	rax, 0
	\op	rbx, 8
	\op	rcx, 16
	\op	rdx, 24
	\op	rsi, 32
	\op	rbp, 48
	\op	r8, 56
	\op	r9, 64
	\op	r10, 72
	\op	r11, 80
	\op	r12, 88
	\op	r13, 96
	\op	r14, 104
	\op	r15, 112
	.endm
	.macro load reg, at
	mov	\at(%rdi), %\reg
	.endm
	.macro store reg, at
	mov	%\reg, \at(%rdi)
	.endm

	.macro each_vec op, reg, count
	.altmacro
	.set i, 0
	.rept \count
	\op	\reg, %i
	.set i, i + 1
	.endr
	.noaltmacro
	.endm
	.macro load_vec reg, i
	vmovups	VEC + 64 * \i(%rdi), %\reg\i
	.endm
	.macro store_vec reg, i
	vmovups	%\reg\i, VEC + 64 * \i(%rdi)
	.endm
	.macro load_sse reg, i
	movups	VEC + 64 * \i(%rdi), %\reg\i
	.endm
	.macro store_sse reg, i
	movups	%\reg\i, VEC + 64 * \i(%rdi)
	.endm

	.text
	.globl spin
	.type spin, @function
spin:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	push	%rsi

	mov	LEVEL(%rdi), %rax
	cmp	$1, %rax
	je	2f
	ja	3f
	each_vec load_sse, xmm, 16
	jmp	4f
2:	each_vec load_vec, ymm, 16
	jmp	4f
3:	each_vec load_vec, zmm, 32
4:	fldt	ST0(%rdi)

	.set at, 0
	.rept 14
	mov	RED + at(%rdi), %rax
	mov	%rax, at - 128(%rsp)
	.set at, at + 8
	.endr
	movq	$20000, -8(%rsp)

	each_gpr load
	mov	40(%rdi), %rdi
1:	decq	-8(%rsp)
	jnz	1b

	xchg	%rdi, (%rsp)
	each_gpr store
	mov	(%rsp), %rax
	mov	%rax, 40(%rdi)
	.set at, 0
	.rept 14
	mov	at - 128(%rsp), %rax
	mov	%rax, RED + at(%rdi)
	.set at, at + 8
	.endr
	fstpt	ST0(%rdi)

	mov	8(%rsp), %rax
	mov	LEVEL(%rax), %rax
	cmp	$1, %rax
	je	2f
	ja	3f
	each_vec store_sse, xmm, 16
	jmp	4f
2:	each_vec store_vec, ymm, 16
	vzeroupper
	jmp	4f
3:	each_vec store_vec, zmm, 32
	vzeroupper
4:
	add	$16, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size spin, . - spin

/*
 * int rseq_try(void *rseq, struct rseq_section *where)
 *
 * A restartable sequence that takes long. Gives 0 when it came to its end, 1 when it was aborted.
 * It sets eax at its start and checks it at its end: code that came back into the middle after
 * other code had run and lost the abort still gives 0, which only the test with a tracer can tell
 * by counting (see the test).
 */
	.globl rseq_try
	.type rseq_try, @function
rseq_try:
	lea	rseq_cs(%rip), %rax
	mov	%rax, 8(%rdi)
.Lstart:
	mov	$60000, %ecx
1:	dec	%ecx
	jnz	1b
	xor	%eax, %eax
.Lcommit:
	movq	$0, 8(%rdi)
	ret
	.long 0x53053053
.Labort:
	mov	$1, %eax
	ret
	.size rseq_try, . - rseq_try

	.globl rseq_start, rseq_commit
	.set rseq_start, .Lstart
	.set rseq_commit, .Lcommit

	.section .data.rel.ro, "aw"
	.balign 32
rseq_cs:
	.long 0, 0
	.quad .Lstart, .Lcommit - .Lstart, .Labort

	.section .note.GNU-stack, "", @progbits
