/* See enter.h. The entry's registers are the CPU's business (arch/). */
#include "inject/enter.h"

#include "inject/arch.h"
#include "pie/blob.h"

_Noreturn void area_enter(void *base, unsigned index)
{
	arch_jump((uint64_t)base + pie_blob_entry, (uint64_t)base, index);
}
