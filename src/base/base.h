#pragma once
/*
 * The words every file uses: attributes, min/max, container_of, arrays. Owns nothing but macros
 * that a function could not replace.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define MIN(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) min_a_ = (a);                                                        \
		__typeof__(b) min_b_ = (b);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})

#define MAX(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) max_a_ = (a);                                                        \
		__typeof__(b) max_b_ = (b);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

#define ROUND_UP(x, to)   ((((x) + (to)-1) / (to)) * (to))
#define ROUND_DOWN(x, to) (((x) / (to)) * (to))

#undef PAGE_SIZE /* <sys/user.h> has one too */
#define PAGE_SIZE 4096UL /* x86-64; image addresses and counts are in these units too */

#define attr_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define nodiscard              __attribute__((warn_unused_result))
#define unused                 __attribute__((unused))

/* An address in a target. A type of its own, so that it cannot be dereferenced or mixed with ours.
 */
typedef struct {
	uint64_t va;
} remote_t;

/* Microseconds, of a clock or a duration. */
typedef uint64_t usec_t;

#define REMOTE(x) ((remote_t){ .va = (x) })
