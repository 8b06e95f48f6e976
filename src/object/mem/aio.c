/*
 * Contexts of asynchronous I/O (io_setup(2)). A context is a mapping, "/[aio]", that begins with a
 * header and goes on with a ring of finished requests; the rest of it is in the kernel. Its number
 * is the address of the mapping, and moves with it.
 *
 *	header	id, nr, head, tail, ...		head: next to be fetched, tail: next to be finished
 *	events	nr of 32 bytes
 *
 * On restore a context with as many events is made and moved. The kernel keeps the tail to itself,
 * so it is brought there by requests that do nothing; then the old events are put back.
 *
 * Not covered: requests that are in flight. The kernel shows them to nobody; only those that finish
 * while we dump are noticed, and then the dump is refused.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "kernel/mem.h"
#include "kernel/proc/maps.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/mem/vma_common.h"

#define AIO_MAGIC 0xa10a10a1u

/* The kernel's struct aio_ring, which its headers do not show. */
struct ring {
	uint32_t id; /* in the kernel's table; io_submit(2) reads it from here */
	uint32_t nr; /* events there is room for */
	uint32_t head, tail;
	uint32_t magic;
	uint32_t compat_features, incompat_features;
	uint32_t header_length;
	struct io_event events[];
};
static_assert(sizeof(struct ring) == 32 && sizeof(struct io_event) == 32, "as in the kernel");

/* Requests at once. */
#define BATCH 64

static uint64_t ring_room(uint64_t bytes)
{
	return (bytes - sizeof(struct ring)) / sizeof(struct io_event);
}

/*
 * What io_setup(2) must be asked for to give a ring of this length: it doubles the number, adds two
 * and rounds up to pages.
 */
static uint32_t ring_requests(uint64_t bytes)
{
	return (uint32_t)((ring_room(bytes) - 2) / 2);
}

/* ---- dump ---- */

static bool aio_match(const struct vma *v)
{
	return v->map_kind == PROC_MAP_FILE && v->deleted && strcmp(v->name, "/[aio]") == 0;
}

static int ring_read(struct collect *c, const struct task *t, const struct vma *v, struct ring *ret)
{
	scoped(mem_remote_done) struct mem_remote mem = mem_remote_of(&live_of(t)->proc);
	int r = mem_read(&mem, REMOTE(v->start), ret, sizeof(*ret));

	return r < 0 ? report_fail(c->report, r, "cannot read the ring") : 0;
}

static int aio_collect(struct collect *c, struct task *t, struct vma *v)
{
	struct ring ring;
	int r = ring_read(c, t, v, &ring);

	if (r < 0)
		return r;
	if (ring.magic != AIO_MAGIC || ring.nr != ring_room(v->end - v->start) ||
	    ring.head >= ring.nr || ring.tail >= ring.nr)
		return report_refuse(c->report, -ENOTSUP, CODE_AIO,
				     "its ring is not as the kernel made it");
	v->flags = MAP_SHARED;
	v->status = VMA_AIORING;
	v->has_fdflags = true;
	v->fdflags = O_RDWR;
	r = vec_push(&t->mm->aio_rings,
		     (struct aio_ring){ .id = v->start,
					.nr_req = ring_requests(v->end - v->start),
					.ring_len = (uint32_t)(v->end - v->start),
					.tail = ring.tail });
	return r < 0 ? report_fail(c->report, r, "cannot note it") : 0;
}

/* What finished meanwhile has written to memory that may have been stored before. */
static int aio_confirm(struct collect *c, struct task *t, struct vma *v)
{
	struct ring ring;
	int r = ring_read(c, t, v, &ring);

	vec_for_each(known, &t->mm->aio_rings)
		if (r == 0 && known->id == v->start && known->tail != ring.tail)
			return report_refuse_with(c->report, -ENOTSUP, CODE_AIO,
						  "try again when its I/O is done",
						  "requests finished while it was being dumped");
	return r;
}

/* ---- restore ---- */

static bool aio_match_image(const struct vma *v)
{
	return v->status & VMA_AIORING;
}

static int aio_decode(struct model *m, struct vma *v)
{
	uint64_t len = v->end - v->start;

	if (len > UINT32_MAX || ring_room(len) < 4)
		return -EUCLEAN;
	v->has_pages = true; /* the old ring, which finish() takes apart */
	return 0;
}

static int aio_map(struct env *env, struct vma *v, int prot)
{
	uint64_t len = v->end - v->start;
	struct ring *ring;
	uint64_t ctx = 0;
	void *got;
	int r = sys_io_setup(ring_requests(len), &ctx);

	if (r == -EAGAIN)
		return report_refuse_with(env->report, r, CODE_LIMIT,
					  "raise /proc/sys/fs/aio-max-nr",
					  "no more room for an AIO context of %u requests",
					  ring_requests(len));
	if (r < 0)
		return report_fail(env->report, r, "cannot make an AIO context");
	ring = (struct ring *)(uintptr_t)ctx;
	if (ring->nr != ring_room(len)) {
		(void)!sys_io_destroy(ctx); /* the task is not going to live anyway */
		return report_refuse(env->report, -ENOTSUP, CODE_AIO,
				     "this kernel makes AIO contexts of %u events here, not %llu",
				     ring->nr, (unsigned long long)ring_room(len));
	}
	v->shmid = ring->id; /* pages of the image are going to be put over it */
	r = sys_mremap(ring, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(uintptr_t)v->at,
		       &got);
	if (r < 0)
		return report_fail(env->report, r, "cannot move the AIO context");
	return 0;
}

/* Finishes n requests that do nothing; n is at most BATCH. */
static int requests_spend(uint64_t ctx, int fd, unsigned n)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (uint32_t)fd };
	struct iocb *list[BATCH];
	unsigned done = 0;

	for (unsigned i = 0; i < BATCH; i++)
		list[i] = &cb;
	while (done < n) {
		int r = sys_io_submit(ctx, (long)(n - done), list);

		if (r <= 0)
			return r < 0 ? r : -EIO;
		done += (unsigned)r;
	}
	return 0;
}

/* Moves head and tail to where they were: what is between them has not been fetched. */
static int ring_advance(struct ring *ring, int fd, uint32_t head, uint32_t tail)
{
	const uint32_t most = MIN((uint32_t)BATCH, ring->nr / 2);
	uint64_t ctx = (uintptr_t)ring;
	uint32_t left = head;
	int r = 0;

	while (left && r == 0) {
		uint32_t n = MIN(left, most);

		r = requests_spend(ctx, fd, n);
		__atomic_store_n(&ring->head, ring->tail, __ATOMIC_SEQ_CST); /* fetched */
		left -= n;
	}
	for (left = (tail + ring->nr - head) % ring->nr; left && r == 0;) {
		uint32_t n = MIN(left, most);

		r = requests_spend(ctx, fd, n);
		left -= n;
	}
	return r == 0 && ring->tail != tail ? -EIO : r;
}

static int ring_restore(struct env *env, struct vma *v, struct ring *old)
{
	struct ring *ring = (struct ring *)(uintptr_t)v->at;
	scoped(fd_close) int fd = mem_file_new(0);
	int r = fd;

	ring->id = (uint32_t)v->shmid;
	ring->head = ring->tail = 0;
	if (fd >= 0)
		r = ring_advance(ring, fd, old->head, old->tail);
	if (r < 0)
		return report_fail(env->report, r, "cannot bring the AIO ring to %u", old->tail);
	memcpy(ring->events, old->events, old->nr * sizeof(old->events[0]));
	return 0;
}

static int aio_finish(struct env *env, struct vma *v)
{
	uint64_t len = v->end - v->start;
	scoped(mem_free) struct ring *old = mem_dup((void *)(uintptr_t)v->at, len);

	if (!old)
		return report_fail(env->report, -ENOMEM, "cannot keep the AIO ring");
	if (old->magic != AIO_MAGIC || old->nr != ring_room(len) || old->head >= old->nr ||
	    old->tail >= old->nr)
		return report_refuse(env->report, -EUCLEAN, CODE_IMAGE_DAMAGED,
				     "the AIO ring cannot be as it says");
	return ring_restore(env, v, old);
}

const struct mem_kind mem_kind_aio = {
	.name = "aio",
	.about = "contexts of asynchronous I/O (io_setup)",
	.match = aio_match,
	.collect = aio_collect,
	.confirm = aio_confirm,
	.match_image = aio_match_image,
	.decode = aio_decode,
	.map = aio_map,
	.finish = aio_finish,
};
