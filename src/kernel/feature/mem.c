/* Probes about memory: page maps, userfaultfd, special mappings. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/feature/probe.h"
#include "kernel/mem.h"
#include "kernel/pagemap.h"
#include "kernel/procmap.h"
#include "kernel/proc/maps.h"
#include "kernel/sys.h"

/* Newer than the installed headers may be. */
enum {
	ADVICE_GUARD_INSTALL = 102,
	UFFD_WP_ASYNC = 1 << 15,
	VDSO_32 = 0x2002, /* ARCH_MAP_VDSO_32 */
	VDSO_64 = 0x2003,
	SHADOW_STACK_STATUS = 0x5005, /* ARCH_SHSTK_STATUS */
};

static int own_pagemap(struct pagemap *ret)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	int r = proc_pid_open(0, &p);

	return r < 0 ? r : pagemap_open(&p, ret);
}

/* A page of our own, unmapped at the end of the scope. */
static void page_free(void *page)
{
	if (page)
		(void)munmap(page, PAGE_SIZE); /* ours */
}
SCOPED(void *, page_free);

static int page_new(void **ret)
{
	return sys_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			ret);
}

int probe_mem_dirty_track(void)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	scoped(page_free) void *page = NULL;
	struct page_range range;
	uint64_t end;
	ssize_t n;
	int r = page_new(&page);

	if (r == 0)
		r = proc_pid_open(0, &p);
	if (r == 0)
		r = pagemap_open_plain(&p, &pm);
	if (r < 0)
		return r;
	/* A page just written is dirty, in a kernel that keeps books on it. */
	*(volatile char *)page = 1;
	n = pagemap_find(&pm,
			 &(struct pagemap_query){ .start = (uintptr_t)page,
						  .end = (uintptr_t)page + PAGE_SIZE,
						  .all_of = PAGE_SOFT_DIRTY },
			 &range, 1, &end);
	return n < 0 ? (int)n : n == 1;
}

int probe_pagemap_scan(void)
{
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	int r = own_pagemap(&pm);

	return r < 0 ? r : pm.by_scan;
}

int probe_pagemap_scan_guard_pages(void)
{
	scoped(pagemap_done) struct pagemap pm = PAGEMAP_NONE;
	int r = own_pagemap(&pm);

	return r < 0 ? r : pm.by_scan && (pm.known & PAGE_GUARD);
}

int probe_guard_regions(void)
{
	scoped(page_free) void *page = NULL;
	int r = page_new(&page);

	return r < 0 ? r : probe_answer(sys_madvise(page, PAGE_SIZE, ADVICE_GUARD_INSTALL));
}

int probe_procmap_query(void)
{
	scoped(fd_close) int maps =
		sys_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	struct procmap map;

	if (maps < 0)
		return maps;
	return probe_answer(procmap_query(maps, (uintptr_t)&maps, PROCMAP_AT, NULL, 0, &map));
}

int probe_process_vm(void)
{
	char from = 1, to = 0;
	struct iovec local = { &to, 1 }, remote = { &from, 1 };

	return probe_answer((int)sys_process_vm_readv(sys_getpid(), &local, 1, &remote, 1, 0));
}

int probe_map_files(void)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(fd_close) int memfd = sys_memfd_create("probe", MFD_CLOEXEC);
	scoped(fd_close) int fd = -EBADF;
	scoped(page_free) void *page = NULL;
	uint64_t at;
	int r = memfd < 0 ? memfd : sys_ftruncate(memfd, PAGE_SIZE);

	if (r == 0)
		r = sys_mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, memfd, 0, &page);
	if (r == 0)
		r = proc_pid_open(0, &p);
	if (r < 0)
		return r;
	at = (uintptr_t)page;
	fd = proc_map_file_open(&p, at, at + PAGE_SIZE, O_RDONLY);
	return fd == -ENOENT || fd == -EPERM ? 0 : fd < 0 ? fd : 1;
}

int probe_memfd(void)
{
	int fd = sys_memfd_create("probe", MFD_CLOEXEC);

	fd_close(fd);
	return probe_answer(fd);
}

int probe_memfd_hugetlb(void)
{
	int fd = sys_memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB);

	fd_close(fd);
	/* ENOENT, ENODEV: the flag is known, but there are no pages of the default size. */
	return fd == -ENOENT || fd == -ENODEV ? 0 : probe_answer(fd);
}

int probe_anon_vma_name(void)
{
	scoped(page_free) void *page = NULL;
	int r = page_new(&page);

	return r < 0 ? r
		     : probe_answer(sys_prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, (uintptr_t)page,
					      PAGE_SIZE, (uintptr_t) "p"));
}

/*
 * The vDSO can be mapped only where there is none yet. Every program has one, so a kernel that
 * knows the request and the kind of vDSO says EEXIST.
 */
static int ask_vdso(int kind)
{
	int r = sys_arch_prctl(kind, 0);

	return r == -EEXIST ? 1 : probe_answer(r);
}

int probe_can_map_vdso(void)
{
	return ask_vdso(VDSO_64);
}

int probe_compat_cr(void)
{
	return ask_vdso(VDSO_32);
}

int probe_shadow_stack(void)
{
	uint64_t status;

	return probe_answer(sys_arch_prctl(SHADOW_STACK_STATUS, (uintptr_t)&status));
}

/* Features of a fresh userfaultfd; 1 when it has all of `want`. */
static int ask_uffd(uint64_t want)
{
	scoped(fd_close) int fd = sys_userfaultfd(O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	int r;

	if (fd < 0)
		return fd == -EPERM ? 0 : probe_answer(fd);
	r = sys_ioctl_ptr(fd, UFFDIO_API, &api);
	if (r < 0)
		return probe_answer(r);
	return (api.features & want) == want;
}

int probe_uffd(void)
{
	return ask_uffd(0);
}

int probe_uffd_noncoop(void)
{
	return ask_uffd(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP);
}

int probe_uffd_wp(void)
{
	return ask_uffd(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
}

int probe_uffd_wp_async(void)
{
	return ask_uffd(UFFD_WP_ASYNC);
}

/* Bytes of the mapping that begins at `start`, by our own maps (no heap: we are in a child). */
static int own_mapping_size(uint64_t start, uint64_t *ret)
{
	scoped(fd_close) int fd = sys_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	char buf[65536];
	struct proc_maps_walk walk;
	struct proc_map map;
	ssize_t n = fd < 0 ? fd : fd_read_some(fd, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	walk = proc_maps_walk(buf, (size_t)n);
	while (proc_maps_next(&walk, &map) == 1) {
		if (map.start == start) {
			*ret = map.end - map.start;
			return 0;
		}
	}
	return -ENOENT;
}

/* A ring that was moved still answers, or the kernel forgot it (EINVAL). */
static int move_ring(void *arg)
{
	aio_context_t ring = 0;
	struct io_event event;
	struct timespec now = { 0 };
	void *moved, *room;
	uint64_t size;
	int r;

	if (syscall(SYS_io_setup, 16, &ring) < 0)
		return -errno;
	r = own_mapping_size(ring, &size);
	if (r == 0)
		r = sys_mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &room);
	if (r == 0)
		r = sys_mremap((void *)ring, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room,
			       &moved);
	if (r < 0)
		return r;
	if (syscall(SYS_io_getevents, (aio_context_t)moved, 0L, 1L, &event, &now) < 0)
		return -errno;
	return 1;
}

int probe_aio_remap(void)
{
	return probe_answer(probe_in_child(move_ring, NULL));
}
