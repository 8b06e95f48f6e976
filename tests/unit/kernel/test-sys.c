/* Wrappers give -errno, and pass the hook of the fault tests. */
#include "unit/check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"

static void errors_are_negative(void **state)
{
	void *addr = (void *)1;
	struct stat st;

	assert_int_equal(sys_openat(AT_FDCWD, "/no/such/file", O_RDONLY, 0), -ENOENT);
	assert_int_equal(sys_fstat(-1, &st), -EBADF);
	assert_int_equal(sys_kill(getpid(), 9999), -EINVAL);
	assert_int_equal(sys_mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &addr),
			 -EINVAL);
	assert_ptr_equal(addr, (void *)1); /* outputs only on success */
	assert_int_equal(sys_getpid(), getpid());
}

static void calls_work(void **state)
{
	int fds[2];
	char c = 0;
	void *a, *b;

	assert_int_equal(sys_pipe(fds, O_CLOEXEC), 0);
	assert_int_equal(sys_write(fds[1], "x", 1), 1);
	assert_int_equal(sys_read(fds[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	fd_close(fds[0]);
	fd_close(fds[1]);
	assert_int_equal(sys_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &a),
			 0);
	*(char *)a = 5;
	assert_int_equal(sys_mremap(a, PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE, NULL, &b), 0);
	assert_int_equal(*(char *)b, 5);
	assert_int_equal(sys_munmap(b, 2 * PAGE_SIZE), 0);
}

static enum sys_call refused;
static unsigned asked;

static int refuse_one(enum sys_call call)
{
	asked++;
	return call == refused ? -ENOMEM : 0;
}

static void faults(void **state)
{
	void *addr;

	sys_fault = refuse_one;
	refused = SYS_CALL_eventfd;
	assert_int_equal(sys_eventfd(0, 0), -ENOMEM);
	assert_int_equal(sys_getpid(), getpid());
	refused = SYS_CALL_mmap;
	assert_int_equal(sys_mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
				  &addr),
			 -ENOMEM);
	assert_int_equal(asked, 3);
	sys_fault = NULL;
	assert_true(sys_getpid() > 0);
	assert_int_equal(asked, 3);
}

static void names(void **state)
{
	assert_string_equal(sys_name(SYS_CALL_pidfd_open), "pidfd_open");
	assert_string_equal(sys_name(SYS_CALL_mmap), "mmap");
	assert_string_equal(sys_name(SYS_CALL_MAX), "?");
	for (unsigned i = 0; i < SYS_CALL_MAX; i++)
		assert_non_null(sys_name((enum sys_call)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_negative),
		cmocka_unit_test(calls_work),
		cmocka_unit_test(faults),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
