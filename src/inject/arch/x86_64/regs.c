/* x86-64: registers, contexts and frames. */
#include "inject/arch.h"

_Noreturn void arch_jump(uint64_t to, uint64_t arg0, uint64_t arg1)
{
	__asm__ volatile("jmp *%0" : : "a"(to), "D"(arg0), "S"(arg1) : "memory");
	__builtin_unreachable();
}
