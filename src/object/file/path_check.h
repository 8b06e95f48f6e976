#pragma once
/* Restore: whether what lies at a path now is what was open there. */
#include "object/file/path_common.h"

struct stat;

/*
 * Compares what an O_PATH descriptor leads to with the file: its type always; mode, size and
 * build-id as the policy says, once. *ret_st is what was found. All differences are reported
 * (E-FILE-CHANGED).
 */
int path_compare(struct report *rep, const struct policy *policy, struct path_file *pf, int probe,
		 struct stat *ret_st) nodiscard;

/* The descriptor that the user gave for it (--inherit-fd), by its key or its path; -EBADF: none. */
int path_file_inherited(const struct policy *policy, const struct path_file *pf);
/* An external file for which nothing was given. */
int path_external_refuse(struct report *rep, const struct path_file *pf);
