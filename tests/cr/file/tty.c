/* Terminals. */
#include "../harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static void pair(int *master, int *slave)
{
	ASSERT_EQ(openpty(master, slave, NULL, NULL, NULL), 0);
}

CR_TEST(tty, settings_and_size_survive)
{
	struct winsize size = { .ws_row = 33, .ws_col = 77, .ws_xpixel = 5, .ws_ypixel = 6 }, now;
	struct termios t, seen;
	int master, slave;
	char name[64], again[64];

	pair(&master, &slave);
	ASSERT_EQ(tcgetattr(slave, &t), 0);
	t.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	t.c_cc[VERASE] = 'x';
	cfsetospeed(&t, B9600);
	ASSERT_EQ(tcsetattr(slave, TCSANOW, &t), 0);
	ASSERT_EQ(ioctl(slave, TIOCSWINSZ, &size), 0);
	ASSERT_EQ(ttyname_r(slave, name, sizeof(name)), 0);
	cr_point();
	ASSERT_EQ(tcgetattr(slave, &seen), 0);
	ASSERT_EQ(seen.c_lflag, t.c_lflag);
	ASSERT_EQ(seen.c_oflag, t.c_oflag);
	ASSERT_EQ(seen.c_cflag, t.c_cflag);
	ASSERT_EQ(seen.c_cc[VERASE], 'x');
	ASSERT_EQ(ioctl(master, TIOCGWINSZ, &now), 0);
	ASSERT_EQ(memcmp(&size, &now, sizeof(now)), 0);
	ASSERT_EQ(ttyname_r(slave, again, sizeof(again)), 0);
	ASSERT_STR(again, name);
}

CR_TEST(tty, contents_survive_on_both_sides)
{
	int master, slave;
	struct termios t;
	char buf[64];

	pair(&master, &slave);
	ASSERT_EQ(tcgetattr(slave, &t), 0);
	t.c_lflag &= ~(tcflag_t)ECHO;
	ASSERT_EQ(tcsetattr(slave, TCSANOW, &t), 0);
	ASSERT_EQ(write(master, "one\ntwo\npart", 12), 12);
	ASSERT_EQ(write(slave, "out\n", 4), 4);
	(void)usleep(20000);
	cr_point();
	ASSERT_EQ(read(slave, buf, sizeof(buf)), 4);
	ASSERT_EQ(memcmp(buf, "one\n", 4), 0);
	ASSERT_EQ(read(slave, buf, sizeof(buf)), 4);
	ASSERT_EQ(memcmp(buf, "two\n", 4), 0);
	ASSERT_EQ(write(master, "ly\n", 3), 3);
	ASSERT_EQ(read(slave, buf, sizeof(buf)), 7);
	ASSERT_EQ(memcmp(buf, "partly\n", 7), 0);
	ASSERT_EQ(read(master, buf, sizeof(buf)), 5);
	ASSERT_EQ(memcmp(buf, "out\r\n", 5), 0);
}

CR_TEST(tty, slave_stays_hung_up)
{
	int master, slave;
	char c;

	(void)signal(SIGHUP, SIG_IGN);
	pair(&master, &slave);
	close(master);
	cr_point();
	ASSERT_EQ(read(slave, &c, 1), 0);
	ASSERT_EQ(write(slave, "x", 1), -1);
	ASSERT_EQ(errno, EIO);
}

CR_TEST(tty, exclusive_packet_and_lock)
{
	int master, slave, on = 1, value;

	pair(&master, &slave);
	ASSERT_EQ(ioctl(slave, TIOCEXCL), 0);
	ASSERT_EQ(ioctl(master, TIOCPKT, &on), 0);
	ASSERT_EQ(ioctl(master, TIOCSPTLCK, &on), 0);
	cr_point();
	ASSERT_EQ(ioctl(slave, TIOCGEXCL, &value), 0);
	ASSERT_EQ(value, 1);
	ASSERT_EQ(ioctl(master, TIOCGPKT, &value), 0);
	ASSERT_EQ(value, 1);
	ASSERT_EQ(ioctl(master, TIOCGPTLCK, &value), 0);
	ASSERT_EQ(value, 1);
}

CR_TEST(tty, controls_session_and_children)
{
	int master, slave, ctty, pipefd[2], status;
	char c;
	pid_t pid, group;

	pair(&master, &slave);
	ASSERT_EQ(ioctl(slave, TIOCSCTTY, 0), 0);
	ctty = open("/dev/tty", O_RDWR);
	ASSERT(ctty >= 0);
	ASSERT_EQ(pipe(pipefd), 0);
	pid = fork();
	if (pid == 0) {
		(void)setpgid(0, 0);
		if (read(pipefd[0], &c, 1) != 1)
			_exit(1);
		_exit(open("/dev/tty", O_RDWR) >= 0 ? 0 : 2);
	}
	(void)setpgid(pid, pid);
	ASSERT_EQ(ioctl(slave, TIOCSPGRP, &pid), 0);
	cr_point();
	ASSERT_EQ(ioctl(ctty, TIOCGSID, &group), 0);
	ASSERT_EQ(group, getpid());
	ASSERT_EQ(ioctl(master, TIOCGPGRP, &group), 0);
	ASSERT_EQ(group, pid);
	ASSERT_EQ(write(pipefd[1], "x", 1), 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
}

static const char *no_pty(void)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? "no pseudo terminals here" : NULL;
}

static int outside_slave(void)
{
	int master, slave;
	pid_t pid;

	pair(&master, &slave);
	/* Somebody who is not in the tree keeps the master. */
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			(void)setsid();
			(void)alarm(20);
			pause();
		}
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	close(master);
	return slave;
}

CR_TEST(tty, outside_is_refused, .refused = "E-TTY-OUTSIDE", .skip = no_pty)
{
	ASSERT(outside_slave() >= 0);
	cr_point();
}
