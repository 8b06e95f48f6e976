#pragma once
/*
 * Scope cleanup. `scoped(fd_close) int fd = ...` runs fd_close on fd when the block ends; a value
 * that owns nothing (negative descriptor, NULL) is accepted. The owner moves out with fd_take() or
 * ptr_take().
 *
 * A type takes part by SCOPED(type, function) beside the function's prototype.
 */
#define scoped(f) __attribute__((cleanup(scoped_##f)))

#define SCOPED(type, f)                                                                            \
	static inline void scoped_##f(type *p)                                                     \
	{                                                                                          \
		f(*p);                                                                             \
	}                                                                                          \
	struct scoped_##f##_needs_semicolon

/* For embedded objects that are handed to their *_done() by address. */
#define SCOPED_OBJECT(type, f)                                                                     \
	static inline void scoped_##f(type *p)                                                     \
	{                                                                                          \
		f(p);                                                                              \
	}                                                                                          \
	struct scoped_##f##_needs_semicolon

/* Moves a pointer out of a scoped variable: gives the value, leaves NULL behind. */
#define ptr_take(pp)                                                                               \
	({                                                                                         \
		__typeof__(*(pp)) taken_ = *(pp);                                                  \
		*(pp) = NULL;                                                                      \
		taken_;                                                                            \
	})
