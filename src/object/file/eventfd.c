/*
 * eventfd(2): a 64-bit counter, and whether reading it takes all or one (EFD_SEMAPHORE). Everything
 * is in fdinfo. Images of CRIU do not say whether it is a semaphore; ours do, in a field of our
 * own.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "kernel/scan.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/file_common.h"
#include "schema/fdinfo.pb-c.h"

/* Reached by the kernel's own increments only (AIO): write(2) stops one below. */
#define COUNT_OVERFLOWN UINT64_MAX

struct eventfd {
	struct file file;
	uint64_t count;
	bool semaphore;
};

static struct eventfd *eventfd_of(struct file *f)
{
	return container_of(f, struct eventfd, file);
}

static bool eventfd_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:[eventfd]") == 0;
}

static int eventfd_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct scan s = scan_over(value, strlen(value));
	struct eventfd *e = eventfd_of(f);
	uint64_t n;

	if (strcmp(key, "eventfd-count") == 0)
		return scan_u64(&s, 16, &e->count) ? 0 : -EINVAL;
	if (strcmp(key, "eventfd-semaphore") == 0) {
		if (!scan_u64(&s, 10, &n))
			return -EINVAL;
		e->semaphore = n != 0;
	}
	return 0;
}

static int eventfd_encode(const struct file *f, struct file_record *out)
{
	const struct eventfd *e = container_of(f, const struct eventfd, file);
	EventfdFileEntry *ee = ARENA_NEW(out->arena, EventfdFileEntry);

	if (!ee)
		return -ENOMEM;
	eventfd_file_entry__init(ee);
	ee->id = f->id;
	ee->flags = f->flags;
	ee->fown = fown_encode(&f->fown, out->arena);
	ee->counter = e->count;
	ee->has_semaphore = ee->semaphore = e->semaphore;
	out->fe->efd = ee;
	return ee->fown ? 0 : -ENOMEM;
}

static int eventfd_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const EventfdFileEntry *ee = in->fe->efd;
	struct eventfd *e = eventfd_of(f);

	if (!ee)
		return -EUCLEAN;
	f->flags = ee->flags;
	f->fown = fown_decode(ee->fown);
	e->count = ee->counter;
	e->semaphore = ee->has_semaphore && ee->semaphore;
	return 0;
}

static int eventfd_create(struct env *env, struct file *f, int *ret_fd)
{
	const struct eventfd *e = eventfd_of(f);
	scoped(fd_close) int fd =
		sys_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (e->semaphore ? EFD_SEMAPHORE : 0));
	uint64_t count = MIN(e->count, COUNT_OVERFLOWN - 1);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make an eventfd");
	/* The argument at creation has 32 bits, the counter 64. */
	r = count ? fd_write_all(fd, &count, sizeof(count)) : 0;
	if (r < 0)
		return report_fail(env->report, r, "cannot set its counter to %" PRIu64, count);
	if (e->count == COUNT_OVERFLOWN)
		report_warn(env->report, CODE_NOTE,
			    "its counter had overflown; it is restored one below");
	r = env_apply_common(env, f, fd, false);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

const struct file_kind file_kind_eventfd = {
	.name = "eventfd",
	.about = "event counters (eventfd)",
	.tag = FD_TYPES__EVENTFD,
	.size = sizeof(struct eventfd),
	.match = eventfd_match,
	.fdinfo = eventfd_fdinfo,
	.encode = eventfd_encode,
	.decode = eventfd_decode,
	.create = eventfd_create,
};
