/* memfds: inode, contents, seals, several open files, mappings. */
#include "../harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

CR_TEST(memfd, inode_and_position_survive)
{
	int fd = memfd_create("some memory", 0);
	char buf[64] = "", path[32];
	struct stat st;

	ASSERT_EQ(write(fd, "contents", 8), 8);
	ASSERT_EQ(ftruncate(fd, 10001), 0);
	ASSERT_EQ(lseek(fd, 3, SEEK_SET), 3);
	ASSERT_EQ(fchmod(fd, 0640), 0);
	ASSERT_EQ(fchown(fd, 7, 8), 0);
	cr_point();
	ASSERT_EQ(read(fd, buf, 5), 5);
	ASSERT_STR(buf, "tents");
	ASSERT_EQ(fstat(fd, &st), 0);
	ASSERT_EQ(st.st_size, 10001);
	ASSERT_EQ(st.st_mode, S_IFREG | 0640);
	ASSERT_EQ(st.st_uid, 7);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT(readlink(path, buf, sizeof(buf) - 1) > 0);
	ASSERT_STR(buf, "/memfd:some memory (deleted)");
}

CR_TEST(memfd, two_files_of_one_inode_stay_two)
{
	int a = memfd_create("m", 0), b;
	char buf[8];

	ASSERT_EQ(write(a, "12345678", 8), 8);
	b = open_again(a, O_RDONLY);
	ASSERT_EQ(read(b, buf, 2), 2);
	cr_point();
	ASSERT_EQ(lseek(a, 0, SEEK_CUR), 8);
	ASSERT_EQ(pwrite(a, "x", 1, 2), 1);
	ASSERT_EQ(read(b, buf, 1), 1);
	ASSERT_EQ(buf[0], 'x');
	ASSERT_EQ(write(b, "y", 1), -1);
}

CR_TEST(memfd, seals_survive)
{
	int fd = memfd_create("m", MFD_ALLOW_SEALING);

	ASSERT_EQ(write(fd, "abc", 3), 3);
	ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW), 0);
	cr_point();
	ASSERT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_GROW);
	ASSERT_EQ(write(fd, "d", 1), -1);
	ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
}

CR_TEST(memfd, writer_before_the_seal_goes_on_writing)
{
	int fd = memfd_create("m", MFD_ALLOW_SEALING);
	char *at;

	ASSERT_EQ(ftruncate(fd, 4096), 0);
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(at != MAP_FAILED);
	ASSERT_EQ(fcntl(fd, F_ADD_SEALS, 0x10 /* F_SEAL_FUTURE_WRITE */ | F_SEAL_SEAL), 0);
	cr_point();
	at[0] = 'x';
	ASSERT_EQ(fcntl(fd, F_GET_SEALS), 0x10 | F_SEAL_SEAL);
	ASSERT_EQ(write(fd, "y", 1), -1);
}

CR_TEST(memfd, mappings_and_files_stay_one)
{
	int fd = memfd_create("m", 0);
	char *shared, *private, c;

	ASSERT_EQ(ftruncate(fd, 3 * 4096), 0);
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT(shared != MAP_FAILED && private != MAP_FAILED);
	shared[0] = 's';
	private[0] = 'p';
	cr_point();
	ASSERT_EQ(shared[0], 's');
	ASSERT_EQ(private[0], 'p');
	ASSERT_EQ(private[4096], 's');
	ASSERT_EQ(pread(fd, &c, 1, 0), 1);
	ASSERT_EQ(c, 0);
	ASSERT_EQ(pwrite(fd, "w", 1, 4097), 1);
	ASSERT_EQ(shared[1], 'w');
	ASSERT_EQ(private[4097], 'w');
}

CR_TEST(memfd, mapping_outlives_its_descriptor)
{
	int fd = memfd_create("m", 0);
	char *at;

	ASSERT_EQ(ftruncate(fd, 8192), 0);
	at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(at != MAP_FAILED);
	at[5000] = 'x';
	close(fd);
	cr_point();
	ASSERT_EQ(at[5000], 'x');
	at[1] = 1;
}

CR_TEST(memfd, program_in_memory_can_be_run)
{
	static const char script[] = "#!/bin/true\n";
	int fd = memfd_create("m", 0), status;
	char *args[] = { (char *)"m", NULL };
	char *at;
	pid_t pid;

	ASSERT_EQ(write(fd, script, sizeof(script)), sizeof(script));
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(at != MAP_FAILED);
	cr_point();
	pid = fork();
	if (pid == 0) { /* -ETXTBSY if somebody had it open for writing, in the usual sense */
		fexecve(fd, args, args + 1);
		_exit(errno);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(WEXITSTATUS(status), 0);
}

CR_TEST(memfd, file_of_a_shared_mapping)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[64], c;
	int fd;

	ASSERT(at != MAP_FAILED);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at,
		 (unsigned long)at + 8192);
	fd = open(path, O_RDWR);
	ASSERT(fd >= 0);
	at[4096] = 'x';
	cr_point();
	ASSERT_EQ(pread(fd, &c, 1, 4096), 1);
	ASSERT_EQ(c, 'x');
	ASSERT_EQ(pwrite(fd, "y", 1, 0), 1);
	ASSERT_EQ(at[0], 'y');
}
