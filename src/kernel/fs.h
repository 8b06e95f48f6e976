#pragma once
/*
 * Filesystem types by number, and device numbers. Three encodings of a device are about:
 *
 *	kernel	major << 20 | minor		inside the kernel, in images
 *	stat	as st_dev and makedev()		what stat(2) and mknod(2) use
 *	text	major:minor			maps, mountinfo, locks
 */
#include <sys/types.h>

#include "base/base.h"

/* FS_MAGIC_TMPFS and so on: unsigned 32-bit numbers, of which some do not fit an enum. */
#define FS_MAGIC(name, number, text) static const uint32_t FS_MAGIC_##name unused = number;
#include "kernel/fs.def"
#undef FS_MAGIC

/* The filesystem type of an open file. 0 or -errno of fstatfs(2). */
int fs_magic_of(int fd, uint32_t *ret) nodiscard;
/* Its name; "?" for numbers not in the table. */
const char *fs_magic_name(uint32_t magic);

#define FS_MINOR_BITS 20

static inline uint64_t fs_dev_kernel(uint32_t major, uint32_t minor)
{
	return (uint64_t)major << FS_MINOR_BITS | (minor & ((1u << FS_MINOR_BITS) - 1));
}

static inline uint32_t fs_dev_major(uint64_t kernel_dev)
{
	return (uint32_t)(kernel_dev >> FS_MINOR_BITS);
}

static inline uint32_t fs_dev_minor(uint64_t kernel_dev)
{
	return (uint32_t)kernel_dev & ((1u << FS_MINOR_BITS) - 1);
}

/* Between st_dev, st_rdev and the kernel's encoding. */
uint64_t fs_dev_from_stat(dev_t dev);
dev_t fs_dev_to_stat(uint64_t kernel_dev);
