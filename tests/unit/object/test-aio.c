/* Rings of asynchronous I/O: made again at another address, with head, tail and events. */
#include "unit/check.h"

#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/sys.h"
#include "object/env.h"

#define AT ((void *)0x200000000000)

/* Submits n reads of nothing with the given numbers. */
static void submit(uint64_t ctx, int fd, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD,
				   .aio_fildes = (uint32_t)fd,
				   .aio_data = first + i };
		struct iocb *list = &cb;

		assert_int_equal(sys_io_submit(ctx, 1, &list), 1);
	}
}

static void expect(uint64_t ctx, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct timespec now = { 0 };
		struct io_event ev;

		assert_int_equal(syscall(SYS_io_getevents, ctx, 1L, 1L, &ev, &now), 1);
		assert_int_equal(ev.data, first + i);
	}
}

static void ring_makes_a_trip(unsigned before, unsigned waiting)
{
	struct report report;
	struct env env = { .report = &report };
	struct vma v = { .status = VMA_AIORING, .at = (uintptr_t)AT };
	const struct mem_kind *k = mem_kind_match_image(&v);
	int fd = memfd_create("m", 0);
	uint64_t old = 0, len = 8192;
	uint32_t room;

	report_init(&report);
	assert_int_equal(sys_io_setup(100, &old), 0);
	for (unsigned i = 0; i < before; i++) {
		submit(old, fd, i, 1);
		expect(old, i, 1);
	}
	submit(old, fd, 5000, waiting);
	v.start = old;
	v.end = old + len;
	assert_int_equal(k->decode(NULL, &v), 0);
	assert_int_equal(k->map(&env, &v, PROT_READ | PROT_WRITE), 0);
	memcpy(AT, (void *)(uintptr_t)old, len);
	assert_int_equal(sys_io_destroy(old), 0);
	assert_int_equal(k->finish(&env, &v), 0);

	expect((uintptr_t)AT, 5000, waiting);
	room = ((const uint32_t *)AT)[1];
	for (unsigned i = 0; i < 2 * room; i++) {
		submit((uintptr_t)AT, fd, i, 1);
		expect((uintptr_t)AT, i, 1);
	}
	assert_int_equal(sys_io_destroy((uintptr_t)AT), 0);
	(void)close(fd);
	report_done(&report);
}

static void fresh(void **state)
{
	ring_makes_a_trip(0, 0);
}

static void with_events(void **state)
{
	ring_makes_a_trip(7, 5);
}

static void wrapped_around(void **state)
{
	ring_makes_a_trip(250, 100);
}

static void damaged(void **state)
{
	struct report report;
	struct env env = { .report = &report };
	struct vma v = { .status = VMA_AIORING, .at = (uintptr_t)AT, .end = 8192 };
	const struct mem_kind *k = mem_kind_match_image(&v);

	report_init(&report);
	report.quiet = true;
	assert_int_equal(k->map(&env, &v, PROT_READ | PROT_WRITE), 0);
	((uint32_t *)AT)[2] = 100000; /* head */
	assert_int_equal(k->finish(&env, &v), -EUCLEAN);
	assert_int_equal(sys_io_destroy((uintptr_t)AT), 0);
	report_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh),
		cmocka_unit_test(with_events),
		cmocka_unit_test(wrapped_around),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
