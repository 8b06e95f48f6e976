/* Pipes: contents, capacity, packets, lost ends, many descriptions of one. */
#include "../harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

CR_TEST(pipe, contents_survive)
{
	char buf[16] = "";
	int p[2];

	ASSERT_EQ(pipe(p), 0);
	ASSERT_EQ(write(p[1], "hello", 5), 5);
	cr_point();
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 5);
	ASSERT_STR(buf, "hello");
	ASSERT_EQ(write(p[1], "more", 4), 4);
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 4);
	close(p[1]);
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 0);
}

CR_TEST(pipe, full_one_of_odd_size_survives)
{
	static unsigned char buf[1 << 18], back[1 << 18];
	size_t got = 0;
	ssize_t n;
	int p[2];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (unsigned char)(i * 7 + i / 4096);
	ASSERT_EQ(pipe2(p, O_NONBLOCK), 0);
	ASSERT_EQ(fcntl(p[1], F_SETPIPE_SZ, sizeof(buf)), sizeof(buf));
	ASSERT_EQ(write(p[1], buf, sizeof(buf)), sizeof(buf));
	cr_point();
	ASSERT_EQ(fcntl(p[0], F_GETPIPE_SZ), sizeof(buf));
	ASSERT_EQ(write(p[1], "x", 1), -1);
	while (got < sizeof(back) && (n = read(p[0], back + got, sizeof(back) - got)) > 0)
		got += (size_t)n;
	ASSERT_EQ(got, sizeof(back));
	ASSERT(memcmp(buf, back, sizeof(buf)) == 0);
}

CR_TEST(pipe, packets_stay_apart)
{
	char buf[64];
	int p[2];

	ASSERT_EQ(pipe2(p, O_DIRECT | O_NONBLOCK), 0);
	ASSERT_EQ(write(p[1], "abc", 3), 3);
	ASSERT_EQ(write(p[1], "d", 1), 1);
	ASSERT_EQ(write(p[1], "efgh", 4), 4);
	cr_point();
	ASSERT_EQ(fcntl(p[1], F_GETFL), O_WRONLY | O_NONBLOCK | O_DIRECT);
	ASSERT_EQ(read(p[0], buf, 1), 1); /* the rest of a packet is lost */
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 1);
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 4);
	ASSERT_EQ(write(p[1], "i", 1), 1);
	ASSERT_EQ(write(p[1], "j", 1), 1);
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 1);
}

CR_TEST(pipe, further_descriptions_stay_apart)
{
	int p[2], both, reader;
	char c;

	ASSERT_EQ(pipe(p), 0);
	both = open_again(p[0], O_RDWR | O_NONBLOCK);
	reader = open_again(p[0], O_RDONLY | O_NONBLOCK);
	ASSERT(both >= 0 && reader >= 0);
	cr_point();
	ASSERT_EQ(fcntl(p[0], F_GETFL), O_RDONLY);
	ASSERT_EQ(fcntl(p[1], F_GETFL), O_WRONLY);
	ASSERT_EQ(fcntl(both, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	ASSERT_EQ(write(both, "x", 1), 1);
	ASSERT_EQ(read(reader, &c, 1), 1);
	close(p[0]);
	close(p[1]);
	close(both);
	ASSERT_EQ(read(reader, &c, 1), 0);
}

CR_TEST(pipe, lost_ends_stay_lost)
{
	int p[2], q[2];
	char buf[8];

	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(pipe(p), 0);
	ASSERT_EQ(pipe(q), 0);
	ASSERT_EQ(write(p[1], "end", 3), 3);
	close(p[1]);
	close(q[0]);
	cr_point();
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 3);
	ASSERT_EQ(read(p[0], buf, sizeof(buf)), 0);
	ASSERT_EQ(write(q[1], "x", 1), -1);
	ASSERT_EQ(errno, EPIPE);
}

CR_TEST(pipe, tasks_stay_connected)
{
	int there[2], back[2], status;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(pipe(there), 0);
	ASSERT_EQ(pipe(back), 0);
	pid = fork();
	ASSERT(pid >= 0);
	if (pid == 0) {
		close(there[1]);
		close(back[0]);
		while (read(there[0], &c, 1) == 1) {
			c++;
			if (write(back[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(7);
	}
	close(there[0]);
	close(back[1]);
	cr_point();
	ASSERT_EQ(write(there[1], "a", 1), 1);
	ASSERT_EQ(read(back[0], &c, 1), 1);
	ASSERT_EQ(c, 'b');
	close(there[1]);
	ASSERT_EQ(read(back[0], &c, 1), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(WEXITSTATUS(status), 7);
}

CR_TEST(pipe, owner_and_mode_survive)
{
	struct stat st;
	int p[2];

	ASSERT_EQ(pipe(p), 0);
	ASSERT_EQ(fchown(p[0], 1000, 1001), 0);
	ASSERT_EQ(fchmod(p[0], 0640), 0);
	cr_point();
	ASSERT_EQ(fstat(p[1], &st), 0);
	ASSERT_EQ(st.st_uid, 1000);
	ASSERT_EQ(st.st_gid, 1001);
	ASSERT_EQ(st.st_mode & 07777, 0640);
}
