#pragma once
/*
 * A batch: one area (pie/wire.h) being built on the host. It holds a program of steps for each
 * thread that will run in it, and the pieces of data that the steps read and write. Pure data:
 * nothing here touches a process, so that plans can be printed and tested without one.
 *
 *	struct program *p = batch_program(b, PIE_FAIL_TAIL);
 *	struct piece old = program_room(p, sizeof(stack_t));
 *	int step = program_call(p, SYS_sigaltstack, ARGS(0, arg_at(old)));
 *	...
 *	batch_layout, batch_write, (it runs somewhere), batch_read
 *	...
 *	if (program_result(p, step) == 0)
 *		use((const stack_t *)old.p);
 *
 * Running out of memory is remembered: the functions that add something need no check, the failure
 * comes out of batch_layout(). Misuse (a result of a later step, a place outside a piece) is a
 * broken promise of ours and asserted.
 */
#include <sys/types.h>

#include "base/str.h"
#include "pie/wire.h"

struct batch;
struct program; /* the steps of one thread */

/* Bytes in the area. p is the host's copy, valid as long as the batch: filled by the caller before
 * batch_write(), and for room also read after batch_read(). NULL when memory ran out: who fills it
 * by hand checks that; who reads it does not get that far. */
struct piece {
	uint32_t id;
	size_t len;
	void *p;
};

/* One argument of a step. Made by ARG() and the functions below. */
struct arg {
	uint8_t kind; /* enum pie_arg */
	uint32_t piece;
	uint64_t value;
};

struct args {
	struct arg at[PIE_ARGS];
};

static inline struct arg arg_const(uint64_t value)
{
	return (struct arg){ .kind = PIE_ARG_CONST, .value = value };
}
static inline struct arg arg_remote(remote_t a)
{
	return arg_const(a.va);
}
static inline struct arg arg_same(struct arg a)
{
	return a;
}

/* The address that the piece, or byte `offset` of it, has in the target. */
struct arg arg_at(struct piece p);
struct arg arg_at_offset(struct piece p, size_t offset);
/* What is stored there when the step runs. */
struct arg arg_load32(struct piece p, size_t offset);
struct arg arg_load64(struct piece p, size_t offset);
/* The result of an earlier step of the same program. */
struct arg arg_result(int step);

/* ARGS(fd, arg_at(buffer), 16): up to six numbers, remote_t or struct arg. A host pointer does not
 * compile. */
#define ARG(x) _Generic((x), struct arg : arg_same, remote_t : arg_remote, default : arg_const)(x)
#define ARGS(...)                                                                                  \
	(&(const struct args){ { ARGS_PICK(_, ##__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)(__VA_ARGS__) } })
#define ARGS_PICK(_, a, b, c, d, e, f, n, ...) ARGS_##n
#define ARGS_0()
#define ARGS_1(a)                ARG(a)
#define ARGS_2(a, b)             ARG(a), ARG(b)
#define ARGS_3(a, b, c)          ARG(a), ARG(b), ARG(c)
#define ARGS_4(a, b, c, d)       ARG(a), ARG(b), ARG(c), ARG(d)
#define ARGS_5(a, b, c, d, e)    ARG(a), ARG(b), ARG(c), ARG(d), ARG(e)
#define ARGS_6(a, b, c, d, e, f) ARG(a), ARG(b), ARG(c), ARG(d), ARG(e), ARG(f)

/* ---- building ---- */

/* An empty batch, owned by the caller, or NULL. */
struct batch *batch_new(void) nodiscard;
/* Frees it with its programs and pieces; NULL is fine. */
void batch_free(struct batch *b);
SCOPED(struct batch *, batch_free);

/*
 * Adds a thread and gives its program, owned by the batch; NULL when out of memory. Its index is
 * the number of programs before it. All signals are blocked while it runs, unless changed.
 */
struct program *batch_program(struct batch *b, enum pie_on_failure on_failure) nodiscard;
unsigned program_index(const struct program *p);
unsigned batch_n_programs(const struct batch *b);
struct program *batch_program_at(const struct batch *b, unsigned index);
/* The signals blocked while the program runs; bit N-1 is signal N. */
void program_set_sigmask(struct program *p, uint64_t sigmask);
struct batch *program_batch(const struct program *p);

/* Room for answers: `len` zeroed bytes that are written and read back. Aligned to 16. */
struct piece program_room(struct program *p, size_t len);
/* Input: a copy of len bytes (bytes NULL: zeroes, to be filled through .p), not read back. */
struct piece program_put(struct program *p, const void *bytes, size_t len);
/* The same, at a multiple of `align` (a power of two up to PAGE_SIZE): xsave areas want 64. */
struct piece program_put_aligned(struct program *p, const void *bytes, size_t len, size_t align);
/* A string with its NUL. */
struct piece program_text(struct program *p, const char *text);
/* Makes the u64 at from+at hold the address of to+offset when the area is written: iovecs,
 * clone_args. */
void program_link(struct program *p, struct piece from, size_t at, struct piece to, size_t offset);

/*
 * Steps. Each gives the step's number for arg_result() and program_result(); a number that no step
 * has when memory ran out. nr is the system call's number. What a failed step leads to is the
 * program's on_failure.
 */
/* Any result is fine; look at it later. */
int program_call(struct program *p, long nr, const struct args *args);
/* Must not fail. */
int program_must(struct program *p, long nr, const struct args *args);
/* Must give exactly `want`. */
int program_exact(struct program *p, int64_t want, long nr, const struct args *args);
/* Bytes to an address, without a system call. */
int program_copy(struct program *p, struct arg to, struct arg from, size_t len);
int program_fill(struct program *p, struct arg to, uint8_t byte, size_t len);
/*
 * clone3 of the thread that runs `child`; args is a struct clone_args of clone_args.len bytes whose
 * stack fields are filled in by the interpreter. want_tid > 0: must give that tid; else must not
 * fail.
 */
int program_spawn(struct program *p, const struct program *child, struct piece clone_args,
		  pid_t want_tid);
/*
 * Calls nr with up to five arguments until the u32 at `where` equals want; each time it does not,
 * undo_nr is called. Fails with -ELOOP after `limit` tries. Gives the number of the call's step.
 */
int program_until(struct program *p, long nr, const struct args *args, struct arg where,
		  uint32_t want, uint32_t limit, long undo_nr, const struct args *undo);
/* Tells the host, then waits until it allows `stage`. */
int program_barrier(struct program *p, uint32_t stage);
/* From here on: the steps that end the program, run also after a failure. Without this call it is
 * the last step alone. */
void program_tail(struct program *p);
/* The last step of every program: one of the two. frame: address of an rt_sigframe. */
int program_return(struct program *p, struct arg frame);
int program_exit(struct program *p, int status);

/* Says what the step added last is for, in words for users: "mapping 7f12000-7f34000 (libc.so.6)".
 * Shown in listings and failures. */
void program_note(struct program *p, const char *fmt, ...) attr_printf(2, 3);

/* ---- running: used by infect and by restore's last stage ---- */

/*
 * Fixes every place. Afterwards nothing can be added. -ENOMEM when memory ran out at any time
 * before, -EINVAL when a program does not end in return or exit, -E2BIG beyond 1 GiB.
 */
int batch_layout(struct batch *b) nodiscard;
/* Bytes of the whole area, a multiple of the page size. */
size_t batch_size(const struct batch *b);
/* Of these, the bytes from the start that batch_write() fills; what follows (stacks) must be zero.
 */
size_t batch_written(const struct batch *b);
/* The part that batch_read() looks at: bytes [PIE_CODE, this). */
size_t batch_read_end(const struct batch *b);
/* Where in the area an argument made by arg_at() points to. */
uint64_t batch_offset(const struct batch *b, struct arg place);
/* Writes batch_written() bytes, as they have to be when the area lies at `base` in the target. */
void batch_write(const struct batch *b, remote_t base, void *area);
/* Takes results, states and answers from an area or a copy of its first batch_read_end() bytes.
 * Nothing in it is trusted. */
void batch_read(struct batch *b, const void *area);

/* ---- results, after batch_read() ---- */

/* What the step's system call returned; PIE_NOT_RUN when it did not run. */
int64_t program_result(const struct program *p, int step);
enum pie_state program_state(const struct program *p);
/* The step that failed, else -1. */
int program_failed_step(const struct program *p);
int program_n_steps(const struct program *p);

/* ---- words: listing.c ---- */

/* Appends one step as text, without newline: "mmap(0x7f12000, 8192, 1, 50, -1, 0) = 0x7f12000". A
 * step that has run and failed ends in what it gave. */
int program_print_step(const struct program *p, int step, struct str *s);
/* Appends the note of a step, "" when it has none. */
const char *program_step_note(const struct program *p, int step);
/* Appends every program, a line for each step. */
int batch_print(const struct batch *b, struct str *s);
/* The name of a system call of this CPU, or NULL. */
const char *syscall_name(long nr);
