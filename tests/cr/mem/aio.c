/* Contexts of asynchronous I/O. */
#include "../harness.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <time.h>

static void submit(aio_context_t ctx, int fd, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD,
				   .aio_fildes = (uint32_t)fd,
				   .aio_data = first + i };
		struct iocb *list = &cb;

		ASSERT_EQ(syscall(SYS_io_submit, ctx, 1L, &list), 1);
	}
}

static void expect(aio_context_t ctx, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct timespec now = { 0 };
		struct io_event ev;

		ASSERT_EQ(syscall(SYS_io_getevents, ctx, 1L, 1L, &ev, &now), 1);
		ASSERT_EQ(ev.data, first + i);
	}
}

CR_TEST(aio, rings_and_unfetched_events_survive)
{
	aio_context_t a = 0, b = 0, gone = 0;
	int fd = open("/dev/null", O_RDONLY);

	ASSERT_EQ(syscall(SYS_io_setup, 10, &gone), 0);
	ASSERT_EQ(syscall(SYS_io_setup, 10, &a), 0);
	ASSERT_EQ(syscall(SYS_io_setup, 500, &b), 0);
	ASSERT_EQ(syscall(SYS_io_destroy, gone), 0);
	for (unsigned i = 0; i < 200; i++) {
		submit(a, fd, i, 1);
		expect(a, i, 1);
	}
	submit(a, fd, 1000, 3);
	submit(b, fd, 2000, 400);
	cr_point();
	expect(a, 1000, 3);
	expect(b, 2000, 400);
	for (unsigned i = 0; i < 600; i++) {
		submit(a, fd, i, 1);
		submit(b, fd, i, 1);
		expect(a, i, 1);
		expect(b, i, 1);
	}
	ASSERT_EQ(syscall(SYS_io_destroy, a), 0);
	ASSERT_EQ(syscall(SYS_io_destroy, b), 0);
}
