/* Memory of another task, by both ways. */
#include "unit/check.h"

#include <signal.h>
#include <sys/mman.h>

#include "child.h"
#include "kernel/mem.h"

static const int constant = 42;

static void read_and_write(void **state)
{
	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	scoped(mem_remote_done) struct mem_remote m = MEM_REMOTE(pid);
	remote_t at = REMOTE((uintptr_t)&constant);
	int value = 0, other = 43;

	assert_int_equal(mem_read(&m, at, &value, sizeof(value)), 0);
	assert_int_equal(value, 42);
	assert_int_equal(m.fd, -EBADF);
	/* Read-only memory is written through /proc/PID/mem. */
	assert_int_equal(mem_write(&m, at, &other, sizeof(other)), 0);
	assert_true(m.fd >= 0);
	assert_int_equal(mem_read(&m, at, &value, sizeof(value)), 0);
	assert_int_equal(value, 43);
	assert_int_equal(*(volatile const int *)&constant, 42);
	assert_int_equal(mem_read(&m, REMOTE(16), &value, sizeof(value)), -EFAULT);
	assert_int_equal(mem_read(&m, REMOTE(UINT64_MAX - 1), &value, sizeof(value)), -EFAULT);
	assert_int_equal(mem_read(&m, REMOTE(16), &value, 0), 0);
}

/* Pages: readable, without rights, readable, hole. */
static void pages_without_rights(void **state)
{
	char *p = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	char *copy = malloc(4 * PAGE_SIZE);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < 3; i++)
		memset(p + i * PAGE_SIZE, (int)i + 1, PAGE_SIZE);
	assert_int_equal(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	assert_int_equal(munmap(p + 3 * PAGE_SIZE, PAGE_SIZE), 0);

	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	scoped(proc_pid_done) struct proc_pid dir = PROC_PID_NONE;
	scoped(mem_remote_done) struct mem_remote m = MEM_REMOTE(0);
	struct iovec v[3];

	assert_int_equal(proc_pid_open(pid, &dir), 0);
	m = mem_remote_of(&dir);
	assert_int_equal(mem_read(&m, REMOTE((uintptr_t)p), copy, 3 * PAGE_SIZE), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(copy[i * PAGE_SIZE + 77], i + 1);
	assert_int_equal(mem_read(&m, REMOTE((uintptr_t)p), copy, 4 * PAGE_SIZE), -EFAULT);

	for (size_t i = 0; i < 3; i++)
		v[i] = (struct iovec){ p + i * PAGE_SIZE, PAGE_SIZE };
	assert_int_equal(mem_read_ranges(&m, v, 3, copy, 3 * PAGE_SIZE), PAGE_SIZE);
	v[1] = v[2];
	memset(copy, 0, 3 * PAGE_SIZE);
	assert_int_equal(mem_read_ranges(&m, v, 2, copy, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	assert_int_equal(copy[PAGE_SIZE], 3);
	assert_int_equal(mem_read_ranges(&m, v, MEM_RANGES_MAX + 1, copy, 1), -EINVAL);
	free(copy);
	assert_int_equal(munmap(p, 3 * PAGE_SIZE), 0);
}

static void strings(void **state)
{
	char *p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	char *end = p + PAGE_SIZE;
	char text[16];

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap(end, PAGE_SIZE), 0);
	memcpy(end - 6, "hello", 6);
	memcpy(end - 16, "endless", 7);

	scoped(child_end) pid_t pid = child_start(NULL, NULL);
	scoped(mem_remote_done) struct mem_remote m = MEM_REMOTE(pid);

	/* Right before a hole. */
	assert_int_equal(mem_read_str(&m, REMOTE((uintptr_t)end - 6), text, sizeof(text)), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(mem_read_str(&m, REMOTE((uintptr_t)end - 6), text, 6), 0);
	assert_int_equal(mem_read_str(&m, REMOTE((uintptr_t)end - 6), text, 5), -ENAMETOOLONG);
	end[-1] = 'x'; /* ours only: the child's copy stays */
	assert_int_equal(mem_read_str(&m, REMOTE((uintptr_t)end), text, 4), -EFAULT);
	assert_int_equal(munmap(p, PAGE_SIZE), 0);
}

static void the_dead(void **state)
{
	scoped(proc_pid_done) struct proc_pid dir = PROC_PID_NONE;
	pid_t pid = child_start(child_exits, NULL);
	int value;

	assert_true(child_reaches(pid, 'Z'));
	assert_int_equal(proc_pid_open(pid, &dir), 0);
	scoped(mem_remote_done) struct mem_remote m = mem_remote_of(&dir);
	assert_int_equal(mem_read(&m, REMOTE((uintptr_t)&constant), &value, 4), -ESRCH);
	child_end(pid);
	assert_int_equal(mem_read(&m, REMOTE((uintptr_t)&constant), &value, 4), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_and_write),
		cmocka_unit_test(pages_without_rights),
		cmocka_unit_test(strings),
		cmocka_unit_test(the_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
