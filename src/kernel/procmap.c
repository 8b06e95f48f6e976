/* PROCMAP_QUERY. See procmap.h. */
#include "kernel/procmap.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kernel/sys.h"

/* Linux 6.11, retyped: the installed <linux/fs.h> may be older. */
struct query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start, vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size;
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};
static_assert(sizeof(struct query) == 104, "the size is part of the ioctl's number");

#define QUERY_IOCTL _IOWR('f', 17, struct query)

enum {
	QUERY_READABLE = 0x01,
	QUERY_WRITABLE = 0x02,
	QUERY_EXECUTABLE = 0x04,
	QUERY_SHARED = 0x08,
	QUERY_OR_NEXT = 0x10,
};

static int ask(int maps, struct query *q)
{
	int r;

	q->size = sizeof(*q);
	do
		r = sys_ioctl_ptr(maps, QUERY_IOCTL, q);
	while (r == -EINTR);
	return r;
}

int procmap_query(int maps, uint64_t addr, enum procmap_where where, char *name, size_t room,
		  struct procmap *ret)
{
	struct query q = {
		.query_addr = addr,
		.query_flags = where == PROCMAP_AT_OR_UP ? QUERY_OR_NEXT : 0,
		.vma_name_addr = (uintptr_t)name,
		.vma_name_size = name ? (uint32_t)MIN(room, (size_t)UINT32_MAX) : 0,
	};
	int r = ask(maps, &q);

	if (r < 0)
		return r;
	if (name && q.vma_name_size == 0)
		*name = '\0';
	*ret = (struct procmap){
		.start = q.vma_start,
		.end = q.vma_end,
		.prot = (q.vma_flags & QUERY_READABLE ? PROT_READ : 0) |
			(q.vma_flags & QUERY_WRITABLE ? PROT_WRITE : 0) |
			(q.vma_flags & QUERY_EXECUTABLE ? PROT_EXEC : 0),
		.shared = q.vma_flags & QUERY_SHARED,
		.page_size = q.vma_page_size,
		.offset = q.vma_offset,
		.ino = q.inode,
		.major = q.dev_major,
		.minor = q.dev_minor,
	};
	return 0;
}

int procmap_build_id(int maps, uint64_t addr, struct build_id *ret)
{
	struct build_id id = { 0 };
	struct query q = {
		.query_addr = addr,
		.build_id_addr = (uintptr_t)id.bytes,
		.build_id_size = sizeof(id.bytes),
	};
	int r = ask(maps, &q);

	if (r < 0)
		return r;
	if (q.build_id_size == 0)
		return -ENOENT;
	id.len = MIN((size_t)q.build_id_size, sizeof(id.bytes));
	*ret = id;
	return 0;
}
