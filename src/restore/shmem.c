/*
 * Shared anonymous segments: made by the broker before the tree is born, by mapping one and keeping
 * its file through /proc/self/map_files, so that the tasks' own maps look as before; filled at
 * once, whatever the number of its users.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "kernel/proc/maps.h"
#include "kernel/sys.h"
#include "restore/restore_int.h"

static int shmem_make(struct restore *r, struct shmem *s)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	int flags =
		MAP_SHARED | MAP_ANONYMOUS | (s->hugetlb ? MAP_HUGETLB | (int)s->hugetlb_flag : 0);
	uint64_t size = ROUND_UP(s->size, PAGE_SIZE);
	void *at;
	int fd, rc = proc_pid_open(0, &self);

	if (rc == 0)
		rc = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0, &at);
	if (rc < 0)
		return rc;
	fd = proc_map_file_open(&self, (uint64_t)(uintptr_t)at, (uint64_t)(uintptr_t)at + size,
				O_RDWR | O_CLOEXEC);
	(void)!sys_munmap(at, size); /* the descriptor keeps the segment */
	if (fd < 0)
		return fd;
	rc = env_lift_fd(&r->env, &fd);
	if (rc < 0) {
		fd_close(fd);
		return rc;
	}
	s->made_fd = fd;
	return 0;
}

int restore_create_shmems(struct restore *r)
{
	vec_for_each(s, &r->model.shmems) {
		int rc;

		if ((*s)->file || (*s)->stored || (*s)->made_fd >= 0)
			continue;
		REPORT_FRAME(r->report, "shared segment %" PRIu64, (*s)->shmid);
		rc = shmem_make(r, *s);
		if (rc < 0)
			return report_fail(r->report, rc, "cannot make it");
		rc = shmem_fill(r, *s);
		if (rc < 0)
			return rc;
	}
	return 0;
}
