/* A batch lays out areas that hold what was asked for, and reads nothing it should not. */
#include "unit/check.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "inject/batch.h"
#include "pie/blob.h"

static void layout(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);
	struct program *q = batch_program(b, PIE_FAIL_WAIT);
	struct piece text = program_text(p, "hello");
	struct piece iov = program_put(p, NULL, sizeof(struct iovec));
	struct piece answer = program_room(q, 100);
	struct piece frame = program_put_aligned(q, NULL, 3000, 64);
	const struct pie_area *area;
	const struct pie_thread *t;
	const struct pie_step *steps;
	unsigned char *mem;
	uint64_t va;

	program_link(p, iov, 0, text, 2);
	assert_int_equal(program_call(p, SYS_writev, ARGS(1, arg_at(iov), 1)), 0);
	assert_int_equal(program_must(p, SYS_close, ARGS(arg_result(0))), 1);
	assert_int_equal(program_exit(p, 3), 2);
	program_fill(q, arg_at_offset(answer, 4), 7, 96);
	program_return(q, arg_at(frame));

	assert_int_equal(batch_layout(b), 0);
	assert_int_equal(batch_size(b) % PAGE_SIZE, 0);
	assert_true(batch_read_end(b) < batch_written(b) && batch_written(b) < batch_size(b));

	mem = aligned_alloc(PAGE_SIZE, batch_size(b));
	batch_write(b, REMOTE(0x10000000), mem);
	assert_memory_equal(mem, pie_blob, pie_blob_size);
	area = (const struct pie_area *)(mem + PIE_CODE);
	assert_int_equal(area->pages * PAGE_SIZE, batch_size(b));
	assert_int_equal(area->n_threads, 2);
	t = (const struct pie_thread *)(mem + area->threads);
	assert_int_equal(t[0].n_steps, 3);
	assert_int_equal(t[0].tail, 2);
	assert_int_equal(t[1].on_failure, PIE_FAIL_WAIT);
	assert_true(t[1].stack == t[0].stack + PIE_STACK);
	assert_true(t[1].stack + PIE_STACK <= batch_size(b));

	steps = (const struct pie_step *)(mem + t[0].steps);
	assert_int_equal(steps[0].arg_kind[1], PIE_ARG_AREA);
	memcpy(&va, mem + steps[0].arg[1], sizeof(va));
	assert_string_equal((char *)mem + (va - 0x10000000), "llo");
	assert_int_equal(steps[1].arg_kind[0], PIE_ARG_RESULT);
	assert_true(steps[1].result == PIE_NOT_RUN);

	steps = (const struct pie_step *)(mem + t[1].steps);
	assert_int_equal(steps[1].arg[0] % 64, 0);
	mem[steps[0].arg[0]] = 42;
	batch_read(b, mem);
	assert_int_equal(((unsigned char *)answer.p)[4], 42);
	free(mem);
}

/* What comes back from a target is only data. */
static void hostile(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);
	unsigned char *mem;

	program_exit(p, 0);
	assert_int_equal(batch_layout(b), 0);
	mem = malloc(batch_read_end(b));
	memset(mem, 0xff, batch_read_end(b));
	batch_read(b, mem);
	assert_int_equal(program_state(p), PIE_STATE_IDLE);
	assert_int_equal(program_failed_step(p), -1);
	assert_int_equal(program_result(p, 0), -1);
	free(mem);
}

static void refused(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_TAIL);

	program_call(p, SYS_getpid, ARGS());
	assert_int_equal(batch_layout(b), -EINVAL);
}

static void listing(void **state)
{
	scoped(batch_free) struct batch *b = batch_new();
	struct program *p = batch_program(b, PIE_FAIL_WAIT);
	struct program *q = batch_program(b, PIE_FAIL_WAIT);
	struct piece args = program_put(p, NULL, 88), id = program_room(p, 8);
	scoped(str_done) struct str s = { 0 };

	program_exact(p, 0x7f0000000000, SYS_mmap, ARGS(0x7f0000000000, 8192, 1, 50, -1));
	program_note(p, "mapping %s", "libc.so.6");
	program_must(p, SYS_close, ARGS(arg_result(0)));
	program_until(p, SYS_timer_create, ARGS(1, 0, arg_at(id)), arg_at(id), 5, 100,
		      SYS_timer_delete, ARGS(arg_load32(id, 4)));
	program_spawn(p, q, args, 812);
	program_barrier(p, 2);
	program_exit(p, 0);
	program_copy(q, arg_at_offset(id, 4), ARG(REMOTE(0x400000)), 4);
	program_call(q, 9999, ARGS(-1));
	program_return(q, arg_at(args));
	assert_int_equal(batch_print(b, &s), 0);
	assert_string_equal(
		str_get(&s),
		"thread 0:\n"
		"    0  mmap(0x7f0000000000, 8192, 1, 50, -1) = 0x7f0000000000  # mapping "
		"libc.so.6\n"
		"    1  close(result(0)) or fail\n"
		"    2  timer_create(1, 0, &data1) until u32 at &data1 = 5, 100 tries, undone by\n"
		"    3  timer_delete(u32[data1+4]) or fail\n"
		"    4  spawn thread 1 (&data0, 88) = 812\n"
		"    5  wait for stage 2\n"
		"    6  exit 0\n"
		"thread 1:\n"
		"    0  copy(&data1+4, 0x400000, 4)\n"
		"    1  syscall_9999(-1)\n"
		"    2  return to &data0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),
		cmocka_unit_test(hostile),
		cmocka_unit_test(refused),
		cmocka_unit_test(listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
