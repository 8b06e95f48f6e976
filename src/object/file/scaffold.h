#pragma once
/*
 * Scaffold: names in the file system that exist only while open files are being made, and are taken
 * away in reverse order, also when the restore fails (env->undo). A name is removed only while it
 * still leads to the inode that was made there.
 */
#include "object/env.h"

struct scaffold;

/* Names are beneath env->root_fd. Owned by the caller, who frees it when it is clear. NULL when out
 * of memory. */
struct scaffold *scaffold_new(struct env *env);
void scaffold_free(struct scaffold *s);

/* Notes a name that was just made: a descriptor of its directory (borrowed), its last component,
 * and the whole name for messages. Removes it at once when it cannot be noted. 0 or -errno. */
int scaffold_note(struct scaffold *s, int dir, const char *base, const char *name) nodiscard;

/*
 * Opens the directory that a name lies in, making the missing ones above it (mode 0755, noted).
 * *ret_fd (O_PATH) is the caller's, *ret_base lies in name. 0 or -errno.
 */
int scaffold_parent(struct scaffold *s, const char *name, const char **ret_base,
		    int *ret_fd) nodiscard;

/* Takes everything away that was noted. */
void scaffold_clear(struct scaffold *s);
