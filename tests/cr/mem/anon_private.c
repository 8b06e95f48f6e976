/* Private memory: contents, protection, advice, heap and stack. */
#include "../harness.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096UL

static char *map(size_t pages, int prot, int flags)
{
	char *at = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	ASSERT(at != MAP_FAILED);
	return at;
}

/* The VmFlags of the mapping at an address, with a blank before each. */
static void flags_of(const void *at, char *ret, size_t room)
{
	unsigned long start, end, want = (unsigned long)at;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[256];
	int here = 0;

	ASSERT(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= want && want < end;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(ret, room, "%s", line + 8);
	}
	fclose(smaps);
}

CR_TEST(anon_private, contents_survive_any_protection)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_EXEC, PROT_WRITE };
	char *at[5];

	for (int i = 0; i < 5; i++) {
		at[i] = map(3, PROT_READ | PROT_WRITE, 0);
		at[i][PAGE] = (char)('a' + i);
		ASSERT_EQ(mprotect(at[i], 3 * PAGE, prots[i]), 0);
	}
	cr_point();
	for (int i = 0; i < 5; i++) {
		char flags[256];

		flags_of(at[i], flags, sizeof(flags));
		ASSERT_EQ(strstr(flags, " rd ") != NULL, (prots[i] & PROT_READ) != 0);
		ASSERT_EQ(strstr(flags, " wr ") != NULL, (prots[i] & PROT_WRITE) != 0);
		ASSERT_EQ(strstr(flags, " ex ") != NULL, (prots[i] & PROT_EXEC) != 0);
		ASSERT_EQ(mprotect(at[i], 3 * PAGE, PROT_READ), 0);
		ASSERT_EQ(at[i][PAGE], 'a' + i);
		ASSERT_EQ(at[i][0], 0);
	}
}

CR_TEST(anon_private, advice_survives)
{
	static const struct {
		int advice;
		const char *flag;
	} all[] = { { MADV_DONTFORK, " dc " },   { MADV_DONTDUMP, " dd " },
		    { MADV_SEQUENTIAL, " sr " }, { MADV_RANDOM, " rr " },
		    { MADV_WIPEONFORK, " wf " }, { MADV_NOHUGEPAGE, " nh " } };
	char *at[6], flags[256];

	for (int i = 0; i < 6; i++) {
		at[i] = map(2, PROT_READ | PROT_WRITE, 0);
		at[i][0] = 'x';
		ASSERT_EQ(madvise(at[i], 2 * PAGE, all[i].advice), 0);
	}
	cr_point();
	for (int i = 0; i < 6; i++) {
		flags_of(at[i], flags, sizeof(flags));
		ASSERT(strstr(flags, all[i].flag));
		ASSERT_EQ(at[i][0], 'x');
	}
}

CR_TEST(anon_private, reservations_cost_nothing)
{
	char *at = map(1UL << 22, PROT_READ | PROT_WRITE, MAP_NORESERVE); /* 16 GiB */
	char flags[256];

	at[1UL << 33] = 'x';
	cr_point();
	ASSERT_EQ(at[1UL << 33], 'x');
	flags_of(at, flags, sizeof(flags));
	ASSERT(strstr(flags, " nr "));
}

CR_TEST(anon_private, heap_and_stack_go_on_growing)
{
	char *end = sbrk(0);
	volatile char deep[1 << 20];

	ASSERT(sbrk((intptr_t)(5 * PAGE)) == end);
	end[4 * PAGE] = 'x';
	cr_point();
	ASSERT(sbrk(0) == end + 5 * PAGE);
	ASSERT_EQ(end[4 * PAGE], 'x');
	ASSERT(sbrk((intptr_t)PAGE) == end + 5 * PAGE);
	end[5 * PAGE] = 'y';
	for (size_t i = sizeof(deep); i > 0; i -= PAGE)
		deep[i - 1] = 1;
}

CR_TEST(anon_private, parent_and_child_differ_where_they_did)
{
	char *at = map(4, PROT_READ | PROT_WRITE, 0);
	int go[2], status;
	char c;
	pid_t pid;

	memset(at, 'p', 3 * PAGE);
	ASSERT_EQ(pipe(go), 0);
	pid = fork();
	ASSERT(pid >= 0);
	if (pid == 0) {
		close(go[1]);
		at[PAGE] = 'c';
		ASSERT_EQ(madvise(at + 2 * PAGE, PAGE, MADV_DONTNEED), 0);
		at[3 * PAGE] = 'c';
		ASSERT_EQ(read(go[0], &c, 1), 0);
		_exit(at[0] == 'p' && at[PAGE] == 'c' && at[PAGE + 1] == 'p' && !at[2 * PAGE] &&
		      at[3 * PAGE] == 'c');
	}
	usleep(50000);
	cr_point();
	ASSERT(at[PAGE] == 'p' && at[2 * PAGE] == 'p' && at[3 * PAGE] == 0);
	close(go[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(WEXITSTATUS(status), 1);
}

CR_TEST(anon_private, locks_survive)
{
	char *at = map(4, PROT_READ | PROT_WRITE, 0), flags[256];

	at[0] = 'x';
	ASSERT_EQ(mlock(at, 4 * PAGE), 0);
	cr_point();
	flags_of(at, flags, sizeof(flags));
	ASSERT(strstr(flags, " lo "));
	ASSERT_EQ(at[0], 'x');
}
