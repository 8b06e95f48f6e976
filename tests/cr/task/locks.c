/* Locks on files. */
#include "../harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static int file_make(const char *name, int flags)
{
	int fd = open(name, flags | O_CREAT, 0600);

	ASSERT(fd >= 0);
	return fd;
}

/* What somebody else would meet there. */
static short conflict(const char *name, short type, off_t start, off_t len)
{
	struct flock range = { .l_type = type, .l_start = start, .l_len = len };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(name, O_RDWR);

		_exit(fcntl(fd, F_GETLK, &range) < 0 ? 99 : range.l_type);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return (short)WEXITSTATUS(status);
}

CR_TEST(locks, posix_ranges_survive, .dump_options = "--file-locks")
{
	int fd = file_make("posix", O_RDWR), other = file_make("posix", O_RDONLY);
	struct flock a = { .l_type = F_WRLCK, .l_start = 10, .l_len = 5 };
	struct flock b = { .l_type = F_RDLCK, .l_start = 100, .l_len = 0 };

	ASSERT(other >= 0);
	ASSERT_EQ(fcntl(fd, F_SETLK, &a), 0);
	ASSERT_EQ(fcntl(fd, F_SETLK, &b), 0);
	cr_point();
	ASSERT_EQ(conflict("posix", F_RDLCK, 12, 1), F_WRLCK);
	ASSERT_EQ(conflict("posix", F_WRLCK, 0, 10), F_UNLCK);
	ASSERT_EQ(conflict("posix", F_WRLCK, 1000, 1), F_RDLCK);
	ASSERT_EQ(conflict("posix", F_RDLCK, 1000, 1), F_UNLCK);
}

CR_TEST(locks, flock_and_ofd_survive, .dump_options = "--file-locks")
{
	struct flock range = { .l_type = F_WRLCK, .l_start = 1, .l_len = 1 };
	int fd = file_make("flock", O_RDWR), ofd = file_make("ofd", O_RDWR);

	ASSERT_EQ(flock(fd, LOCK_EX), 0);
	ASSERT_EQ(fcntl(ofd, F_OFD_SETLK, &range), 0);
	cr_point();
	ASSERT_EQ(flock(file_make("flock", O_RDWR), LOCK_SH | LOCK_NB), -1);
	ASSERT_EQ(flock(dup(fd), LOCK_SH | LOCK_NB), 0);
	ASSERT_EQ(fcntl(file_make("ofd", O_RDWR), F_OFD_SETLK, &range), -1);
	ASSERT_EQ(fcntl(ofd, F_OFD_SETLK, &range), 0);
}

static int signals;

static void on_break(int signo)
{
	(void)signo;
	signals++;
}

CR_TEST(locks, leases_survive, .dump_options = "--file-locks")
{
	int whole = file_make("whole", O_RDWR), broken = file_make("broken", O_RDWR), r;

	(void)signal(SIGIO, on_break);
	ASSERT_EQ(fcntl(whole, F_SETLEASE, F_WRLCK), 0);
	ASSERT_EQ(fcntl(broken, F_SETLEASE, F_WRLCK), 0);
	ASSERT_EQ(open("broken", O_RDONLY | O_NONBLOCK), -1);
	ASSERT_EQ(signals, 1);
	cr_point();
	ASSERT_EQ(signals, 1);
	ASSERT_EQ(fcntl(whole, F_GETLEASE), F_WRLCK);
	ASSERT_EQ(fcntl(broken, F_GETLEASE), F_RDLCK);
	r = open("whole", O_WRONLY | O_NONBLOCK);
	ASSERT_EQ(r, -1);
	ASSERT_EQ(errno, EWOULDBLOCK);
	ASSERT_EQ(signals, 2);
}

CR_TEST(locks, refused_without_option, .refused = "E-FILE-LOCKS")
{
	ASSERT_EQ(flock(file_make("flock", O_RDWR), LOCK_EX), 0);
	cr_point();
}
