#pragma once
/* The way of one of our own processes (a task being restored) into an area. */
#include "base/base.h"

/*
 * Leaves host code for good: the calling thread runs program number `index` of the area that is
 * mapped, readable, writable and executable, at `base`. Signals are blocked as the program says
 * before its stack is used; nothing of libc runs any more, and nothing of the current stack is
 * needed. The area must have been written by batch_write() for this address.
 */
_Noreturn void area_enter(void *base, unsigned index);
