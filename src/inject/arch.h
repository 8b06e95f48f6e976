#pragma once
/*
 * What a CPU must supply to be injected into; a missing function is a link error. Implementations
 * are in arch/<cpu>/; the host and its targets are of one CPU.
 */
#include "base/base.h"

/* Jumps to `to` with two arguments in registers, for good. */
_Noreturn void arch_jump(uint64_t to, uint64_t arg0, uint64_t arg1);
