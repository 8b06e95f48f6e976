/* Kinds of private memory with manners of their own: huge pages, droppable, wiped, guarded. */
#include "../harness.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#define GUARD_INSTALL 102

#define HUGE_PAGE (2UL << 20)

static const char *skip_without_huge_pages(void)
{
	void *at = mmap(NULL, 2 * HUGE_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
			-1, 0);

	if (at == MAP_FAILED)
		return "no huge pages";
	munmap(at, 2 * HUGE_PAGE);
	return NULL;
}

CR_TEST(huge, private_and_shared_pages_survive, .skip = skip_without_huge_pages)
{
	const int prot = PROT_READ | PROT_WRITE, huge = MAP_ANONYMOUS | MAP_HUGETLB;
	char *private = mmap(NULL, HUGE_PAGE, prot, MAP_PRIVATE | huge, -1, 0);
	volatile char *shared = mmap(NULL, HUGE_PAGE, prot, MAP_SHARED | huge, -1, 0);
	int go[2];
	char c;
	pid_t pid;

	ASSERT(private != MAP_FAILED && shared != MAP_FAILED);
	private[HUGE_PAGE - 1] = 'p';
	shared[4096] = 's';
	ASSERT_EQ(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		ASSERT_EQ(read(go[0], &c, 1), 0);
		shared[0] = private[HUGE_PAGE - 1];
		_exit(0);
	}
	cr_point();
	ASSERT_EQ(private[HUGE_PAGE - 1], 'p');
	ASSERT_EQ(shared[4096], 's');
	close(go[1]);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	ASSERT_EQ(shared[0], 'p');
}

static const char *skip_without_droppable(void)
{
	void *at = mmap(NULL, 4096, PROT_READ, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return "this kernel has no droppable memory";
	munmap(at, 4096);
	return NULL;
}

CR_TEST(droppable, stays_so, .skip = skip_without_droppable)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	ASSERT(at != MAP_FAILED);
	at[0] = 'x';
	cr_point();
	ASSERT(at[0] == 'x' || at[0] == 0);
	ASSERT_EQ(mlock(at, 4096), 0); /* is not counted, but goes */
	at[1] = 'y';
	pid = fork();
	if (pid == 0)
		_exit(at[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(WEXITSTATUS(status), 0); /* wiped on fork */
}

static sigjmp_buf caught;

static void on_fault(int sig)
{
	siglongjmp(caught, 1);
}

static int is_readable(volatile char *at)
{
	if (sigsetjmp(caught, 1))
		return 0;
	(void)*at;
	return 1;
}

static const char *skip_without_guards(void)
{
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r = madvise(at, 4096, GUARD_INSTALL);

	munmap(at, 4096);
	return r < 0 ? "this kernel has no guard regions" : NULL;
}

CR_TEST(guard, regions_survive, .skip = skip_without_guards)
{
	char *at = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(at != MAP_FAILED);
	at[0] = 1;
	at[5 * 4096] = 6;
	ASSERT_EQ(madvise(at + 2 * 4096, 2 * 4096, GUARD_INSTALL), 0);
	ASSERT_EQ(madvise(at + 7 * 4096, 4096, GUARD_INSTALL), 0);
	/* Guards over the border of two mappings. */
	ASSERT_EQ(mprotect(at + 3 * 4096, 3 * 4096, PROT_READ), 0);
	cr_point();
	signal(SIGSEGV, on_fault);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(is_readable(at + i * 4096), i != 2 && i != 3 && i != 7);
	ASSERT_EQ(at[0], 1);
	ASSERT_EQ(at[5 * 4096], 6);
}

CR_TEST(sysv, segment_of_the_host_is_refused, .refused = "E-VMA-KIND")
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	void *at = shmat(id, NULL, 0);

	ASSERT(at != (void *)-1);
	ASSERT_EQ(shmctl(id, IPC_RMID, NULL), 0);
	cr_point();
}

static const char *skip_without_io_uring(void)
{
	char params[120] = "";
	int fd = (int)syscall(SYS_io_uring_setup, 1, params);

	if (fd < 0)
		return "this kernel has no io_uring, or forbids it";
	close(fd);
	return NULL;
}

CR_TEST(io_uring, is_refused_by_name, .refused = "E-IO-URING", .skip = skip_without_io_uring)
{
	char params[120] = "";

	ASSERT(syscall(SYS_io_uring_setup, 1, params) >= 0);
	cr_point();
}
