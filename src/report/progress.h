#pragma once
/*
 * A bar on a terminal for work that takes longer than half a second:
 *
 *	dumping [=========>          ]  47%  1.0 GiB of 2.1 GiB  830 MiB/s
 *
 * Nothing is ever drawn when the descriptor is not a terminal. Bytes may be added by several
 * threads; one of them draws, at most ten times a second. Callers that have no progress pass NULL.
 */
#include "base/base.h"

struct progress;

/* Gives a bar for `fd` (borrowed) that starts with `verb` (a static string), or NULL: no terminal,
 * or no memory. Owned by the caller. */
struct progress *progress_new(int fd, const char *verb);
/* Clears the line if something was drawn. NULL is fine. */
void progress_free(struct progress *p);
/* Adds to what is to be done; the share shown may shrink. */
void progress_expect(struct progress *p, uint64_t bytes);
/* So much is done now. Has the form of the pump's callback. */
void progress_add(void *p, uint64_t bytes);
