/*
 * The interpreter of steps that runs inside targets (wire.h says what a step is). Freestanding: no
 * libc, no static data, no relocations, general registers only. It decides nothing: it runs what
 * the host wrote, keeps the results, and never leaves the area except through the addresses that
 * steps name.
 *
 * What it cannot do anything about (an area that makes no sense) ends in waiting for ever, because
 * the host checks every area before it starts one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#include "arch/x86_64/syscall.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

#define ERR_FAULT (-14)
#define ERR_INVAL (-22)
#define ERR_LOOP  (-40)
#define ERR_MIN   (-4095)

/* Where struct clone_args has its stack. */
#define CLONE_ARGS_STACK 40
#define CLONE_ARGS_MIN   64

_Static_assert(offsetof(struct pie_area, threads) == OFFSET_AREA_THREADS, "entry.S");
_Static_assert(offsetof(struct pie_thread, stack) == OFFSET_THREAD_STACK, "entry.S");
_Static_assert(offsetof(struct pie_thread, sigmask) == OFFSET_THREAD_SIGMASK, "entry.S");
_Static_assert(sizeof(struct pie_thread) == SIZE_THREAD, "entry.S");
_Static_assert(PIE_CODE == SIZE_CODE && PIE_STACK == SIZE_STACK, "entry.S");

struct run {
	uint64_t base, size;
	struct pie_area *area;
	struct pie_thread *thread;
	struct pie_step *steps;
	uint32_t n_steps, tail;
	bool broken; /* the step at hand makes no sense: failed, whatever it expects */
};

_Noreturn void pie_main(uint64_t base, uint64_t index);

static void futex(uint32_t *word, int op, uint32_t value)
{
	uint64_t a[6] = { (uint64_t)word, (uint64_t)op, value };

	(void)arch_syscall(NR_futex, a); /* the caller looks at the word again */
}

_Noreturn static void wait_for_ever(struct pie_area *area)
{
	for (;;)
		futex(&area->never, FUTEX_WAIT, 0);
}

/* Whether len bytes at this offset are inside the area. */
static bool in_area(struct run *run, uint64_t offset, uint64_t len)
{
	return offset <= run->size && len <= run->size - offset;
}

/* The value of an argument, of which `len` bytes are used when it is a place in the area. */
static bool arg_find(struct run *run, const struct pie_step *s, int i, uint64_t len, uint64_t *ret)
{
	uint64_t v = s->arg[i];

	if (s->arg_kind[i] == PIE_ARG_CONST) {
		*ret = v;
		return true;
	}
	if (s->arg_kind[i] == PIE_ARG_RESULT) {
		if (v >= run->n_steps)
			return false;
		*ret = (uint64_t)run->steps[v].result;
		return true;
	}
	if (s->arg_kind[i] == PIE_ARG_AREA) {
		*ret = run->base + v;
		return in_area(run, v, len);
	}
	if (s->arg_kind[i] == PIE_ARG_LOAD32) {
		if (!in_area(run, v, 4))
			return false;
		*ret = *(volatile uint32_t *)(run->base + v);
		return true;
	}
	if (s->arg_kind[i] == PIE_ARG_LOAD64) {
		if (!in_area(run, v, 8))
			return false;
		*ret = *(volatile uint64_t *)(run->base + v);
		return true;
	}
	return false;
}

static bool arg_get(struct run *run, const struct pie_step *s, int i, uint64_t len, uint64_t *ret)
{
	if (arg_find(run, s, i, len, ret))
		return true;
	run->broken = true;
	return false;
}

/* The step cannot be run at all. */
static int64_t broken(struct run *run, int64_t error)
{
	run->broken = true;
	return error;
}

static int64_t do_call(struct run *run, const struct pie_step *s, int n_args)
{
	uint64_t a[PIE_ARGS];

	a[PIE_ARGS - 1] = 0;
	for (int i = 0; i < n_args; i++)
		if (!arg_get(run, s, i, 0, &a[i]))
			return ERR_FAULT;
	return arch_syscall(s->nr, a);
}

/* COPY and FILL: the length first, because it decides whether the places are inside. */
static int64_t do_bytes(struct run *run, const struct pie_step *s)
{
	uint64_t to, from, len;

	if (!arg_get(run, s, 2, 0, &len) || !arg_get(run, s, 0, len, &to) ||
	    !arg_get(run, s, 1, s->op == PIE_OP_COPY ? len : 0, &from))
		return ERR_FAULT;
	if (s->op == PIE_OP_COPY)
		arch_copy(to, from, len);
	else
		arch_fill(to, (uint8_t)from, len);
	return 0;
}

static int64_t do_spawn(struct run *run, const struct pie_step *s)
{
	const struct pie_thread *threads =
		(const struct pie_thread *)(run->base + run->area->threads);
	uint64_t args, size;
	volatile uint64_t *stack;

	if (s->nr >= run->area->n_threads)
		return broken(run, ERR_INVAL);
	if (!arg_get(run, s, 1, 0, &size) || size < CLONE_ARGS_MIN ||
	    s->arg_kind[0] != PIE_ARG_AREA || !arg_get(run, s, 0, size, &args))
		return broken(run, ERR_FAULT);
	if (!in_area(run, threads[s->nr].stack, PIE_STACK))
		return broken(run, ERR_FAULT);

	stack = (volatile uint64_t *)(args + CLONE_ARGS_STACK);
	stack[0] = run->base + threads[s->nr].stack;
	stack[1] = PIE_STACK;
	return pie_clone(args, size, run->base, s->nr);
}

static int64_t do_barrier(struct run *run, const struct pie_step *s)
{
	struct pie_area *area = run->area;
	uint64_t want;
	uint32_t now;

	if (!arg_get(run, s, 0, 0, &want))
		return ERR_FAULT;
	__atomic_fetch_add(&area->arrived, 1, __ATOMIC_SEQ_CST);
	futex(&area->arrived, FUTEX_WAKE, INT32_MAX);
	while ((now = __atomic_load_n(&area->stage, __ATOMIC_SEQ_CST)) < want)
		futex(&area->stage, FUTEX_WAIT, now);
	return 0;
}

/* Whether a result is what the host expects. UNTIL only asks that the call works. */
static bool is_expected(const struct run *run, const struct pie_step *s, int64_t result)
{
	bool error = result < 0 && result >= ERR_MIN;

	if (run->broken)
		return false;
	if (s->op == PIE_OP_COPY || s->op == PIE_OP_FILL || s->op == PIE_OP_BARRIER ||
	    s->op == PIE_OP_UNTIL)
		return !error;
	if (s->op != PIE_OP_CALL && s->op != PIE_OP_SPAWN)
		return false;
	if (s->expect == PIE_EXPECT_NONNEG)
		return !error;
	if (s->expect == PIE_EXPECT_EXACT)
		return result == s->want;
	return s->expect == PIE_EXPECT_ANY;
}

static int64_t do_step(struct run *run, const struct pie_step *s)
{
	if (s->op == PIE_OP_CALL)
		return do_call(run, s, PIE_ARGS);
	if (s->op == PIE_OP_COPY || s->op == PIE_OP_FILL)
		return do_bytes(run, s);
	if (s->op == PIE_OP_SPAWN)
		return do_spawn(run, s);
	if (s->op == PIE_OP_BARRIER)
		return do_barrier(run, s);
	return broken(run, ERR_INVAL);
}

/* UNTIL at index i; the step behind it undoes a call that gave the wrong number. */
static int64_t do_until(struct run *run, uint32_t i)
{
	struct pie_step *s = &run->steps[i], *back = s + 1;
	uint64_t at;
	int64_t r;

	if (i + 1 >= run->n_steps || back->op != PIE_OP_CALL || !arg_get(run, s, 5, 4, &at))
		return ERR_INVAL;
	for (uint32_t tries = s->limit; tries > 0; tries--) {
		r = do_call(run, s, PIE_ARGS - 1);
		if (r < 0 && r >= ERR_MIN)
			return r;
		if (*(volatile uint32_t *)at == (uint32_t)s->want)
			return r;
		back->result = do_call(run, back, PIE_ARGS);
		if (!is_expected(run, back, back->result))
			return back->result;
	}
	return ERR_LOOP;
}

/* The two steps that end a program. They come back only when their argument makes no sense. */
static void do_end(struct run *run, const struct pie_step *s)
{
	uint64_t a[PIE_ARGS] = { 0 };

	if (!arg_get(run, s, 0, 0, &a[0]))
		return;
	if (s->op == PIE_OP_RETURN)
		pie_return(a[0]);
	for (;;)
		(void)arch_syscall(NR_exit, a);
}

static void fail(struct run *run, uint32_t i)
{
	struct pie_area *area = run->area;

	run->thread->failed = i;
	run->thread->state = PIE_STATE_FAILED;
	if (run->thread->on_failure != PIE_FAIL_WAIT)
		return;
	__atomic_fetch_add(&area->failures, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&area->arrived, 1, __ATOMIC_SEQ_CST);
	futex(&area->arrived, FUTEX_WAKE, INT32_MAX);
	wait_for_ever(area);
}

/* Runs the steps from i up to `end`; gives the index of the one that failed, else `end`. */
static uint32_t run_steps(struct run *run, uint32_t i, uint32_t end)
{
	while (i < end) {
		struct pie_step *s = &run->steps[i];

		if (s->op == PIE_OP_RETURN || s->op == PIE_OP_EXIT) {
			do_end(run, s);
			s->result = ERR_FAULT;
			return i;
		}
		run->broken = false;
		s->result = s->op == PIE_OP_UNTIL ? do_until(run, i) : do_step(run, s);
		if (!is_expected(run, s, s->result))
			return i;
		i += s->op == PIE_OP_UNTIL ? 2 : 1;
	}
	return end;
}

static bool is_sane(struct run *run, uint64_t base, uint64_t index)
{
	uint64_t threads;

	run->base = base;
	run->area = (struct pie_area *)(base + PIE_CODE);
	run->size = (uint64_t)run->area->pages * 4096;
	threads = run->area->threads;
	if (run->area->magic != PIE_MAGIC || run->area->version != PIE_VERSION ||
	    index >= run->area->n_threads ||
	    !in_area(run, threads, (uint64_t)run->area->n_threads * sizeof(struct pie_thread)))
		return false;

	run->thread = (struct pie_thread *)(base + threads) + index;
	run->steps = (struct pie_step *)(base + run->thread->steps);
	run->n_steps = run->thread->n_steps;
	run->tail = run->thread->tail;
	return run->tail < run->n_steps &&
	       in_area(run, run->thread->steps, (uint64_t)run->n_steps * sizeof(*run->steps));
}

_Noreturn void pie_main(uint64_t base, uint64_t index)
{
	struct run run;
	uint32_t at;

	if (!is_sane(&run, base, index))
		wait_for_ever(run.area);

	run.thread->state = PIE_STATE_RUNNING;
	at = run_steps(&run, 0, run.tail);
	if (at < run.tail)
		fail(&run, at);
	else
		run.thread->state = PIE_STATE_DONE;

	/* A failed tail step must not keep the thread from its last one, which lets it go. */
	for (at = run.tail; at < run.n_steps; at++)
		(void)run_steps(&run, at, at + 1);
	wait_for_ever(run.area);
}
