#pragma once
/*
 * The undo stack: whoever changes the outside world pushes the reverse at that moment. Failure runs
 * the stack, newest first; success forgets it.
 */
#include "base/base.h"

struct undo_entry;
struct undo {
	struct undo_entry *top;
};

/* The reverse of one change. Must not fail visibly: it reports its own trouble, if any. */
typedef void (*undo_fn)(void *arg);

/*
 * Pushes fn(arg). When there is no memory for the entry, fn(arg) runs at once and -ENOMEM is
 * returned, so a change never stays without its reverse. `what` is a static string for the log.
 */
int undo_push(struct undo *u, const char *what, undo_fn fn, void *arg) nodiscard;
/* Runs and removes everything, newest first. */
void undo_run(struct undo *u);
/* Removes the entries of fn(arg) without running them; how many there were. */
size_t undo_forget(struct undo *u, undo_fn fn, const void *arg);
/* Removes everything without running it: success. */
void undo_forget_all(struct undo *u);
bool undo_is_empty(const struct undo *u);
