/* Signals read as a file. */
#include "../harness.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

CR_TEST(signalfd, set_and_pending_signals_survive)
{
	struct signalfd_siginfo si;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMAX);
	ASSERT_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	cr_point();
	ASSERT_EQ(read(fd, &si, sizeof(si)), -1);
	ASSERT_EQ(kill(getpid(), SIGRTMAX), 0);
	ASSERT_EQ(read(fd, &si, sizeof(si)), sizeof(si));
	ASSERT_EQ(si.ssi_signo, SIGRTMAX);
	ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
	ASSERT_EQ(read(fd, &si, sizeof(si)), sizeof(si));
	ASSERT_EQ(si.ssi_signo, SIGUSR1);
}
