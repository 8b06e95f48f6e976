#pragma once
/*
 * What sockets of all families have in common: how a socket is recognised, and the options of level
 * SOL_SOCKET (with the keepalive times of TCP) between getsockopt(2), setsockopt(2) and images.
 * Queues are sk_queue.h's.
 */
#include "object/collect.h"
#include "object/env.h"

struct SkOptsEntry;

/* Whether a descriptor is a socket of this family (AF_*). For match(). */
bool sk_is_of(const struct fd_view *v, int family);

/* An int option. -errno of getsockopt(2) and setsockopt(2); not reported. */
int sk_get_int(int fd, int level, int name, int *ret) nodiscard;
int sk_set_int(int fd, int level, int name, int value) nodiscard;

/*
 * Dump: reads the options of a socket (borrowed) into a message in memory of the arena. What the
 * socket's family does not know is left out. Reported, E-SYSTEM.
 */
int sk_opts_read(struct report *rep, int fd, struct arena *arena,
		 struct SkOptsEntry **ret) nodiscard;

/* Restore: whether the options of an image can be used at all: -EUCLEAN when not. */
int sk_opts_check(const struct SkOptsEntry *o) nodiscard;

/*
 * Restore: gives a socket these options, as far as they differ from what it has. Sizes of buffers
 * and time-outs hamper whoever fills queues: use it when that is done. Addresses are bound before
 * or after: reuseaddr and reuseport count at bind(2), see sk_opts_apply_reuse(). Reported:
 * E-SYSTEM, with the option's name.
 */
int sk_opts_apply(struct env *env, int fd, const struct SkOptsEntry *o) nodiscard;

/* Restore: reuseaddr, reuseport and the bound device alone, before bind(2). Reported. */
int sk_opts_apply_reuse(struct env *env, int fd, const struct SkOptsEntry *o) nodiscard;

/*
 * Restore: makes a queue long enough for `bytes` more than fit by default (SO_SNDBUFFORCE, or
 * SO_RCVBUFFORCE when `receive`), until sk_opts_apply() sets what it was. -errno; not reported.
 */
int sk_buffer_raise(int fd, bool receive, size_t bytes) nodiscard;
