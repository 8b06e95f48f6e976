/* Probes about files, mounts and namespaces. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/cgroup.h"
#include "kernel/feature/probe.h"
#include "kernel/proc/fdinfo.h"
#include "kernel/proc/maps.h"
#include "kernel/proc/mountinfo.h"
#include "kernel/proc/value.h"
#include "kernel/sys.h"

/* TFD_IOC_SET_TICKS: <linux/timerfd.h> cannot be included beside <fcntl.h>. */
#define SET_TICKS _IOW('T', 0, uint64_t)

static int note_lock(void *ctx, const char *key, const char *value)
{
	*(bool *)ctx |= strcmp(key, "lock") == 0;
	return 0;
}

/* fdinfo of a descriptor of ours, which has a lock on it. */
static int own_fdinfo(struct proc_fdinfo *ret, bool *ret_lock)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(fd_close) int fd = sys_memfd_create("probe", MFD_CLOEXEC);
	int r = fd < 0 ? fd : sys_flock(fd, LOCK_EX | LOCK_NB);

	if (r == 0)
		r = proc_pid_open(0, &p);
	*ret_lock = false;
	return r < 0 ? r : proc_fdinfo_read(&p, fd, NULL, note_lock, ret_lock, ret);
}

int probe_mnt_id(void)
{
	struct proc_fdinfo info;
	bool lock;
	int r = own_fdinfo(&info, &lock);

	return r < 0 ? r : info.mnt_id >= 0;
}

int probe_fdinfo_lock(void)
{
	struct proc_fdinfo info;
	bool lock;
	int r = own_fdinfo(&info, &lock);

	return r < 0 ? r : lock;
}

int probe_timerfd(void)
{
	scoped(fd_close) int fd = sys_timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	uint64_t ticks = 1;

	return fd < 0 ? fd : probe_answer(sys_ioctl_ptr(fd, SET_TICKS, &ticks));
}

int probe_openat2(void)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	int fd = sys_openat2(AT_FDCWD, "/", &how, sizeof(how));

	fd_close(fd);
	return probe_answer(fd);
}

int probe_move_mount_set_group(void)
{
	/* Flags are looked at before descriptors: EBADF means that the flag was fine. */
	int r = sys_move_mount(-1, "", -1, "",
			       MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH |
				       MOVE_MOUNT_T_EMPTY_PATH);

	return r == -EBADF ? 1 : probe_answer(r);
}

int probe_mount_setattr(void)
{
	struct mount_attr attr = { 0 };
	int r = sys_mount_setattr(-1, "", AT_EMPTY_PATH, &attr, sizeof(attr));

	return r == -EBADF ? 1 : probe_answer(r);
}

int probe_statmount(void)
{
	/* Linux 6.8; the number is the same everywhere. Nothing is asked: EFAULT when it is there.
	 */
	long r = syscall(457, NULL, NULL, 0, 0);

	r = r < 0 ? -errno : r;
	return r == -ENOSYS ? 0 : r == -EPERM ? -EPERM : 1;
}

/* Any group but the root has the file, if groups have it at all. */
static int has_group_with(int root, const char *file)
{
	scoped(fd_close) int list = sys_openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	_Alignas(uint64_t) char buf[8192];
	char path[300];
	ssize_t n = list < 0 ? list : sys_getdents(list, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *e = (const void *)(buf + at);

		at += e->d_reclen;
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", e->d_name, file); /* names fit */
		return sys_faccessat(root, path, F_OK, 0) == 0;
	}
	return -ENODATA; /* no groups to look at */
}

int probe_cgroup2_freezer(void)
{
	scoped(cgroup_mounts_done) struct cgroup_mounts mounts = { 0 };
	const struct cgroup_mount *m;
	scoped(fd_close) int dir = -EBADF;
	int r = cgroup_mounts_read(&mounts);

	if (r < 0)
		return r;
	m = cgroup_mounts_find(&mounts, NULL);
	if (!m)
		return 0;
	dir = sys_openat(AT_FDCWD, m->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0)
		return dir;
	/* The mount may itself show a group below the root. */
	r = sys_faccessat(dir, "cgroup.freeze", F_OK, 0);
	return r == 0 ? 1 : has_group_with(dir, "cgroup.freeze");
}

static int make_userns(void *arg)
{
	int r = sys_unshare(CLONE_NEWUSER);

	return r < 0 ? r : 1;
}

int probe_userns(void)
{
	int r = probe_in_child(make_userns, NULL);

	/* ENOSPC, EPERM: switched off or forbidden for us. */
	return r == -ENOSPC || r == -EPERM ? 0 : probe_answer(r);
}

int probe_cgroupns(void)
{
	return probe_path("/proc/self/ns/cgroup");
}

int probe_timens(void)
{
	return probe_path("/proc/self/timens_offsets");
}

int probe_external_net_ns(void)
{
	return probe_path("/proc/self/ns/net");
}

int probe_apparmor_stacking(void)
{
	static const char path[] = "/sys/kernel/security/apparmor/features/domain/stack";
	scoped(fd_close) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	char buf[8] = { 0 };
	ssize_t n;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
	n = fd_read_some(fd, buf, sizeof(buf) - 1);
	return n < 0 ? (int)n : strncmp(buf, "yes", 3) == 0;
}

/* A mount namespace of our own: what is mounted in it is seen by nobody and goes with us. */
static int own_mounts(void)
{
	int r = sys_unshare(CLONE_NEWNS);

	return r < 0 ? r : sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* A directory that every system has, to cover with a mount of the test's. */
static const char *any_directory(void)
{
	static const char *const some[] = { "/tmp", "/run", "/dev", "/sys", "/etc" };

	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		if (probe_path(some[i]) == 1)
			return some[i];
	return "/proc/sys";
}

static int mount_autofs(void *arg)
{
	const char *dir = any_directory();
	struct proc_mount m;
	char buf[65536];
	struct scan s;
	int pipe[2], fd;
	ssize_t n;
	int r = own_mounts();

	if (r == 0)
		r = sys_pipe(pipe, O_CLOEXEC);
	if (r < 0)
		return r;
	/* The process group of the "daemon" is ours, so that nothing here triggers a mount. */
	(void)snprintf(buf, sizeof(buf), "fd=%d,pgrp=%d,minproto=5,maxproto=5,direct", pipe[1],
		       sys_getpgid(0));
	r = sys_mount("probe", dir, "autofs", 0, buf);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	fd = sys_openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0);
	n = fd < 0 ? fd : fd_read_some(fd, buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	s = scan_over(buf, (size_t)n);
	while (proc_mount_next(&s, &m) == 1)
		if (span_is(m.type, "autofs") && span_is(m.source, "probe"))
			return memmem(m.super_options.p, m.super_options.len, "pipe_ino=", 9) !=
			       NULL;
	return -ENODATA;
}

int probe_autofs(void)
{
	return probe_in_child(mount_autofs, NULL);
}

/* Overlay on a tmpfs of our own; gives a descriptor of a file on it. */
static int overlay_file(void)
{
	const char *dir = any_directory();
	int r = own_mounts();

	if (r == 0)
		r = sys_mount("probe", dir, "tmpfs", 0, NULL);
	if (r == 0)
		r = sys_chdir(dir);
	if (r == 0)
		r = sys_mkdirat(AT_FDCWD, "lower", 0700);
	if (r == 0)
		r = sys_mkdirat(AT_FDCWD, "upper", 0700);
	if (r == 0)
		r = sys_mkdirat(AT_FDCWD, "work", 0700);
	if (r == 0)
		r = sys_mkdirat(AT_FDCWD, "both", 0700);
	if (r == 0)
		r = sys_mount("probe", "both", "overlay", 0,
			      "lowerdir=lower,upperdir=upper,workdir=work");
	return r < 0 ? r : sys_openat(AT_FDCWD, "both/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static int map_overlay_file(void *arg)
{
	int fd = overlay_file();
	struct proc_maps_walk walk;
	struct proc_map map;
	char buf[65536];
	struct stat st;
	void *addr;
	ssize_t n;
	int r = fd < 0 ? fd : sys_ftruncate(fd, PAGE_SIZE);

	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r == 0)
		r = sys_mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0, &addr);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	fd = sys_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	n = fd < 0 ? fd : fd_read_some(fd, buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	walk = proc_maps_walk(buf, (size_t)n);
	while (proc_maps_next(&walk, &map) == 1)
		if (map.start == (uintptr_t)addr)
			return map.ino == st.st_ino && map.major == major(st.st_dev) &&
			       map.minor == minor(st.st_dev);
	return -ENODATA;
}

int probe_overlayfs_maps(void)
{
	return probe_in_child(map_overlay_file, NULL);
}
