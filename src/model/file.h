#pragma once
/*
 * Open file descriptions, the tables that hold them, and the slots in between. Kinds derive from
 * struct file by placing it first in a struct of their own.
 */
#include <sys/types.h>

#include "base/vec.h"

struct file_kind; /* a row of object/kinds.def; opaque here */
struct task;

/* Who gets SIGIO (F_SETOWN_EX); pid is in the tree's pid namespace, 0 when nobody. */
struct fown {
	uint32_t uid, euid;
	uint32_t signum;
	uint32_t pid_type; /* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP as the kernel numbers its pid
			      types */
	uint32_t pid;
};

struct file {
	const struct file_kind *kind;
	uint32_t id;    /* unique in the dump, from 1 */
	uint32_t flags; /* O_* as fdinfo shows them, without O_CLOEXEC */
	uint64_t pos;
	struct fown fown;
	int mnt_id;   /* -1 when unknown */
	uint64_t dev; /* kernel encoding, of the inode behind it */
	uint64_t ino;
	uint32_t mode; /* st_mode */

	/* Where it is met first: the handle through which a descriptor is borrowed on dump, and a
	 * user to name in reports. */
	struct task *task;
	uint64_t map_start, map_end; /* FILE_USER_MAP: the range of the mapping */
	int fd; /* slot in that task, or -1 - n for special users (see enum file_user) */
	int queue_fd; /* dump, FILE_USER_QUEUE: our own descriptor of it */

	bool is_refused; /* dump: cannot be taken in, which was reported; the rest of it is not there */

	/* Restore. */
	int made_fd;        /* the maker's descriptor, or -EBADF until created */
	struct task *maker; /* NULL: the broker */
	int planned_fd;     /* made by a task: the number it has there, known to everybody */
	bool in_slots;      /* some table has it (else only mapped, cwd, exe, in flight...) */
	bool in_queue; /* is in flight in some queue */
	bool settled;
	bool is_name_only; /* of a file of another kind: neither looked at nor opened */
};

/* Users of a file that are not descriptor slots. */
enum file_user {
	FILE_USER_EXE = -2,
	FILE_USER_CWD = -3,
	FILE_USER_ROOT = -4,
	FILE_USER_MAP = -5,   /* a mapping: see the vma */
	FILE_USER_QUEUE = -6, /* in flight in a socket queue */
};

struct slot {
	int fd;
	bool cloexec;
	struct file *file;
};

/* A files_struct; may be shared by several tasks. */
struct fdtable {
	uint32_t id;
	struct task *owner; /* the first task that has it: it is filled there */
	unsigned users;
	struct {
		VEC(struct slot);
	} slots; /* in ascending order of fd */
};
