/* System calls: bodies generated from sys.def. See sys.h. */
#include "kernel/sys.h"

#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the installed headers may be; the numbers are the same on every architecture. */
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

sys_fault_fn sys_fault;

static inline int sys_asked(enum sys_call call)
{
	return __builtin_expect(sys_fault != NULL, 0) ? sys_fault(call) : 0;
}

static inline long sys_result(long result)
{
	return result == -1 ? -errno : result;
}

#define SYS_LIST(...) __VA_ARGS__
#define SYS(type, name, nr, params, args)                                                          \
	type sys_##name params                                                                     \
	{                                                                                          \
		int asked = sys_asked(SYS_CALL_##name);                                            \
                                                                                                   \
		return (type)(asked < 0 ? asked : sys_result(syscall(nr, SYS_LIST args)));         \
	}
#define SYS_BY_HAND(name)
#include "kernel/sys.def"
#undef SYS
#undef SYS_BY_HAND

int sys_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t offset, void **ret_addr)
{
	long result = sys_asked(SYS_CALL_mmap);

	if (result == 0)
		result = sys_result(syscall(SYS_mmap, addr, len, prot, flags, fd, offset));
	if (result < 0 && result >= -4095)
		return (int)result;
	*ret_addr = (void *)result;
	return 0;
}

int sys_mremap(void *old, size_t old_len, size_t new_len, int flags, void *new_addr,
	       void **ret_addr)
{
	long result = sys_asked(SYS_CALL_mremap);

	if (result == 0)
		result = sys_result(syscall(SYS_mremap, old, old_len, new_len, flags, new_addr));
	if (result < 0 && result >= -4095)
		return (int)result;
	*ret_addr = (void *)result;
	return 0;
}

const char *sys_name(enum sys_call call)
{
	static const char *const names[] = {
#define SYS(type, name, nr, params, args) [SYS_CALL_##name] = #name,
#define SYS_BY_HAND(name)                 [SYS_CALL_##name] = #name,
#include "kernel/sys.def"
#undef SYS
#undef SYS_BY_HAND
	};

	return (size_t)call < ARRAY_SIZE(names) ? names[call] : "?";
}
