/* Shared anonymous memory. */
#include "../harness.h"

#include <sys/mman.h>
#include <sys/wait.h>

CR_TEST(anon_shared, tasks_go_on_sharing)
{
	volatile int *at =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go[2];
	char c;
	pid_t pid;

	ASSERT(at != MAP_FAILED);
	ASSERT_EQ(pipe(go), 0);
	at[1024] = 5;
	pid = fork();
	ASSERT(pid >= 0);
	if (pid == 0) {
		close(go[1]);
		ASSERT_EQ(read(go[0], &c, 1), 0);
		at[0] = at[1024] + 1;
		_exit(0);
	}
	cr_point();
	ASSERT_EQ(at[1024], 5);
	at[1024] = 7;
	close(go[1]);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	ASSERT_EQ(at[0], 8);
}

CR_TEST(anon_shared, part_that_was_unmapped_is_still_there)
{
	char *at = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *more;

	ASSERT(at != MAP_FAILED);
	at[2 * 4096] = 'x';
	ASSERT_EQ(munmap(at + 4096, 3 * 4096), 0);
	cr_point();
	more = mremap(at, 4096, 4 * 4096, MREMAP_MAYMOVE);
	ASSERT(more != MAP_FAILED);
	ASSERT_EQ(more[2 * 4096], 'x');
	more[3 * 4096] = 'y';
}

CR_TEST(anon_shared, name_stays)
{
	char line[256];
	unsigned long start, want;
	int found = 0;
	FILE *maps;
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT(at != MAP_FAILED);
	want = (unsigned long)at;
	cr_point();
	maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-", &start) == 1 && start == want)
			found = strstr(line, "/dev/zero (deleted)") != NULL;
	ASSERT(found);
}
