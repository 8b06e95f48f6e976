#pragma once
/*
 * /proc/PID/maps and /proc/PID/smaps: the mappings of an address space. One parser for both: a maps
 * entry is a smaps entry without the lines that follow.
 *
 * The text is read first (a moving target may change between two reads of a page each: entries are
 * checked to ascend, not to be complete), then walked without copying.
 */
#include "kernel/proc/dir.h"

enum proc_vmflag_bit {
#define VMFLAG(name, code, about) PROC_VMFLAG_BIT_##name,
#include "kernel/proc/vmflags.def"
#undef VMFLAG
	PROC_VMFLAG_BIT_OTHER, /* a code that we do not know */
	PROC_VMFLAG_MAX,
};
static_assert(PROC_VMFLAG_MAX <= 64, "a bit each");

/* Sets of flags: PROC_VMFLAG_GROWSDOWN | PROC_VMFLAG_LOCKED. */
#define VMFLAG(name, code, about)                                                                  \
	static const uint64_t PROC_VMFLAG_##name unused = UINT64_C(1) << PROC_VMFLAG_BIT_##name;
#include "kernel/proc/vmflags.def"
#undef VMFLAG
static const uint64_t PROC_VMFLAG_OTHER unused = UINT64_C(1) << PROC_VMFLAG_BIT_OTHER;

/* What stands in the last column. */
enum proc_map_kind {
	PROC_MAP_ANON,        /* nothing: anonymous without a name */
	PROC_MAP_FILE,        /* a path; also memfd, SysV and shared anonymous memory, sockets... */
	PROC_MAP_HEAP,        /* [heap] */
	PROC_MAP_STACK,       /* [stack] */
	PROC_MAP_VDSO,        /* [vdso] */
	PROC_MAP_VVAR,        /* [vvar] */
	PROC_MAP_VVAR_VCLOCK, /* [vvar_vclock], a second vvar since 6.13 */
	PROC_MAP_VSYSCALL,    /* [vsyscall]: the kernel's, the same in every task */
	PROC_MAP_UPROBES,     /* [uprobes] */
	PROC_MAP_ANON_NAMED,  /* [anon:NAME]: private, named by PR_SET_VMA */
	PROC_MAP_SHMEM_NAMED, /* [anon_shmem:NAME]: shared */
	PROC_MAP_SPECIAL,     /* any other [name]: a kernel mapping that we do not know */
};

struct proc_map {
	uint64_t start, end;
	int prot;        /* PROT_READ | PROT_WRITE | PROT_EXEC */
	bool shared;     /* 's' in the fourth place of the permissions */
	uint64_t offset; /* bytes into the file */
	uint32_t major, minor;
	uint64_t ino;
	enum proc_map_kind kind;
	/*
	 * FILE: the path as the kernel prints it, without " (deleted)"; *_NAMED: the name alone;
	 * others: the whole column. Borrowed from the text. Newlines in paths are printed as \012
	 * but backslashes as they are: a path with a backslash is to be read from map_files.
	 */
	struct span name;
	bool deleted; /* " (deleted)" followed; a file can really be called so: ask map_files */

	/* From smaps only, else 0. */
	bool has_details;
	uint64_t vm_flags;         /* PROC_VMFLAG_* */
	uint64_t kernel_page_size; /* bytes, as all below */
	uint64_t rss, anonymous, swap, locked;
	uint64_t protection_key;
};

struct proc_maps_walk {
	struct scan rest;
	uint64_t last_end;
};

/* Starts over text that stays in place and unchanged during the walk. */
static inline struct proc_maps_walk proc_maps_walk(const char *text, size_t len)
{
	return (struct proc_maps_walk){ .rest = scan_over(text, len) };
}

/*
 * The next entry: 1 and *ret, 0 at the end, -EINVAL on damaged text, -EAGAIN when it overlaps the
 * one before: the target was running and changed its mappings, read again.
 */
int proc_maps_next(struct proc_maps_walk *w, struct proc_map *ret) nodiscard;

/*
 * Reads maps (cheap) or smaps (costs a walk of every page table entry) into *text, to be walked.
 * -ESRCH when the task is gone; empty text for a zombie or kernel thread.
 */
int proc_maps_read(const struct proc_pid *p, struct proc_text *text) nodiscard;
int proc_smaps_read(const struct proc_pid *p, struct proc_text *text) nodiscard;

/* The two letters of a flag; "??" for PROC_VMFLAG_BIT_OTHER. */
const char *proc_vmflag_code(enum proc_vmflag_bit bit);

/*
 * The file behind a mapping, /proc/PID/map_files/START-END: exact where the path is not. Needs
 * CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. -ENOENT when no file mapping has these bounds.
 */
int proc_map_file_open(const struct proc_pid *p, uint64_t start, uint64_t end, int flags) nodiscard;
ssize_t proc_map_file_link(const struct proc_pid *p, uint64_t start, uint64_t end, char *buf,
			   size_t room) nodiscard;
int proc_map_file_stat(const struct proc_pid *p, uint64_t start, uint64_t end,
		       struct stat *ret) nodiscard;
