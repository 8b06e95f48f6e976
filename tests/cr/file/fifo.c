/* Named pipes, present and deleted. */
#include "../harness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

static int hung_up(int fd)
{
	struct pollfd pfd = { .fd = fd };

	poll(&pfd, 1, 0);
	return (pfd.revents & POLLHUP) != 0;
}

CR_TEST(fifo, both_ends_and_contents_survive)
{
	char buf[16];
	int r, w;

	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	r = open("fifo", O_RDONLY | O_NONBLOCK);
	w = open("fifo", O_WRONLY);
	ASSERT(r >= 0 && w >= 0);
	ASSERT_EQ(write(w, "hello", 5), 5);
	cr_point();
	ASSERT_EQ(read(r, buf, sizeof(buf)), 5);
	ASSERT(memcmp(buf, "hello", 5) == 0);
	ASSERT_EQ(fcntl(w, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
	close(w);
	ASSERT_EQ(read(r, buf, sizeof(buf)), 0);
}

CR_TEST(fifo, deleted_one_survives)
{
	char buf[16];
	struct stat st;
	int fd;

	ASSERT_EQ(mkfifo("fifo", 0640), 0);
	fd = open("fifo", O_RDWR);
	ASSERT(fd >= 0);
	ASSERT_EQ(write(fd, "ghost", 5), 5);
	ASSERT_EQ(unlink("fifo"), 0);
	cr_point();
	ASSERT_EQ(access("fifo", F_OK), -1);
	ASSERT_EQ(read(fd, buf, sizeof(buf)), 5);
	ASSERT_EQ(fstat(fd, &st), 0);
	ASSERT_EQ(st.st_mode, S_IFIFO | 0640);
	ASSERT_EQ(st.st_nlink, 0);
}

CR_TEST(fifo, readers_know_of_writers_what_they_knew)
{
	int before, after, waiting, w;
	char c;

	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	ASSERT_EQ(mkfifo("other", 0600), 0);
	before = open("fifo", O_RDONLY | O_NONBLOCK);
	w = open("fifo", O_WRONLY);
	ASSERT_EQ(write(w, "x", 1), 1);
	close(w);
	after = open("fifo", O_RDONLY | O_NONBLOCK);
	waiting = open("other", O_RDONLY | O_NONBLOCK);
	ASSERT(hung_up(before) && !hung_up(after) && !hung_up(waiting));
	cr_point();
	ASSERT(hung_up(before) && !hung_up(after) && !hung_up(waiting));
	ASSERT_EQ(read(after, &c, 1), 1);
	ASSERT_EQ(c, 'x');
}

CR_TEST(fifo, writer_without_reader_survives)
{
	int r, w;

	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	r = open("fifo", O_RDONLY | O_NONBLOCK);
	w = open("fifo", O_WRONLY);
	close(r);
	cr_point();
	r = open("fifo", O_RDONLY);
	ASSERT(r >= 0);
	ASSERT_EQ(write(w, "x", 1), 1);
	ASSERT_EQ(read(r, &r, 1), 1);
}
