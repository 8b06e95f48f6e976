/* What parents and children still share after fork: pages that neither has written to. */
#include "../harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096UL

/* The frame number of a page, 0 when it is not there. Needs CAP_SYS_ADMIN. */
static uint64_t frame(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	ASSERT(fd >= 0);
	ASSERT_EQ(pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)addr / PAGE * sizeof(entry))),
		  sizeof(entry));
	close(fd);
	return entry >> 63 ? entry & ((UINT64_C(1) << 55) - 1) : 0;
}

/* A child's untouched pages are its parent's, before and after. */
CR_TEST(anon_private, copy_on_write_stays_shared)
{
	unsigned char *p =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t frames[16];
	int up[2], status;
	pid_t child;
	sigset_t set;

	ASSERT(p != MAP_FAILED);
	memset(p, 3, 16 * PAGE);
	ASSERT_EQ(pipe(up), 0);
	child = fork();
	if (child == 0) {
		int sig;

		p[5 * PAGE] = 4;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigprocmask(SIG_BLOCK, &set, NULL);
		ASSERT_EQ(write(up[1], "r", 1), 1);
		sigwait(&set, &sig);
		for (int i = 0; i < 16; i++)
			frames[i] = p[i * PAGE + 1] == 3 ? frame(p + i * PAGE) : 0;
		ASSERT_EQ(p[5 * PAGE], 4);
		ASSERT_EQ(write(up[1], frames, sizeof(frames)), sizeof(frames));
		_exit(0);
	}
	ASSERT_EQ(read(up[0], frames, 1), 1);
	cr_point();
	ASSERT_EQ(kill(child, SIGUSR2), 0);
	ASSERT_EQ(read(up[0], frames, sizeof(frames)), sizeof(frames));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	for (int i = 0; i < 16; i++) {
		if (i == 5)
			ASSERT(frames[i] != frame(p + i * PAGE));
		else
			ASSERT(frames[i] && frames[i] == frame(p + i * PAGE));
	}
	ASSERT_EQ(p[5 * PAGE], 3);
}
