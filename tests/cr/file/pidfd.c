/* Descriptors of processes. */
#include "../harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int pidfd_open_(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_kill(int fd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static int gone(void)
{
	pid_t pid = child();
	int fd = pidfd_open_(pid, 0);

	ASSERT(fd >= 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	return fd;
}

CR_TEST(pidfd, child_is_signalled_and_waited_for)
{
	pid_t pid = child();
	int fd = pidfd_open_(pid, O_NONBLOCK), status;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	cr_point();
	ASSERT(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(poll(&pfd, 1, 0), 0);
	ASSERT_EQ(pidfd_kill(fd, SIGTERM), 0);
	ASSERT_EQ(poll(&pfd, 1, 5000), 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

CR_TEST(pidfd, own_process)
{
	int fd = pidfd_open_(getpid(), 0);

	cr_point();
	ASSERT_EQ(pidfd_kill(fd, 0), 0);
}

CR_TEST(pidfd, gone_processes_are_told_apart)
{
	int a = gone(), b = gone(), a2;
	struct stat sa, sb, sa2;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", a);
	a2 = open(path, O_RDWR);
	cr_point();
	ASSERT_EQ(pidfd_kill(a, 0), -1);
	ASSERT_EQ(errno, ESRCH);
	ASSERT_EQ(fstat(a, &sa), 0);
	ASSERT_EQ(fstat(b, &sb), 0);
	ASSERT(sa.st_ino != sb.st_ino);
	if (a2 >= 0) {
		ASSERT_EQ(fstat(a2, &sa2), 0);
		ASSERT_EQ(sa.st_ino, sa2.st_ino);
	}
}
