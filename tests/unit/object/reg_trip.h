#pragma once
/*
 * Files with a path, there and back in one process: it is the task that is dumped itself; its
 * descriptors go through collect, encode and write into images in a scratch directory, and from
 * there through load, decode, check, plan and create into fresh descriptors.
 */
#include "unit/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/undo.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/path_common.h"
#include "object/file/remap.h"
#include "schema/fdinfo.pb-c.h"

#define FILES_MAX 16

struct fixture {
	char dir[64];    /* scratch: files of the task, and img/ */
	char start[512]; /* where we were */
	struct report report;
	struct policy policy;
	struct arena arena;

	/* Dump. */
	struct model source;
	struct collect collect;
	struct live_task live;
	struct undo dump_undo;

	/* What would be in files.img. */
	FileEntry *entries[FILES_MAX];
	size_t n_entries;

	/* Restore. */
	struct model model;
	struct load_images in;
	struct env env;
	struct undo undo;
};

/* For cmocka: a fresh fixture in *state, in a directory of its own; and its end. */
int begin(void **state);
int end(void **state);

/* The file behind one of our descriptors. */
int collect(struct fixture *x, int fd, struct file **ret);

/* The same, which must go well: the file's number in the images. */
uint32_t dump(struct fixture *x, int fd);

/* All files collected, as a dump would write them. */
void write_images(struct fixture *x);

/* The steps of a restore: 0 or the first -errno. check() goes on after an error. */
int load(struct fixture *x);
int check(struct fixture *x);
int create(struct fixture *x);

/* Everything from the write of a dump to the end of a restore, without a complaint. */
void go(struct fixture *x);

/* The descriptor that the restore made for a file. */
int made(const struct fixture *x, uint32_t id);

/* Whether something was reported under this code. */
bool has_code(const struct fixture *x, enum code code);

/* A new file with this content, open with these flags. */
int make_file(const char *name, const char *content, int flags);

/* Whether two descriptors are of one inode. */
bool is_same_file(int a, int b);

/* What /proc says of the two is the same. */
void assert_link(int fd, int like);
void assert_content(int fd, const char *content);
void assert_stat_equal(int fd, int like);

/* Names in the task's directory, without images. */
int count_names(void);
