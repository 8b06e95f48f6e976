#pragma once
/*
 * Address spaces. A vma here is one line of smaps; status bits are those of the image format,
 * because they are the field's own vocabulary for what a mapping is.
 */
#include <sys/types.h>

#include "base/vec.h"
#include "model/ranges.h"

struct mem_kind; /* a row of object/kinds.def; opaque here */
struct file;
struct task;

enum vma_status {
	VMA_REGULAR = 1 << 0,
	VMA_STACK = 1 << 1,
	VMA_VSYSCALL = 1 << 2,
	VMA_VDSO = 1 << 3,
	VMA_HEAP = 1 << 5,
	VMA_FILE_PRIVATE = 1 << 6,
	VMA_FILE_SHARED = 1 << 7,
	VMA_ANON_SHARED = 1 << 8,
	VMA_ANON_PRIVATE = 1 << 9,
	VMA_SYSVIPC = 1 << 10,
	VMA_SOCKET = 1 << 11,
	VMA_VVAR = 1 << 12,
	VMA_AIORING = 1 << 13,
	VMA_MEMFD = 1 << 14,
	VMA_SHSTK = 1 << 15,
	VMA_GUARD = 1 << 16, /* a range with guard markers inside other vmas */
	VMA_UPROBES = 1 << 17,
};

struct vma {
	const struct mem_kind *kind;
	uint64_t start, end;
	uint64_t pgoff;   /* bytes into the file or segment */
	uint32_t prot;    /* PROT_* */
	uint32_t flags;   /* MAP_* */
	uint32_t status;  /* enum vma_status */
	uint32_t fdflags; /* O_* of the mapped file, when has_fdflags */
	bool has_fdflags;
	uint64_t shmid;      /* image: id of the file, or of the shared segment */
	uint64_t madv;       /* bit N: madvise(N) in force */
	struct file *file;   /* borrowed; file mappings */
	struct shmem *shmem; /* borrowed; shared anonymous ones, memfds */
	uint64_t dev, ino;   /* as smaps shows them; 0 for anonymous private */
	char *name;          /* smaps' last column, owned; NULL when none */
	uint64_t vm_flags;   /* dump: PROC_VMFLAG_* of kernel/proc/maps.h */
	int map_kind;        /* dump: enum proc_map_kind */
	bool shared;         /* dump: the s in the permissions */
	bool deleted;        /* dump: the name ended in " (deleted)" */
	uint64_t page_size;  /* dump: bytes; more than 4096 for hugetlb */
	bool has_pages;      /* may hold private pages to be stored */
	uint64_t segment_size; /* image: of its segment, where that is longer; else 0 */

	/* Restore. */
	uint64_t at;    /* where it is mapped while we build: `start`, or a staging address */
	bool inherited; /* at == the parent's mapping of the same range, copy on write */
};

/*
 * A segment of shared memory: an inode of the kernel's internal tmpfs or hugetlbfs, without a path.
 * One however many map it or have it open.
 */
enum shmem_type {
	SHMEM_ANON,  /* MAP_SHARED | MAP_ANONYMOUS */
	SHMEM_MEMFD, /* memfd_create(2) */
};

struct shmem {
	enum shmem_type type;
	uint64_t shmid; /* id in images: names pagemap-shmem-<shmid>.img */
	uint64_t dev, ino;
	uint64_t size;          /* bytes */
	bool has_size;          /* dump: size is the inode's, not just as far as mappings reach */
	bool hugetlb;
	uint32_t hugetlb_flag; /* MAP_HUGE_* bits */
	bool noreserve;        /* made with MAP_NORESERVE */
	struct file *file;     /* dump: one that is open on it, borrowed, or NULL */
	struct task *task;     /* a task that maps it, and where: for reading its pages on dump */
	uint64_t at;
	bool stored; /* somebody else stores its pages (SysV with its namespace) */

	/* Of those that are open files. */
	uint32_t inode_id; /* in memfd.img; 0: not open anywhere */
	char *name;        /* owned; of a memfd without "memfd:" */
	uint32_t uid, gid, mode, seals;
	bool has_mode;

	/* Restore. A descriptor that can be mapped and opened again; -EBADF before it is made. */
	int made_fd;
	bool is_given; /* made_fd's description is that of an open file of some task */
	uint32_t late_seals; /* to be added when all mappings are there */
};

struct aio_ring {
	uint64_t id;
	uint32_t nr_req;
	uint32_t ring_len;
	uint32_t tail; /* dump: requests finished so far, modulo the ring's size */
};

struct mm {
	uint32_t id;
	struct task *owner; /* the first task that has it: it answers and is restored there */
	unsigned users;
	uint64_t start_code, end_code, start_data, end_data, start_stack, start_brk, brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	struct file *exe;
	struct {
		VEC(uint64_t);
	} auxv;
	struct {
		VEC(struct vma *);
	} vmas; /* ascending, owned */
	struct ranges guards; /* with MADV_GUARD_INSTALL markers, inside vmas */
	struct {
		VEC(struct aio_ring);
	} aio_rings;
	int dumpable;
	bool thp_disabled;
};

/* The vma that holds addr, or NULL. */
struct vma *mm_find(const struct mm *mm, uint64_t addr);
/* Whether vmas without a gap between them hold all of [start, end). */
bool mm_covers(const struct mm *mm, uint64_t start, uint64_t end);
/* Adds a vma (taken, freed with the mm) behind the last one. 0, -ENOMEM, or -EINVAL when it does
 * not lie behind it. */
int mm_add_take(struct mm *mm, struct vma *vma) nodiscard;
void mm_free(struct mm *mm);
