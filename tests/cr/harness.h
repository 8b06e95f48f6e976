#pragma once
/*
 * Tests of dump and restore from the inside: a test is a program that makes some state, calls
 *cr_point(), and checks the state. In between it is dumped and restored by the stasis binary
 *($STASIS).
 *
 *	CR_TEST(eventfd, counter_survives)
 *	{
 *		int fd = eventfd(7, 0);
 *		uint64_t seen;
 *
 *		cr_point();
 *		ASSERT_EQ(read(fd, &seen, sizeof(seen)), (ssize_t)sizeof(seen));
 *		ASSERT_EQ(seen, 7);
 *	}
 *
 * Each test runs as a process of its own (a session leader in an empty directory of its own,
 *descriptors 0 to 2 on files) in two flavours: `killed` (dumped, gone, restored) and `live` (dumped
 *with --leave-running, goes on). Both must pass. A failure keeps directory and images and prints
 *the command that repeats it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cr_test {
	const char *kind, *name;
	void (*run)(void);
	/* Further options of dump and restore, separated by blanks; NULL for none. */
	const char *dump_options, *restore_options;
	/* The dump must be refused with this code, and the test goes on unharmed. */
	const char *refused;
	/* Reason for which this machine cannot run it, or NULL. */
	const char *(*skip)(void);
	bool live_only; /* has no killed flavour */
	bool outsiders; /* its orphans live on outside of the tree: only its first process ends */
	struct cr_test *next;
};

void cr_register(struct cr_test *t);

/* Named fields of struct cr_test may follow: CR_TEST(reg, deleted, .dump_options = "--link-remap").
 */
#define CR_TEST(kind_, name_, ...)                                                                 \
	static void cr_run_##kind_##_##name_(void);                                                \
	static struct cr_test cr_test_##kind_##_##name_ = {                                        \
		.kind = #kind_, .name = #name_, .run = cr_run_##kind_##_##name_, __VA_ARGS__       \
	};                                                                                         \
	__attribute__((constructor)) static void cr_add_##kind_##_##name_(void)                    \
	{                                                                                          \
		cr_register(&cr_test_##kind_##_##name_);                                           \
	}                                                                                          \
	static void cr_run_##kind_##_##name_(void)

/* In the test's first process: dumped and restored here. */
void cr_point(void);
/* Ends the test's process as failed. */
_Noreturn void cr_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (!(cond))                                                                       \
			cr_fail(__FILE__, __LINE__, "%s (errno %s)", #cond, strerror(errno));      \
	} while (0)
#define ASSERT_EQ(a, b)                                                                            \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		if (a_ != b_)                                                                      \
			cr_fail(__FILE__, __LINE__, "%s is %lld, not %s = %lld (errno %s)", #a,    \
				a_, #b, b_, strerror(errno));                                      \
	} while (0)
#define ASSERT_STR(a, b)                                                                           \
	do {                                                                                       \
		const char *a_ = (a), *b_ = (b);                                                   \
		if (strcmp(a_, b_) != 0)                                                           \
			cr_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, a_, b_);       \
	} while (0)
