/* Files with a path: descriptors, directories, mappings; present, changed, deleted, of dead tasks.
 */
#include "../harness.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Makes a file with this content and gives a descriptor of it. */
static int make_file(const char *name, const char *content, int flags)
{
	int fd = open(name, O_CREAT | O_EXCL | flags, 0640);

	ASSERT(fd >= 0);
	ASSERT_EQ(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	return fd;
}

static void check_content(int fd, const char *content)
{
	char buf[256] = "";

	ASSERT(pread(fd, buf, sizeof(buf) - 1, 0) >= 0);
	ASSERT_STR(buf, content);
}

static void read_link(int fd, char link[PATH_MAX])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, PATH_MAX - 1);
	ASSERT(n > 0);
	link[n] = '\0';
}

static void check_is_gone(const char *name)
{
	ASSERT(access(name, F_OK) < 0 && errno == ENOENT);
}

CR_TEST(reg, positions_and_flags_survive)
{
	int a = make_file("a", "0123456789", O_RDWR | O_APPEND | O_NONBLOCK);
	int b = open("a", O_RDONLY | O_SYNC | O_NOFOLLOW), c = dup(b), d = open("a", O_WRONLY);
	int flags[] = { fcntl(a, F_GETFL), fcntl(b, F_GETFL), fcntl(d, F_GETFL) };
	char byte;

	ASSERT_EQ(lseek(a, 3, SEEK_SET), 3);
	ASSERT_EQ(lseek(b, 5, SEEK_SET), 5);
	ASSERT_EQ(fcntl(d, F_SETFD, FD_CLOEXEC), 0);
	cr_point();
	ASSERT_EQ(fcntl(a, F_GETFL), flags[0]);
	ASSERT_EQ(fcntl(b, F_GETFL), flags[1]);
	ASSERT_EQ(fcntl(d, F_GETFL), flags[2]);
	ASSERT_EQ(fcntl(d, F_GETFD), FD_CLOEXEC);
	ASSERT_EQ(fcntl(a, F_GETFD), 0);
	ASSERT_EQ(lseek(a, 0, SEEK_CUR), 3);
	ASSERT_EQ(read(c, &byte, 1), 1);
	ASSERT_EQ(byte, '5');
	ASSERT_EQ(lseek(b, 0, SEEK_CUR), 6); /* b and c are one open file */
	ASSERT_EQ(write(a, "x", 1), 1);
	check_content(b, "0123456789x");
}

CR_TEST(reg, directories_and_devices_survive)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY), null = open("/dev/null", O_RDWR);
	int zero = open("/dev/zero", O_RDONLY), fd;
	char byte = 1;

	cr_point();
	fd = openat(dir, "new", O_CREAT | O_WRONLY, 0600);
	ASSERT(fd >= 0);
	ASSERT_EQ(access("new", F_OK), 0);
	ASSERT_EQ(write(null, "x", 1), 1);
	ASSERT_EQ(read(null, &byte, 1), 0);
	ASSERT_EQ(read(zero, &byte, 1), 1);
	ASSERT_EQ(byte, 0);
}

CR_TEST(reg, places_survive)
{
	int file, link, fifo, flags;
	char target[32] = "";
	struct stat st;

	close(make_file("file", "x", O_WRONLY));
	ASSERT_EQ(symlink("file", "link"), 0);
	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	file = open("file", O_PATH);
	link = open("link", O_PATH | O_NOFOLLOW);
	fifo = open("fifo", O_PATH);
	flags = fcntl(link, F_GETFL);
	cr_point();
	ASSERT(fcntl(file, F_GETFL) & O_PATH);
	ASSERT_EQ(fcntl(link, F_GETFL), flags);
	ASSERT_EQ(readlinkat(link, "", target, sizeof(target)), 4);
	ASSERT_STR(target, "file");
	ASSERT_EQ(fstat(fifo, &st), 0);
	ASSERT(S_ISFIFO(st.st_mode));
}

CR_TEST(reg, working_directory_and_umask_survive)
{
	char before[PATH_MAX], after[PATH_MAX];

	ASSERT_EQ(mkdir("d", 0700), 0);
	ASSERT_EQ(chdir("d"), 0);
	umask(0137);
	ASSERT(getcwd(before, sizeof(before)));
	cr_point();
	ASSERT(getcwd(after, sizeof(after)));
	ASSERT_STR(after, before);
	ASSERT_EQ(umask(0), 0137);
}

/* What a task in another root sees; its exit status. */
static int look_around(void)
{
	char cwd[PATH_MAX];

	if (access("/inside", F_OK) < 0 || access("../inside", F_OK) < 0)
		return 1;
	if (access("/proc", F_OK) == 0 || access("/root", F_OK) == 0)
		return 2;
	return getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/inside") == 0 ? 0 : 3;
}

CR_TEST(reg, root_survives)
{
	int go[2], status, outside = make_file("outside", "out", O_RDWR);
	char byte;
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	ASSERT_EQ(mkdir("root", 0755), 0);
	ASSERT_EQ(mkdir("root/inside", 0755), 0);
	pid = fork();
	ASSERT(pid >= 0);
	if (pid == 0) {
		if (chroot("root") < 0 || chdir("/inside") < 0)
			_exit(4);
		close(go[1]);
		byte = 'r';
		if (pwrite(outside, &byte, 1, 0) != 1 || read(go[0], &byte, 1) != 0)
			_exit(5);
		_exit(look_around());
	}
	do { /* until it is there */
		ASSERT_EQ(pread(outside, &byte, 1, 0), 1);
	} while (byte != 'r');
	cr_point();
	check_content(outside, "rut");
	close(go[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
}

CR_TEST(reg, awkward_names_survive)
{
	int a = make_file("x (deleted)", "a", O_RDWR), b = make_file("new\nline", "b", O_RDWR);
	int c = make_file("back\\slash\\012", "c", O_RDWR);
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, b, 0);

	ASSERT(map != MAP_FAILED);
	cr_point();
	check_content(a, "a");
	check_content(b, "b");
	check_content(c, "c");
	ASSERT_EQ(map[0], 'b');
	ASSERT_EQ(pwrite(b, "B", 1, 0), 1);
	ASSERT_EQ(map[0], 'B');
}

CR_TEST(reg, mapping_writes_to_its_file)
{
	int fd = make_file("a", "0123", O_RDWR);
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	ASSERT(shared != MAP_FAILED && own != MAP_FAILED);
	own[0] = 'p';
	close(fd);
	cr_point();
	ASSERT_EQ(own[0], 'p');
	ASSERT_EQ(own[1], '1');
	shared[1] = 's';
	fd = open("a", O_RDONLY);
	check_content(fd, "0s23");
}

CR_TEST(reg, deleted_file_keeps_content_and_attributes)
{
	const struct timespec times[2] = { { 1000000000, 0 }, { 1100000000, 0 } };
	int fd = make_file("a", "content", O_RDWR), other = open("a", O_RDONLY);
	char before[PATH_MAX], after[PATH_MAX];
	struct stat st;

	ASSERT_EQ(fchown(fd, 12, 34), 0);
	ASSERT_EQ(fchmod(fd, 04711), 0);
	ASSERT_EQ(futimens(fd, times), 0);
	ASSERT_EQ(unlink("a"), 0);
	read_link(fd, before);
	cr_point();
	read_link(fd, after);
	ASSERT_STR(after, before);
	ASSERT_EQ(fstat(fd, &st), 0);
	ASSERT_EQ(st.st_nlink, 0);
	ASSERT_EQ(st.st_uid, 12);
	ASSERT_EQ(st.st_gid, 34);
	ASSERT_EQ(st.st_mode, S_IFREG | 04711);
	ASSERT_EQ(st.st_mtim.tv_sec, 1100000000);
	check_content(fd, "content");
	ASSERT_EQ(lseek(fd, 0, SEEK_CUR), 7);
	ASSERT_EQ(pwrite(fd, "C", 1, 0), 1);
	check_content(other, "Content");
	check_is_gone("a");
}

CR_TEST(reg, deleted_file_keeps_holes)
{
	int fd = make_file("a", "head", O_RDWR);
	struct stat before, after;
	char byte = 0;

	ASSERT_EQ(pwrite(fd, "middle", 6, 1 << 30), 6);
	ASSERT_EQ(ftruncate(fd, INT64_C(3) << 30), 0);
	ASSERT_EQ(unlink("a"), 0);
	ASSERT_EQ(fstat(fd, &before), 0);
	cr_point();
	ASSERT_EQ(fstat(fd, &after), 0);
	ASSERT_EQ(after.st_size, before.st_size);
	ASSERT(after.st_blocks <= before.st_blocks + 64);
	check_content(fd, "head");
	ASSERT_EQ(pread(fd, &byte, 1, (1 << 30) + 5), 1);
	ASSERT_EQ(byte, 'e');
}

CR_TEST(reg, deleted_file_is_one_for_all_its_users)
{
	int fd = make_file("a", "0123", O_RDWR), second;
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct stat a, b;

	ASSERT(map != MAP_FAILED);
	ASSERT_EQ(link("a", "b"), 0);
	second = open("b", O_RDONLY);
	ASSERT_EQ(unlink("a") | unlink("b"), 0);
	cr_point();
	ASSERT_EQ(fstat(fd, &a), 0);
	ASSERT_EQ(fstat(second, &b), 0);
	ASSERT_EQ(a.st_ino, b.st_ino);
	map[2] = 'm';
	check_content(fd, "01m3");
	check_content(second, "01m3");
	check_is_gone("a");
	check_is_gone("b");
}

CR_TEST(reg, name_of_deleted_file_may_be_taken)
{
	int old = make_file("a", "old", O_RDWR), now;

	close(make_file("b", "new", O_RDWR));
	ASSERT_EQ(rename("b", "a"), 0);
	now = open("a", O_RDWR);
	cr_point();
	check_content(old, "old");
	check_content(now, "new");
	ASSERT_EQ(access("a", F_OK), 0);
}

CR_TEST(reg, deleted_directories_survive)
{
	char before[PATH_MAX], after[PATH_MAX], gone[PATH_MAX];
	int dir, file;

	ASSERT_EQ(mkdir("d", 0751), 0);
	ASSERT_EQ(mkdir("d/e", 0700), 0);
	ASSERT(getcwd(gone, sizeof(gone) - 8));
	strcat(gone, "/d");
	ASSERT_EQ(chdir("d/e"), 0);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	file = make_file("f", "in it", O_RDWR);
	ASSERT_EQ(unlink("f") | rmdir("../e") | rmdir(gone), 0);
	ASSERT(readlink("/proc/self/cwd", before, sizeof(before)) > 0);
	cr_point();
	memset(after, 0, sizeof(after));
	ASSERT(readlink("/proc/self/cwd", after, sizeof(after)) > 0);
	ASSERT_EQ(strncmp(after, before, strlen(after)), 0);
	ASSERT(!getcwd(before, sizeof(before)) && errno == ENOENT);
	ASSERT(openat(dir, "new", O_CREAT | O_WRONLY, 0600) < 0 && errno == ENOENT);
	check_content(file, "in it");
	check_is_gone(gone);
}

CR_TEST(reg, unnamed_file_survives)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	ASSERT(fd >= 0);
	char path[32];

	ASSERT_EQ(write(fd, "tmp", 3), 3);
	cr_point();
	check_content(fd, "tmp");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_EQ(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0);
	fd = open("named", O_RDONLY);
	check_content(fd, "tmp");
}

CR_TEST(reg, ghost_limit_holds, .dump_options = "--ghost-limit 4K", .refused = "E-GHOST-LIMIT")
{
	char block[16384] = "x";
	int fd = make_file("a", "", O_RDWR);

	ASSERT_EQ(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
	ASSERT_EQ(unlink("a"), 0);
	cr_point();
	check_content(fd, "x");
}

CR_TEST(reg, other_name_needs_permission, .refused = "E-LINK-REMAP")
{
	int fd = make_file("a", "content", O_RDWR);

	ASSERT_EQ(link("a", "b"), 0);
	ASSERT_EQ(unlink("a"), 0);
	cr_point();
	check_content(fd, "content");
}

CR_TEST(reg, other_name_stays_the_same_file, .dump_options = "--link-remap")
{
	int fd = make_file("a", "content", O_RDWR), other;
	char before[PATH_MAX], after[PATH_MAX];
	struct stat a, b;

	ASSERT_EQ(link("a", "b"), 0);
	ASSERT_EQ(unlink("a"), 0);
	read_link(fd, before);
	cr_point();
	read_link(fd, after);
	ASSERT_STR(after, before);
	other = open("b", O_RDONLY);
	ASSERT_EQ(fstat(fd, &a), 0);
	ASSERT_EQ(fstat(other, &b), 0);
	ASSERT_EQ(a.st_ino, b.st_ino);
	check_is_gone("a");
}

CR_TEST(reg, device_with_state_is_refused, .refused = "E-FILE-KIND")
{
	int fd = open("/dev/fuse", O_RDWR);

	if (fd < 0)
		fd = open("/dev/loop-control", O_RDWR);
	ASSERT(fd >= 0);
	cr_point();
	ASSERT(fcntl(fd, F_GETFL) >= 0);
}

CR_TEST(reg, files_of_dead_tasks_survive)
{
	pid_t pid = fork();
	char path[64], before[PATH_MAX], after[PATH_MAX];
	int status;

	ASSERT(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d", pid);
	ASSERT_EQ(chdir(path), 0);
	status = open("status", O_RDONLY);
	ASSERT(status >= 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	memset(before, 0, sizeof(before));
	ASSERT(readlink("/proc/self/cwd", before, sizeof(before)) > 0);
	cr_point();
	memset(after, 0, sizeof(after));
	ASSERT(readlink("/proc/self/cwd", after, sizeof(after)) > 0);
	ASSERT_STR(after, before);
	ASSERT(read(status, path, sizeof(path)) < 0 && errno == ESRCH);
	ASSERT(access("status", F_OK) < 0);
}

CR_TEST(reg, files_of_live_tasks_survive)
{
	char path[64], buf[64] = "", like[32];
	pid_t pid = fork();
	int own = open("/proc/self/stat", O_RDONLY), childs;

	ASSERT(pid >= 0 && own >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	childs = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	ASSERT_EQ(chdir(path), 0);
	cr_point();
	ASSERT(pread(own, buf, sizeof(buf) - 1, 0) > 0);
	snprintf(like, sizeof(like), "%d (", getpid());
	ASSERT_EQ(strncmp(buf, like, strlen(like)), 0);
	ASSERT(pread(childs, buf, sizeof(buf) - 1, 0) > 0);
	snprintf(like, sizeof(like), "%d (", pid);
	ASSERT_EQ(strncmp(buf, like, strlen(like)), 0);
	ASSERT_EQ(access("status", F_OK), 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

CR_TEST(reg, signal_owner_survives)
{
	struct f_owner_ex ex = { .type = F_OWNER_PID, .pid = getpid() }, after = { 0 };
	int fd = make_file("a", "x", O_RDWR);
	unsigned uids[2] = { 0 };

	ASSERT_EQ(seteuid(7), 0);
	ASSERT_EQ(fcntl(fd, F_SETOWN_EX, &ex), 0);
	ASSERT_EQ(seteuid(0), 0);
	ASSERT_EQ(fcntl(fd, F_SETSIG, SIGUSR1), 0);
	cr_point();
	ASSERT_EQ(fcntl(fd, F_GETOWN_EX, &after), 0);
	ASSERT_EQ(after.type, F_OWNER_PID);
	ASSERT_EQ(after.pid, getpid());
	ASSERT_EQ(fcntl(fd, F_GETSIG), SIGUSR1);
	ASSERT_EQ(fcntl(fd, 17 /* F_GETOWNER_UIDS */, uids), 0);
	ASSERT_EQ(uids[0], 0);
	ASSERT_EQ(uids[1], 7);
}
