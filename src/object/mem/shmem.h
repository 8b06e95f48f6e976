#pragma once
/*
 * Restore of shared segments, anonymous ones and memfds alike, by the broker before any file is
 * made: shmem_create(), the engine fills made_fd with the stored pages, shmem_settle(). Both
 * report.
 */
#include "object/env.h"

/* Makes an empty segment of the right size and type; s->made_fd can be written and mapped. memfds:
 * memfd_create(2); anonymous ones: mmap(2) and /proc/self/map_files, so that they look as before.
 */
int shmem_create(struct env *env, struct shmem *s) nodiscard;

/*
 * When it is filled: owner, mode, and all seals but those that a mapping still to be made would
 * fail on (s->late_seals).
 *
 * s->made_fd of a memfd stays the description that memfd_create(2) gave: the only one that can be
 * written without keeping the memfd from being executed.
 */
int shmem_settle(struct env *env, struct shmem *s) nodiscard;

/* Adds the late seals, when every task has its mappings. */
int shmem_seal_late(struct env *env, struct shmem *s) nodiscard;
