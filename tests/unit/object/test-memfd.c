/* memfds: inode, contents, seals, several open files. */
#include "trip.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_again(int fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

static void contents_size_and_name(void **state)
{
	int fd = memfd_create("some memory", 0);
	char buf[64], path[32];
	struct stat st;
	struct trip t;
	ssize_t n;

	assert_int_equal(write(fd, "contents", 8), 8);
	assert_int_equal(ftruncate(fd, 10001), 0);
	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(fchown(fd, 7, 8), 0);
	TRIP(&t, fd);
	assert_int_equal(read(fd, buf, 5), 5);
	assert_memory_equal(buf, "tents", 5);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 10001);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, "/memfd:some memory (deleted)");
	trip_end(&t);
}

static void two_files_of_one_inode(void **state)
{
	int a = memfd_create("m", 0), b, path;
	struct trip t;
	char buf[8];

	assert_int_equal(write(a, "12345678", 8), 8);
	b = open_again(a, O_RDONLY);
	path = open_again(a, O_PATH);
	assert_int_equal(read(b, buf, 2), 2);
	TRIP(&t, a, b, path);
	assert_int_equal(t.to.shmems.n, 1);
	assert_int_equal(lseek(a, 0, SEEK_CUR), 8);
	assert_int_equal(lseek(b, 0, SEEK_CUR), 2);
	assert_int_equal(pwrite(a, "x", 1, 2), 1);
	assert_int_equal(read(b, buf, 1), 1);
	assert_int_equal(buf[0], 'x');
	assert_int_equal(write(b, "y", 1), -1);
	assert_int_equal(read(path, buf, 1), -1);
	trip_end(&t);
}

static void seals(void **state)
{
	int fd = memfd_create("m", MFD_ALLOW_SEALING);
	struct trip t;
	char c;

	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	TRIP(&t, fd);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	assert_int_equal(write(fd, "d", 1), -1);
	assert_int_equal(pread(fd, &c, 1, 2), 1);
	assert_int_equal(c, 'c');
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	trip_end(&t);
}

/* What a shared anonymous mapping is backed by. */
static void file_of_a_mapping(void **state)
{
	char path[64], link[64], c;
	struct trip t;
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd;

	assert_ptr_not_equal(at, MAP_FAILED);
	at[4096] = 'x';
	(void)snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at,
		       (unsigned long)at + 8192);
	fd = open(path, O_RDWR);
	if (fd < 0)
		skip(); /* needs CAP_CHECKPOINT_RESTORE */
	assert_int_equal(munmap(at, 8192), 0);
	TRIP(&t, fd);
	assert_int_equal(pread(fd, &c, 1, 4096), 1);
	assert_int_equal(c, 'x');
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(readlink(path, link, sizeof(link)), 19);
	assert_memory_equal(link, "/dev/zero (deleted)", 19);
	trip_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents_size_and_name),
		cmocka_unit_test(two_files_of_one_inode),
		cmocka_unit_test(seals),
		cmocka_unit_test(file_of_a_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
