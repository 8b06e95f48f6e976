#pragma once
/* A raw system call on x86-64, and the assembler parts the interpreter calls (entry.S). */
#include <stdint.h>

#include "arch/x86_64/offsets.h"

/* Any system call; gives what the kernel returned (-errno on failure). */
static inline int64_t arch_syscall(uint64_t nr, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	uint64_t ret = nr;

	__asm__ volatile("syscall"
			 : "+a"(ret)
			 : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return (int64_t)ret;
}

static inline void arch_copy(uint64_t to, uint64_t from, uint64_t len)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}

static inline void arch_fill(uint64_t to, uint8_t byte, uint64_t len)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
}

/* rt_sigreturn into the frame at this address. */
_Noreturn void pie_return(uint64_t frame);
/* clone3; the child goes to pie_main(base, index) on the stack named in args. */
int64_t pie_clone(uint64_t args, uint64_t size, uint64_t base, uint64_t index);
