#pragma once
/* The build-id of an ELF file: the note that names one build of a program or library. */
#include "base/base.h"

#define BUILD_ID_MAX 64

struct build_id {
	size_t len; /* 20 mostly */
	uint8_t bytes[BUILD_ID_MAX];
};

/*
 * Finds NT_GNU_BUILD_ID among notes (contents of a PT_NOTE segment). -ENOENT when it is not there,
 * -EINVAL on damaged notes or an id of impossible length.
 */
int build_id_parse(const void *notes, size_t len, struct build_id *ret) nodiscard;

/*
 * Reads it from a file open for reading: headers and the first 4 KiB of each note segment. -ENOENT:
 * an ELF file without build-id; -ENOEXEC: no ELF file of this machine's byte order; -EINVAL:
 * damaged.
 */
int build_id_read(int fd, struct build_id *ret) nodiscard;
