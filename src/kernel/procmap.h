#pragma once
/*
 * PROCMAP_QUERY on /proc/PID/maps (Linux 6.11): one mapping by address, with numbers instead of
 * text. For confirming single mappings cheaply; whole address spaces are in proc/maps.h.
 */
#include "base/base.h"
#include "kernel/build_id.h"

struct procmap {
	uint64_t start, end;
	int prot; /* PROT_* */
	bool shared;
	uint64_t page_size;
	uint64_t offset; /* bytes into the file */
	uint64_t ino;    /* 0: no file */
	uint32_t major, minor;
};

enum procmap_where {
	PROCMAP_AT,       /* the mapping that holds the address */
	PROCMAP_AT_OR_UP, /* or else the next above */
};

/*
 * maps: a descriptor of /proc/PID/maps (borrowed; proc_file_open). name may be NULL, else gets the
 * last column, "" when there is none. -ENOENT: no such mapping; -ENOTTY: the kernel does not know
 * the call; -ENAMETOOLONG: the name does not fit; -ESRCH: the task is gone.
 */
int procmap_query(int maps, uint64_t addr, enum procmap_where where, char *name, size_t room,
		  struct procmap *ret) nodiscard;

/* The build-id of the ELF file mapped at addr, from its first page as mapped. -ENOENT: has none. */
int procmap_build_id(int maps, uint64_t addr, struct build_id *ret) nodiscard;
