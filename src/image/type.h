#pragma once
/*
 * The kinds of image files (images.def): their names, magics and messages. What the bytes between
 * records are is in walk.h.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/base.h"

/* "No number" for the images that exist once. */
#define IMAGE_ONE 0

#define IMAGE_NAME_MAX 64

#define IMAGE_MAGIC_COMMON  0x54564319u
#define IMAGE_MAGIC_SERVICE 0x55105940u

enum image_type {
#define IMAGE(name, file, lead, magic, entry, payload)              IMAGE_##name,
#define IMAGE_HEADED(name, file, lead, magic, head, entry, payload) IMAGE_##name,
#define IMAGE_RAW(name, file)                                       IMAGE_##name,
#include "image/images.def"
#undef IMAGE
#undef IMAGE_HEADED
#undef IMAGE_RAW
	IMAGE_TYPES,
};

/* The word before a file's own magic. */
enum image_lead {
	IMAGE_LEAD_NONE,
	IMAGE_LEAD_COMMON, /* may be missing in images of version 1 */
	IMAGE_LEAD_SERVICE,
};

/* The raw bytes that follow records; the names say whose they are. */
enum image_payload {
	PAYLOAD_NONE,
	PAYLOAD_PIPE,
	PAYLOAD_SOCKET,
	PAYLOAD_TCP,
	PAYLOAD_BPF_MAP,
	PAYLOAD_SHM,
	PAYLOAD_MSG,
	PAYLOAD_SEM,
	PAYLOAD_GHOST,
};

struct image_form {
	const char *name; /* "CORE", as the JSON form says */
	const char *file; /* "core-%u.img" */
	enum image_lead lead;
	uint32_t magic;                          /* 0: a raw file */
	const ProtobufCMessageDescriptor *head;  /* of the first record, or NULL: like all others */
	const ProtobufCMessageDescriptor *entry; /* NULL: a raw file */
	enum image_payload payload;
};

/* The row of a type. Never NULL. */
const struct image_form *image_form(enum image_type type);

/* The name of image number `id` of a type, as "core-812.img"; id is left out where the name has no
 * number. */
void image_name(enum image_type type, uint64_t id, char ret_name[IMAGE_NAME_MAX]);

/* The type and number that belong to a file name; -ENOENT when it is not the name of an image. */
int image_name_parse(const char *name, enum image_type *ret_type, uint64_t *ret_id) nodiscard;

/* The first type with this magic of its own; -ENOENT when there is none. */
int image_type_by_magic(uint32_t magic, enum image_type *ret_type) nodiscard;
