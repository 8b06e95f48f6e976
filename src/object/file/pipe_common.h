#pragma once
/*
 * What is inside pipes and FIFOs: bytes, packets (O_DIRECT), capacity. Reading leaves the pipe as
 * it is: tee(2) copies references to the buffers into a pipe of ours.
 */
#include "base/map.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/images.h"
#include "schema/pipe-data.pb-c.h"

/* Memory belongs to the arena it was read with. */
struct pipe_data {
	uint32_t id;
	uint32_t capacity; /* bytes; 0 when unknown */
	uint32_t len;
	uint8_t *bytes;
	uint32_t *pieces; /* length << 1 | is a packet; NULL when there is no packet */
	size_t n_pieces;
};

/*
 * Dump: copies what is in the pipe behind fd, a reading end. packets: there may be some, so look at
 * every buffer by itself. The id is left to the caller. -ENOMEM, -EPERM when the pipe is larger
 * than we may make one, -errno of pipe2(2), tee(2), splice(2).
 */
int pipe_data_read(int fd, bool packets, struct arena *arena, struct pipe_data *ret) nodiscard;

/* Appends it to an image of pipe_data_entry. -errno of image_write(). */
struct image_writer;
int pipe_data_write(struct image_writer *out, const struct pipe_data *d) nodiscard;

/*
 * Restore: reads a whole image of them, PIPES_DATA or FIFO_DATA, into a map (0, id) -> struct
 * pipe_data, all in memory of the load's arena. An image that is not there is empty. Reported.
 */
enum image_type;
int pipe_data_load(struct load_images *in, enum image_type type, struct map *by_id) nodiscard;

/* Whether this host lets us have a pipe of that size. Reported: E-LIMIT. d may be NULL. */
struct check;
int pipe_data_check(struct check *k, const struct pipe_data *d) nodiscard;

/*
 * Gives a fresh, empty pipe its capacity and its contents. fd: a writing end (or both); its status
 * flags are used and left different. Reported: E-LIMIT, E-IMAGE-DAMAGED when it does not fit.
 */
int pipe_data_put(struct env *env, const struct pipe_data *d, int fd) nodiscard;
