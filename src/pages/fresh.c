/* Pages made with their contents: userfaultfd(2), UFFDIO_COPY. See fill_int.h. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "pages/fill_int.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1 /* Linux 5.11 */
#endif

int fresh_new(void)
{
	/* We never wait for faults, so those of the kernel need not be ours: no privilege needed.
	 * SIGBUS, because nobody would answer a fault. */
	scoped(fd_close) int fd = sys_userfaultfd(O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_SIGBUS };
	int r;

	if (fd == -EINVAL)
		fd = sys_userfaultfd(O_CLOEXEC);
	if (fd < 0)
		return fd;
	r = sys_ioctl_ptr(fd, UFFDIO_API, &api);
	return r < 0 ? r : fd_take(&fd);
}

int fresh_register(int fd, uint64_t at, uint64_t len)
{
	struct uffdio_register reg = {
		.range = { .start = at, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int r = sys_ioctl_ptr(fd, UFFDIO_REGISTER, &reg);

	if (r < 0)
		return r;
	return reg.ioctls & (UINT64_C(1) << _UFFDIO_COPY) ? 0 : -ENOTSUP;
}

int fresh_fill(int fd, uint64_t at, const uint8_t *contents, uint64_t n)
{
	uint64_t done = 0, len = n * PAGE_SIZE;

	while (done < len) {
		struct uffdio_copy copy = {
			.dst = at + done,
			.src = (uintptr_t)contents + done,
			.len = len - done,
		};
		int r = sys_ioctl_ptr(fd, UFFDIO_COPY, &copy);

		if (copy.copy > 0)
			done += (uint64_t)copy.copy;
		else if (r == -EEXIST) {
			memcpy((void *)(at + done), contents + done, PAGE_SIZE);
			done += PAGE_SIZE;
		} else if (r < 0 && r != -EAGAIN && r != -EINTR)
			return r;
	}
	return 0;
}
