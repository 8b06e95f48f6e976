#pragma once
/*
 * File locks as /proc/locks and the "lock:" lines of fdinfo print them. Both show only locks whose
 * owner is visible in the reader's pid namespace; fdinfo shows those held through that descriptor.
 */
#include "kernel/proc/dir.h"

enum proc_lock_kind {
	PROC_LOCK_POSIX,  /* fcntl F_SETLK, owned by a task (its fd table) */
	PROC_LOCK_OFD,    /* fcntl F_OFD_SETLK, owned by an open file */
	PROC_LOCK_FLOCK,  /* flock(2), owned by an open file */
	PROC_LOCK_LEASE,  /* fcntl F_SETLEASE */
	PROC_LOCK_DELEG,  /* delegation of a file server */
	PROC_LOCK_ACCESS, /* mandatory access lock of other file servers (before 5.15) */
};

enum proc_lock_type {
	PROC_LOCK_READ,
	PROC_LOCK_WRITE,
	PROC_LOCK_UNLOCK,
	PROC_LOCK_RW,
	PROC_LOCK_NONE
};

enum proc_lease_state { PROC_LEASE_ACTIVE, PROC_LEASE_BREAKING, PROC_LEASE_BREAKER };

struct proc_lock {
	uint64_t number; /* of the line; waiters carry the number of what they wait for */
	bool waits;      /* "->": not held, waiting */
	enum proc_lock_kind kind;
	bool mandatory;
	enum proc_lease_state lease; /* LEASE and DELEG; before BREAKING the type is the old one */
	enum proc_lock_type type;
	pid_t pid; /* 0: nobody here, -1: an open file's (OFD) */
	uint32_t major, minor;
	uint64_t ino;
	uint64_t start, end; /* bytes, inclusive; end UINT64_MAX: to the end of the file */
};

/* Parses one line, without its "lock:\t" in fdinfo. -EINVAL. */
int proc_lock_parse(const char *text, size_t len, struct proc_lock *ret) nodiscard;
/* The next line of *s (of /proc/locks): 1 and *ret; 0 at the end; -EINVAL. */
int proc_lock_next(struct scan *s, struct proc_lock *ret) nodiscard;
/* Reads /proc/locks into *text. */
int proc_locks_read(struct proc_text *text) nodiscard;
