#pragma once
/*
 * What crosses between the host and the interpreter inside a target: fixed-width, pointer-free,
 * little endian. The same structs serve dump (questions to a live task) and restore (the program
 * that turns a process of ours into the task).
 *
 * An area is one block of memory in the target:
 *
 *	base  +----------------------------+
 *	      | code of the interpreter    |  PIE_CODE bytes, copied from the blob
 *	      +----------------------------+  base + PIE_CODE
 *	      | struct pie_area            |
 *	      | struct pie_thread[n]       |  one per thread that runs a program
 *	      | struct pie_step[...]       |  the programs
 *	      | data                       |  what CALLs read and write, frames to RETURN into
 *	      | stacks                     |
 *	      +----------------------------+
 *
 * Every position inside is an offset from base, so that the host can build the area before it knows
 * where it will be. Only the first two places are fixed; the order of the rest is the host's
 * choice. Code and the rest are on pages of their own, so that a target that refuses memory that is
 * both writable and executable can have them mapped differently.
 */
#include <stdint.h>

#define PIE_MAGIC   0x53415453u /* "STAS" */
#define PIE_VERSION 2u
#define PIE_CODE    4096u /* bytes at base that the code may take: the blob's size budget */
#define PIE_ARGS    6
#define PIE_STACK   8192u /* bytes of stack per thread */
#define PIE_NO_STEP UINT32_MAX

enum pie_op {
	/* System call `nr` with arg[]; result checked against `expect`. */
	PIE_OP_CALL = 1,
	/* arg[0] = destination, arg[1] = source, arg[2] = bytes. */
	PIE_OP_COPY,
	/* arg[0] = destination, arg[1] = byte, arg[2] = bytes. */
	PIE_OP_FILL,
	/* clone3 of a thread: nr = index of its pie_thread, arg[0] = struct clone_args (an AREA
	 * argument), arg[1] = its size. The interpreter writes the stack of the pie_thread into it.
	 * The result is checked as for CALL. */
	PIE_OP_SPAWN,
	/* As CALL with five arguments, then compares the u32 at arg[5] (an address) with `want`.
	 * When it differs, runs the next step (which undoes the call) and tries again, `limit`
	 * times at most, then fails with -ELOOP; when it is equal, the next step is skipped. */
	PIE_OP_UNTIL,
	/* Tells the host (arrived++), then waits until area.stage >= arg[0]. */
	PIE_OP_BARRIER,
	/* rt_sigreturn into the frame at arg[0] (an address); does not come back. */
	PIE_OP_RETURN,
	/* exit(arg[0]) of this thread only. */
	PIE_OP_EXIT,
	PIE_OP_MAX,
};

/* How arg[i] is read. */
enum pie_arg {
	PIE_ARG_CONST = 0, /* the value itself */
	PIE_ARG_AREA,      /* base + value: an address inside the area */
	PIE_ARG_RESULT,    /* the result of step number `value` of this program */
	PIE_ARG_LOAD32,    /* the u32 stored at base + value when the step runs */
	PIE_ARG_LOAD64,    /* the u64 stored at base + value when the step runs */
	PIE_ARG_MAX,
};

enum pie_expect {
	PIE_EXPECT_ANY = 0, /* nothing; the host looks at the result later */
	PIE_EXPECT_NONNEG,  /* not an errno (the kernel's -4095..-1) */
	PIE_EXPECT_EXACT,   /* equal to `want` */
	PIE_EXPECT_MAX,
};

struct pie_step {
	uint8_t op;
	uint8_t expect;
	uint8_t arg_kind[PIE_ARGS];
	uint32_t nr;
	uint32_t limit; /* UNTIL: tries */
	int64_t want;
	int64_t result; /* out: what the call returned, PIE_NOT_RUN before */
	uint64_t arg[PIE_ARGS];
};

#define PIE_NOT_RUN INT64_MIN

enum pie_state {
	PIE_STATE_IDLE = 0,
	PIE_STATE_RUNNING,
	PIE_STATE_FAILED, /* step `failed` gave an unexpected result */
	PIE_STATE_DONE,   /* every step before `tail` went well */
};

/* What a thread does when a step fails. */
enum pie_on_failure {
	PIE_FAIL_TAIL = 0, /* dump: go on at step `tail` */
	PIE_FAIL_WAIT,     /* restore: failures++, arrived++, then wait to be killed */
};

struct pie_thread {
	uint32_t state;      /* out: enum pie_state */
	uint32_t on_failure; /* enum pie_on_failure */
	uint32_t failed;     /* out: index of the step that failed, else PIE_NO_STEP */
	uint32_t n_steps;
	uint32_t tail; /* the first of the steps that end the program, failed or not */
	uint32_t reserved;
	uint64_t steps;   /* offset of struct pie_step[n_steps] */
	uint64_t stack;   /* offset of its stack's lowest byte; PIE_STACK bytes */
	uint64_t sigmask; /* signals blocked while the program runs, set before the stack is used */
};

struct pie_area {
	uint32_t magic;
	uint32_t version;
	uint32_t pages; /* the whole area, in 4 KiB pages */
	uint32_t n_threads;
	uint32_t stage;    /* futex: the stage that the host allows; only the host writes it */
	uint32_t arrived;  /* futex: counts BARRIERs reached and failures; only targets write it */
	uint32_t failures; /* count of threads that failed with PIE_FAIL_WAIT */
	uint32_t never;    /* futex: always 0, waited on for ever */
	uint64_t threads;  /* offset of struct pie_thread[n_threads] */
};

_Static_assert(sizeof(struct pie_step) == 80, "wire struct");
_Static_assert(sizeof(struct pie_thread) == 48, "wire struct");
_Static_assert(sizeof(struct pie_area) == 40, "wire struct");
