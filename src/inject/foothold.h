#pragma once
/*
 * What a task offers for borrowing system calls before anything of ours is in it: instructions to
 * run, and memory for a frame that brings the thread back if we die meanwhile.
 *
 * The instructions are found in what is mapped executable anyway, smallest mappings first: the vDSO
 * has a system call, every libc and ld.so have "syscall; ret" and the call of rt_sigreturn that
 * signal handlers return to. Places in files are remembered, so a second task with the same libc
 * costs two small reads; they are compared with the target's memory before use.
 *
 * The frame's place is below the stack pointer of a thread that is on the main stack, or near the
 * end of the main stack if no thread is. Only without either one it is below a stack pointer
 * elsewhere: memory there may be somebody's (coroutines with small stacks whose signals go to
 * another stack), which is why it is put back afterwards.
 */
#include "base/map.h"
#include "inject/arch.h"
#include "inject/context.h"
#include "kernel/mem.h"
#include "kernel/proc/dir.h"

/* Places found in files so far. Zero-initialised is empty. Good for one boot of one host. */
struct foothold_cache {
	struct map files;
	struct arena arena;
};
void foothold_cache_done(struct foothold_cache *c);
SCOPED_OBJECT(struct foothold_cache, foothold_cache_done);

struct foothold {
	uint64_t gadget[ARCH_GADGET_MAX]; /* addresses; 0: has none */
	/* Index of the context to borrow with, and where its frame fits (0: nowhere). The place is
	 * good for this thread only: it may be below its stack pointer. */
	unsigned thread;
	uint64_t frame;
};

/*
 * Looks a task over whose threads are stopped. ctx: saved contexts of its n threads, the leader's
 * first (without some of them, what is their stack may be taken for unused). maps: text of its maps
 * or smaps, read since it was stopped, or NULL: read here. cache: grows. -ENOTSUP: it has no system
 * call instruction anywhere.
 */
int foothold_find(struct foothold_cache *cache, const struct proc_pid *proc, struct mem_remote *mem,
		  const struct proc_text *maps, const struct context *const *ctx, unsigned n,
		  struct foothold *ret) nodiscard;

/* Whether a call borrowed here comes back by itself when the borrower dies. */
static inline bool foothold_heals(const struct foothold *f)
{
	return f->gadget[ARCH_GADGET_SYSCALL_RETURN] && f->gadget[ARCH_GADGET_SIGRETURN] &&
	       f->frame;
}
