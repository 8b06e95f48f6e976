#pragma once
/* /proc/PID/mountinfo: the mounts of a task's mount namespace, as seen from its root directory. */
#include "kernel/proc/dir.h"

struct proc_mount {
	int id, parent; /* the topmost mount's parent is not in the list, or itself */
	uint32_t major, minor;
	/* Borrowed, escaped: span_unescape(). */
	struct span root;       /* the part of the filesystem that is mounted: "/", "/dir" */
	struct span mountpoint; /* relative to the task's root */
	struct span options;    /* of the mount: "rw,relatime" */
	/* Optional fields. */
	int shared, master, propagate_from; /* peer group ids, 0: none */
	bool unbindable;
	struct span type;   /* "ext4", "fuse.sshfs" */
	struct span source; /* "/dev/sda1", "none", maybe "" */
	struct span super_options;
};

/*
 * The next line of *s: 1 and *ret; 0 at the end; -EINVAL on damage. Unknown optional fields are
 * passed over.
 */
int proc_mount_next(struct scan *s, struct proc_mount *ret) nodiscard;
/* Reads the file into *text. -ESRCH: the task is gone or has no mount namespace any more. */
int proc_mountinfo_read(const struct proc_pid *p, struct proc_text *text) nodiscard;

/* Whether a comma-separated list has the word ("rw" in "rw,relatime"). */
bool proc_mount_option(struct span options, const char *word);
