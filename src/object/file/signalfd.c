/*
 * signalfd(2): a set of signals. What can be read from it are the reader's own pending signals, so
 * there is nothing else to it; it does not matter who made it.
 */
#include <string.h>
#include <sys/signalfd.h>

#include "base/fd.h"
#include "kernel/scan.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/file_common.h"
#include "schema/fdinfo.pb-c.h"

struct signalfd {
	struct file file;
	uint64_t mask; /* bit N-1 is signal N */
};

static struct signalfd *signalfd_of(struct file *f)
{
	return container_of(f, struct signalfd, file);
}

static bool signalfd_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:[signalfd]") == 0;
}

static int signalfd_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct scan s = scan_over(value, strlen(value));

	if (strcmp(key, "sigmask") != 0)
		return 0;
	return scan_u64(&s, 16, &signalfd_of(f)->mask) ? 0 : -EINVAL;
}

static int signalfd_encode(const struct file *f, struct file_record *out)
{
	const struct signalfd *s = container_of(f, const struct signalfd, file);
	SignalfdEntry *se = ARENA_NEW(out->arena, SignalfdEntry);

	if (!se)
		return -ENOMEM;
	signalfd_entry__init(se);
	se->id = f->id;
	se->flags = f->flags;
	se->fown = fown_encode(&f->fown, out->arena);
	se->sigmask = s->mask;
	out->fe->sgfd = se;
	return se->fown ? 0 : -ENOMEM;
}

static int signalfd_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const SignalfdEntry *se = in->fe->sgfd;

	if (!se)
		return -EUCLEAN;
	f->flags = se->flags;
	f->fown = fown_decode(se->fown);
	signalfd_of(f)->mask = se->sigmask;
	return 0;
}

static int signalfd_create(struct env *env, struct file *f, int *ret_fd)
{
	scoped(fd_close) int fd = sys_signalfd(-1, &signalfd_of(f)->mask, SFD_CLOEXEC);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make a signalfd");
	r = env_apply_common(env, f, fd, false);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

const struct file_kind file_kind_signalfd = {
	.name = "signalfd",
	.about = "signals read as a file (signalfd)",
	.tag = FD_TYPES__SIGNALFD,
	.size = sizeof(struct signalfd),
	.match = signalfd_match,
	.fdinfo = signalfd_fdinfo,
	.encode = signalfd_encode,
	.decode = signalfd_decode,
	.create = signalfd_create,
};
