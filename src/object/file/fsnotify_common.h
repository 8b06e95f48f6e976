#pragma once
/*
 * What inotify and fanotify have in common: marks on inodes, which the kernel tells of by file
 * handle (fdinfo), and images by path where one leads there.
 */
#include "object/collect.h"
#include "object/env.h"

struct FhEntry;

#define HANDLE_MAX 128 /* bytes: more than MAX_HANDLE_SZ of any file system so far */

/* One line of fdinfo, or one record of an image. What a line does not have is 0. */
struct mark {
	uint32_t wd;
	uint32_t flags, event_flags; /* the line of a fanotify group itself */
	uint32_t mflags, mask, ignored;
	uint32_t mnt_id;
	bool is_group, is_inode, is_mount;

	uint64_t ino;
	uint32_t sdev; /* the kernel's inner encoding: major << 20 | minor */
	uint32_t handle_type, handle_len;
	uint8_t handle[HANDLE_MAX];

	const char *path; /* in an arena; NULL: none leads there */
	uint32_t file_id; /* an open file of that inode, where no path leads; 0: none */
};

/* Reads "key:value" words; unknown ones are passed over. -EINVAL. */
int mark_scan(const char *text, struct mark *ret) nodiscard;

/* Dump, when all files are known: finds the path of a mark on an inode, or an open file of it.
 * Reported: E-FILE-UNREACHABLE. */
int mark_resolve(struct collect *c, const struct file *f, struct mark *k) nodiscard;

/* The handle as a message in memory of the arena; NULL when out of memory. */
struct FhEntry *mark_encode_handle(const struct mark *k, struct arena *arena) nodiscard;
/* The reverse; the path stays the message's. -EUCLEAN. */
int mark_decode_handle(struct mark *k, const struct FhEntry *e) nodiscard;

/* Restore: an O_PATH descriptor of the marked inode, the caller's. Reported. */
int mark_open(struct env *env, const struct mark *k, int *ret_fd) nodiscard;
