#pragma once
/*
 * Reading one protobuf message whose bytes nobody vouches for.
 *
 * The library's own decoder recurses as deep as the bytes say, takes as much memory as they ask for
 * and tells nothing but "no". This one walks the same descriptors into the same structs, but bounds
 * depth and memory, and says what is wrong and where. Everything it makes lives in an arena.
 */
#include "image/error.h"

/* Messages may be nested this deep. Real ones are not, but for trees of cgroups and policies. */
#define MESSAGE_DEPTH_MAX 100

/* A message may take this many times its encoded size in memory, and a little more. The worst that
 * the schema can do is 36 times: a list of empty cgroup controllers. Real images are below ten. */
#define MESSAGE_GROWTH_MAX 40
#define MESSAGE_SLACK      65536

/*
 * Decodes len bytes as a message of type d into memory of the arena. Fields that the type does not
 * have are kept as unknown fields, enum values that it does not have as numbers; both are the
 * caller's to judge. Strings hold no NUL bytes, required fields are there.
 *
 * 0, -ENOMEM, or -EUCLEAN with err filled: file is left to the caller, offset counts from the
 * message's first byte.
 */
int message_decode(const ProtobufCMessageDescriptor *d, const void *bytes, size_t len,
		   struct arena *a, struct image_error *err, ProtobufCMessage **ret_msg) nodiscard;

/* Bytes that one element of a field takes in its message's struct, or in its array. */
size_t message_element_size(const ProtobufCFieldDescriptor *fd);
