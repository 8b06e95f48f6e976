#pragma once
/*
 * The statistics files stats-dump and stats-restore, which lie in the work directory and belong to
 * no dump: no manifest lists them.
 */
#include "image/error.h"

struct StatsEntry;

/*
 * Writes IMAGE_STATS or IMAGE_STATS_RESTORE into a directory (borrowed), replacing an older file.
 * 0, -ENOMEM, or the errno of openat2(2) or write(2), with err filled.
 */
int stats_write(int dir_fd, enum image_type type, const struct StatsEntry *entry,
		struct image_error *err) nodiscard;
