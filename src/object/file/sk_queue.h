#pragma once
/*
 * What waits in the receive queue of a unix socket: messages, or the bytes of a stream, with the
 * open files, credentials and sender's name that came with them. Reading leaves the queue as it is
 * (MSG_PEEK); the descriptors that the kernel makes for files in flight are ours.
 *
 * Not kept: where in a stream the message with files began. A look shows it together with the bytes
 * before it, whatever is asked for; so the files come with the first of these bytes.
 */
#include "object/collect.h"
#include "object/env.h"

struct image_error;
struct image_writer;

#define SK_NAME_MAX 108

struct sk_cred {
	uint32_t pid, uid, gid;
};

/* Memory belongs to the arena of the dump or of the load. */
struct sk_packet {
	uint8_t *bytes;
	uint32_t len;
	struct file **files; /* in flight; borrowed */
	uint32_t *ids;       /* theirs */
	size_t n_files;
	bool has_cred;
	struct sk_cred cred;
	uint8_t *sender; /* name of the sender of a datagram */
	size_t sender_len;
};

struct sk_queue {
	VEC(struct sk_packet);
	size_t n_sent; /* restore: so many are in the queue already */
};

void sk_queue_done(struct sk_queue *q);

/* Descriptors that were received and must stay open while the dump goes on; owned. */
struct sk_held {
	VEC(int);
};
void sk_held_done(struct sk_held *h);

/*
 * Dump: copies the queue of the socket behind fd (a duplicate, borrowed) of task t. is_stream:
 * bytes without boundaries. Options of the socket are changed for the while. Files in flight are
 * met. Reported.
 */
int sk_queue_read(struct collect *c, struct task *t, int fd, bool is_stream, struct sk_held *held,
		  struct sk_queue *ret) nodiscard;

/* Appends a queue to SK_QUEUES. -errno of image_write(). */
int sk_queue_write(struct image_writer *out, uint32_t id_for, const struct sk_queue *q) nodiscard;

/* Restore: one record of SK_QUEUES with what it is for. */
typedef int (*sk_packet_fn)(void *ctx, uint32_t id_for, const struct sk_packet *p);

/* Reads the image, which may be missing. fn takes a copy of the struct. Reported. */
int sk_queues_load(struct load_images *in, sk_packet_fn fn, void *ctx) nodiscard;

/* Finds the files of a queue; -EUCLEAN when one is not there. They are marked as in flight. */
int sk_queue_resolve(const struct model *m, struct sk_queue *q) nodiscard;

/*
 * Restore: sends one packet over fd, which is connected to the receiver. Never waits. -EAGAIN when
 * the queue is full, -EBADF when a file in it was not made yet, -ESRCH when the task whose
 * credentials it carries does not exist, -errno of sendmsg(2).
 */
int sk_packet_send(struct env *env, int fd, const struct sk_packet *p) nodiscard;
