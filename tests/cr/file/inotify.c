/* inotify. */
#include "../harness.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static void touch(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	ASSERT(fd >= 0);
	close(fd);
}

static const struct inotify_event *next(int fd)
{
	static char buf[4096] __attribute__((aligned(8)));
	ssize_t n = read(fd, buf, sizeof(buf));

	return n > 0 ? (const struct inotify_event *)buf : NULL;
}

CR_TEST(inotify, watches_keep_number_and_mask)
{
	int fd = inotify_init1(IN_NONBLOCK), first, second;
	const struct inotify_event *ev;

	ASSERT_EQ(mkdir("a", 0700), 0);
	ASSERT_EQ(mkdir("b", 0700), 0);
	ASSERT_EQ(mkdir("c", 0700), 0);
	first = inotify_add_watch(fd, "a", IN_CREATE);
	ASSERT_EQ(inotify_rm_watch(fd, inotify_add_watch(fd, "b", IN_CREATE)), 0);
	second = inotify_add_watch(fd, "c", IN_CREATE | IN_DELETE | IN_ONESHOT);
	(void)next(fd);
	cr_point();
	ASSERT(next(fd) == NULL);
	touch("c/x");
	ev = next(fd);
	ASSERT(ev != NULL);
	ASSERT_EQ(ev->wd, second);
	ASSERT_EQ(ev->mask, IN_CREATE);
	touch("c/y"); /* once only */
	ASSERT(next(fd) == NULL);
	touch("a/x");
	ev = next(fd);
	ASSERT(ev != NULL);
	ASSERT_EQ(ev->wd, first);
	ASSERT(inotify_add_watch(fd, "b", IN_CREATE) > second);
}

CR_TEST(inotify, watches_deleted_file)
{
	int fd = inotify_init1(IN_NONBLOCK), file = open("gone", O_RDWR | O_CREAT, 0600), wd;
	const struct inotify_event *ev;

	wd = inotify_add_watch(fd, "gone", IN_MODIFY);
	ASSERT_EQ(unlink("gone"), 0);
	cr_point();
	ASSERT_EQ(write(file, "x", 1), 1);
	ev = next(fd);
	ASSERT(ev != NULL);
	ASSERT_EQ(ev->wd, wd);
	ASSERT_EQ(ev->mask, IN_MODIFY);
}
