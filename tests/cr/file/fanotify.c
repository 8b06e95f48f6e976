/* fanotify. */
#include "../harness.h"

#include <fcntl.h>
#include <sys/fanotify.h>

static const char *no_fanotify(void)
{
	int fd = fanotify_init(FAN_NONBLOCK, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? "no fanotify here" : NULL;
}

CR_TEST(fanotify, marks_survive, .skip = no_fanotify)
{
	int fd = fanotify_init(FAN_NONBLOCK | FAN_UNLIMITED_QUEUE, O_RDONLY), file;
	struct fanotify_event_metadata ev;

	file = open("watched", O_RDWR | O_CREAT, 0600);
	ASSERT(file >= 0);
	ASSERT_EQ(fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "watched"), 0);
	ASSERT_EQ(fanotify_mark(fd,
				FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
				FAN_OPEN, AT_FDCWD, "watched"),
		  0);
	cr_point();
	ASSERT_EQ(read(fd, &ev, sizeof(ev)), -1);
	ASSERT_EQ(write(file, "x", 1), 1);
	ASSERT_EQ(read(fd, &ev, sizeof(ev)), sizeof(ev));
	ASSERT_EQ(ev.mask, FAN_MODIFY);
	ASSERT_EQ(ev.pid, getpid());
}
