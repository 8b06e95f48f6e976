/* What an address space has besides mappings. */
#include "../harness.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_GET_MDWE              66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static size_t slurp(const char *path, char *buf, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	ASSERT(fd >= 0);
	n = read(fd, buf, room);
	ASSERT(n >= 0);
	close(fd);
	return (size_t)n;
}

static void same_before_and_after(const char *path)
{
	static char before[65536], after[65536];
	size_t n = slurp(path, before, sizeof(before));

	cr_point();
	ASSERT_EQ(slurp(path, after, sizeof(after)), n);
	ASSERT_EQ(memcmp(before, after, n), 0);
}

CR_TEST(mm, arguments_stay)
{
	same_before_and_after("/proc/self/cmdline");
}

CR_TEST(mm, environment_stays)
{
	same_before_and_after("/proc/self/environ");
}

CR_TEST(mm, auxiliary_vector_stays)
{
	same_before_and_after("/proc/self/auxv");
}

CR_TEST(mm, program_stays)
{
	char before[4096] = "", after[4096] = "";

	ASSERT(readlink("/proc/self/exe", before, sizeof(before) - 1) > 0);
	cr_point();
	ASSERT(readlink("/proc/self/exe", after, sizeof(after) - 1) > 0);
	ASSERT_STR(after, before);
}

CR_TEST(mm, heap_grows_on)
{
	char *end = sbrk(0);

	ASSERT(sbrk(12345) == end);
	end[12344] = 7;
	cr_point();
	ASSERT(sbrk(0) == end + 12345);
	ASSERT(sbrk(1 << 20) == end + 12345);
	end[(1 << 20) + 12344] = 8;
	ASSERT_EQ(end[12344], 7);
}

CR_TEST(mm, huge_pages_stay_off)
{
	ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	cr_point();
	ASSERT_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
}

CR_TEST(mm, huge_pages_stay_on)
{
	cr_point();
	ASSERT_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
}

static const char *skip_without_mdwe(void)
{
	return prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0 ? "this kernel has no MDWE" : NULL;
}

CR_TEST(mm, mdwe_stays, .skip = skip_without_mdwe)
{
	ASSERT_EQ(prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0), 0);
	cr_point();
	ASSERT_EQ(prctl(PR_GET_MDWE, 0, 0, 0, 0), PR_MDWE_REFUSE_EXEC_GAIN);
	ASSERT(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED);
}

CR_TEST(dumpable, stays_off)
{
	ASSERT_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
	cr_point();
	ASSERT_EQ(prctl(PR_GET_DUMPABLE), 0);
}

CR_TEST(dumpable, stays_on)
{
	cr_point();
	ASSERT_EQ(prctl(PR_GET_DUMPABLE), 1);
}
