/* Filesystem types and device numbers. See fs.h. */
#include "kernel/fs.h"

#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "kernel/sys.h"

/* Those that the installed header has; the others are newer or not exported. */
#define SAME(ours, number)           static_assert((ours) == (number), "fs.def against <linux/magic.h>")
#define FS_MAGIC(name, number, text) ENTRY_##name = (int)(number),
enum {
#include "kernel/fs.def"
};
#undef FS_MAGIC
SAME(ENTRY_ANON_INODE, ANON_INODE_FS_MAGIC);
SAME(ENTRY_AUTOFS, AUTOFS_SUPER_MAGIC);
SAME(ENTRY_BINFMT, BINFMTFS_MAGIC);
SAME(ENTRY_CGROUP, CGROUP_SUPER_MAGIC);
SAME(ENTRY_CGROUP2, CGROUP2_SUPER_MAGIC);
SAME(ENTRY_DEVPTS, DEVPTS_SUPER_MAGIC);
SAME(ENTRY_EXT4, EXT4_SUPER_MAGIC);
SAME((uint32_t)ENTRY_HUGETLB, HUGETLBFS_MAGIC);
SAME(ENTRY_NFS, NFS_SUPER_MAGIC);
SAME(ENTRY_NSFS, NSFS_MAGIC);
SAME(ENTRY_OVERLAY, OVERLAYFS_SUPER_MAGIC);
SAME(ENTRY_PIPE, PIPEFS_MAGIC);
SAME(ENTRY_PROC, PROC_SUPER_MAGIC);
SAME(ENTRY_SECRETMEM, SECRETMEM_MAGIC);
SAME(ENTRY_SOCK, SOCKFS_MAGIC);
SAME(ENTRY_SYSFS, SYSFS_MAGIC);
SAME(ENTRY_TMPFS, TMPFS_MAGIC);

int fs_magic_of(int fd, uint32_t *ret)
{
	struct statfs sf;
	int r = sys_fstatfs(fd, &sf);

	if (r < 0)
		return r;
	*ret = (uint32_t)sf.f_type;
	return 0;
}

const char *fs_magic_name(uint32_t magic)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} table[] = {
#define FS_MAGIC(name, number, text) { number, text },
#include "kernel/fs.def"
#undef FS_MAGIC
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].magic == magic)
			return table[i].name;
	return "?";
}

uint64_t fs_dev_from_stat(dev_t dev)
{
	return fs_dev_kernel(major(dev), minor(dev));
}

dev_t fs_dev_to_stat(uint64_t kernel_dev)
{
	return makedev(fs_dev_major(kernel_dev), fs_dev_minor(kernel_dev));
}
