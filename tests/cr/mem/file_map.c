/* Mappings of files. */
#include "../harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096UL

static int new_file(const char *name, size_t pages)
{
	int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);

	ASSERT(fd >= 0);
	for (size_t i = 0; i < pages; i++) {
		char page[PAGE];

		memset(page, (int)('a' + i), sizeof(page));
		ASSERT_EQ(write(fd, page, sizeof(page)), sizeof(page));
	}
	return fd;
}

CR_TEST(file_map, shared_one_writes_to_the_file)
{
	int fd = new_file("file", 3);
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE), c;

	ASSERT(at != MAP_FAILED);
	at[0] = 'x';
	close(fd);
	cr_point();
	ASSERT_EQ(at[0], 'x');
	ASSERT_EQ(at[PAGE], 'c');
	at[1] = 'y';
	fd = open("file", O_RDONLY);
	ASSERT_EQ(pread(fd, &c, 1, PAGE + 1), 1);
	ASSERT_EQ(c, 'y');
}

CR_TEST(file_map, private_one_keeps_its_own_pages)
{
	int fd = new_file("file", 3);
	char *at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), c;

	ASSERT(at != MAP_FAILED);
	at[PAGE] = 'x';
	cr_point();
	ASSERT_EQ(at[0], 'a');
	ASSERT_EQ(at[PAGE], 'x');
	ASSERT_EQ(at[PAGE + 1], 'b');
	ASSERT_EQ(pread(fd, &c, 1, PAGE), 1);
	ASSERT_EQ(c, 'b');
	ASSERT_EQ(pwrite(fd, "z", 1, 2 * PAGE), 1);
	ASSERT_EQ(at[2 * PAGE], 'z'); /* untouched pages follow the file */
}

CR_TEST(file_map, deleted_file_lives_on)
{
	int fd = new_file("file", 2);
	char *shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	ASSERT(shared != MAP_FAILED && private != MAP_FAILED);
	close(fd);
	ASSERT_EQ(unlink("file"), 0);
	private[0] = 'p';
	cr_point();
	shared[PAGE] = 's';
	ASSERT_EQ(private[PAGE], 's');
	ASSERT_EQ(private[0], 'p');
	ASSERT_EQ(shared[0], 'a');
	ASSERT_EQ(access("file", F_OK), -1);
}

CR_TEST(file_map, one_for_reading_may_not_become_one_for_writing)
{
	int fd = new_file("file", 1), reader = open("file", O_RDONLY);
	char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);

	ASSERT(at != MAP_FAILED);
	close(fd);
	cr_point();
	ASSERT_EQ(mprotect(at, PAGE, PROT_READ | PROT_WRITE), -1);
	ASSERT_EQ(errno, EACCES);
	ASSERT_EQ(at[0], 'a');
}

CR_TEST(file_map, mapping_may_reach_beyond_the_file)
{
	int fd = new_file("file", 1);
	char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT(at != MAP_FAILED);
	cr_point();
	ASSERT_EQ(ftruncate(fd, 4 * PAGE), 0);
	at[3 * PAGE] = 'x';
	ASSERT_EQ(at[0], 'a');
}
