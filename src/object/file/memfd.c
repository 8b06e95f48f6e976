/*
 * Open files on memory without a path: memfd_create(2), and what shared anonymous mappings are
 * backed by, where a task has opened that through /proc/PID/map_files. The inode (name, size,
 * seals, contents) is a struct shmem of the model, shared with whoever maps it; it is made and
 * filled before any file (mem/shmem.h). Every open file is then opened through /proc/self/fd.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "image/reader.h"
#include "image/writer.h"
#include "kernel/fs.h"
#include "kernel/mem.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/file_common.h"
#include "object/mem/shmem.h"
#include "schema/fdinfo.pb-c.h"

#define DELETED      " (deleted)"
#define MEMFD        "/memfd:"
#define SYSV         "/SYSV"
#define NAME_OF_ANON "/dev/zero"
#define NAME_OF_HUGE "/anon_hugepage"

/* memfd_create(2): NAME_MAX without the prefix. */
#define MEMFD_NAME_MAX 249

/* Flags that matter when a file is opened once more. */
#define OPEN_FLAGS (O_ACCMODE | O_PATH | O_APPEND | O_NONBLOCK | O_SYNC | O_DIRECT | O_NOATIME)

struct memfd {
	struct file file;
	struct shmem *inode;
};

/* The kind's extra. */
struct memfds {
	uint32_t n;        /* dump: inode ids given */
	struct map inodes; /* restore: (0, inode id) -> struct shmem */
};

static struct memfd *memfd_of(struct file *f)
{
	return container_of(f, struct memfd, file);
}

static struct memfds *memfds_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_memfd);

	if (extra && !*extra)
		*extra = NEW(struct memfds);
	return extra ? *extra : NULL;
}

static void memfds_done(void *extra)
{
	struct memfds *all = extra;

	map_done(&all->inodes);
	mem_free(all);
}

/* ---- dump ---- */

/* MAP_HUGE_* bits of an inode of hugetlbfs: the size of its pages. */
static uint32_t huge_bits(const struct stat *st)
{
	return st->st_blksize > 0
		       ? (uint32_t)__builtin_ctzll((uint64_t)st->st_blksize) << MAP_HUGE_SHIFT
		       : 0;
}

/* Whether it lies on the kernel's own mount, where memfds are, and not in a directory that happens
 * to have such names. */
static bool inode_is_internal(const struct fd_view *v)
{
	bool huge = v->fs_magic == FS_MAGIC_HUGETLB;
	scoped(fd_close) int own = mem_file_new(huge ? MFD_HUGETLB | huge_bits(v->st) : 0);
	struct stat st;

	return own >= 0 && sys_fstat(own, &st) == 0 && st.st_dev == v->st->st_dev;
}

static bool memfd_match(const struct fd_view *v)
{
	size_t len = strlen(v->link), tail = strlen(DELETED);

	if (!S_ISREG(v->st->st_mode) ||
	    (v->fs_magic != FS_MAGIC_TMPFS && v->fs_magic != FS_MAGIC_HUGETLB) || len < tail ||
	    strcmp(v->link + len - tail, DELETED) != 0)
		return false;
	if (!str_has_prefix(v->link, MEMFD, NULL) && !str_has_prefix(v->link, SYSV, NULL) &&
	    strcmp(v->link, NAME_OF_ANON DELETED) != 0 &&
	    strcmp(v->link, NAME_OF_HUGE DELETED) != 0)
		return false;
	return inode_is_internal(v);
}

/* The inode's name as images have it: without prefix and suffix. */
static char *name_of_link(const char *link)
{
	size_t len = strlen(link) - strlen(DELETED);
	size_t skip = str_has_prefix(link, MEMFD, NULL) ? strlen(MEMFD) : 0;
	char *name = mem_dup(link + skip, len - skip + 1);

	if (name)
		name[len - skip] = '\0';
	return name;
}

static int seals_read(int fd, uint32_t *ret)
{
	char self[32];
	int r;

	/* What is mapped only was opened with O_PATH. */
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	scoped(fd_close) int own = sys_openat(AT_FDCWD, self, O_RDONLY | O_CLOEXEC, 0);
	if (own < 0)
		return own;
	r = sys_fcntl(own, F_GET_SEALS, 0);
	if (r < 0 && r != -EINVAL)
		return r;
	*ret = r < 0 ? F_SEAL_SEAL : (uint32_t)r;
	return 0;
}

static int inode_fill(struct memfds *all, struct shmem *s, const struct fd_view *v)
{
	s->type = str_has_prefix(v->link, MEMFD, NULL) ? SHMEM_MEMFD : SHMEM_ANON;
	s->inode_id = ++all->n;
	s->name = name_of_link(v->link);
	s->size = (uint64_t)v->st->st_size;
	s->has_size = true;
	s->uid = v->st->st_uid;
	s->gid = v->st->st_gid;
	s->mode = v->st->st_mode;
	s->has_mode = true;
	s->hugetlb = v->fs_magic == FS_MAGIC_HUGETLB;
	s->hugetlb_flag = s->hugetlb ? huge_bits(v->st) : 0;
	return s->name ? seals_read(v->fd, &s->seals) : -ENOMEM;
}

static int memfd_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct memfds *all = memfds_of(c->model);
	struct shmem *s = map_find(&c->model->shmem_by_ino, v->st->st_dev, v->st->st_ino);
	int r = 0;

	if (str_has_prefix(v->link, SYSV, NULL))
		return report_refuse_with(c->report, -ENOTSUP, CODE_VMA_KIND,
					  "run the program in an ipc namespace of its own",
					  "%s is a System V segment of the host", v->link);
	if (!s) {
		s = model_add_shmem(c->model, 0);
		r = s ? map_set(&c->model->shmem_by_ino, v->st->st_dev, v->st->st_ino, s) : -ENOMEM;
		if (r < 0)
			return report_fail(c->report, r, "cannot note a shared segment");
		s->dev = v->st->st_dev;
		s->ino = v->st->st_ino;
	}
	memfd_of(f)->inode = s;
	if (s->file)
		return 0;
	s->file = f;
	r = all ? inode_fill(all, s, v) : -ENOMEM;
	return r < 0 ? report_fail(c->report, r, "cannot look at %s", v->link) : 0;
}

/*
 * A shared anonymous segment that is also open as a file: its mappings become mappings of that file
 * in the images, or the two would come back as two.
 */
static int memfd_resolve(struct collect *c, struct file *f)
{
	const struct shmem *s = memfd_of(f)->inode;

	if (s->file != f)
		return 0;
	vec_for_each(mm, &c->model->mms)
		vec_for_each(v, &(*mm)->vmas) {
			if ((*v)->shmem != s || (*v)->file)
				continue;
			(*v)->file = f;
			(*v)->shmid = f->id;
			(*v)->flags &= ~(unsigned)MAP_ANONYMOUS;
			(*v)->status = VMA_REGULAR | VMA_FILE_SHARED | VMA_MEMFD;
			(*v)->fdflags = O_RDWR;
			(*v)->has_fdflags = true;
		}
	return 0;
}

static int memfd_encode(const struct file *f, struct file_record *out)
{
	const struct memfd *m = container_of(f, const struct memfd, file);
	MemfdFileEntry *me = ARENA_NEW(out->arena, MemfdFileEntry);

	if (!me)
		return -ENOMEM;
	memfd_file_entry__init(me);
	me->id = f->id;
	me->flags = f->flags;
	me->pos = f->pos;
	me->fown = fown_encode(&f->fown, out->arena);
	me->inode_id = m->inode->inode_id;
	out->fe->memfd = me;
	return me->fown ? 0 : -ENOMEM;
}

static int inode_write(struct image_writer *out, const struct shmem *s)
{
	MemfdInodeEntry e = MEMFD_INODE_ENTRY__INIT;

	e.name = s->name;
	e.uid = s->uid;
	e.gid = s->gid;
	e.size = s->size;
	e.shmid = (uint32_t)s->shmid;
	e.seals = s->seals;
	e.inode_id = s->inode_id;
	e.has_hugetlb_flag = s->hugetlb;
	e.hugetlb_flag = s->hugetlb ? MFD_HUGETLB | s->hugetlb_flag : 0;
	e.has_mode = s->has_mode;
	e.mode = s->mode;
	return image_write(out, &e.base);
}

static int memfd_write(struct collect *c, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct image_error err = { 0 };
	int r = image_writer_create(out->dir, IMAGE_MEMFD_INODE, IMAGE_ONE, &err, &w);

	vec_for_each(s, &c->model->shmems)
		if (r == 0 && (*s)->inode_id)
			r = inode_write(w, *s);
	if (r == 0)
		r = image_writer_finish(w);
	return r < 0 ? images_write_failed(out->report, r, &err) : 0;
}

/* ---- restore ---- */

static int inode_check(struct image_reader *in, const struct model *m, const struct memfds *all,
		       const MemfdInodeEntry *e)
{
	if (e->inode_id == 0 || e->inode_id > UINT32_MAX || e->shmid == 0)
		return image_reader_fail(in, -EUCLEAN, "a memfd with the ids %llu and %u",
					 (unsigned long long)e->inode_id, e->shmid);
	if (map_find(&all->inodes, 0, e->inode_id) || map_find(&m->shmem_by_id, 0, e->shmid))
		return image_reader_fail(in, -EUCLEAN, "memfd %llu is there twice",
					 (unsigned long long)e->inode_id);
	if (e->size > INT64_MAX - PAGE_SIZE || strlen(e->name) > MEMFD_NAME_MAX)
		return image_reader_fail(in, -EUCLEAN, "memfd %llu of %llu bytes: not possible",
					 (unsigned long long)e->inode_id,
					 (unsigned long long)e->size);
	return 0;
}

static int inode_decode(struct image_reader *in, struct model *m, struct memfds *all,
			const MemfdInodeEntry *e)
{
	struct shmem *s;
	int r = inode_check(in, m, all, e);

	if (r < 0)
		return r;
	s = model_add_shmem(m, e->shmid);
	if (!s)
		return -ENOMEM;
	/* What a shared anonymous mapping looks like as a file. A memfd can have such a name, but
	 * who would give it that. */
	s->type = strcmp(e->name, NAME_OF_ANON) == 0 || strcmp(e->name, NAME_OF_HUGE) == 0
			  ? SHMEM_ANON
			  : SHMEM_MEMFD;
	s->inode_id = (uint32_t)e->inode_id;
	s->name = mem_dup(e->name, strlen(e->name) + 1);
	s->uid = e->uid;
	s->gid = e->gid;
	s->size = e->size;
	s->seals = e->seals;
	s->hugetlb = e->has_hugetlb_flag && (e->hugetlb_flag & MFD_HUGETLB);
	s->hugetlb_flag =
		s->hugetlb ? e->hugetlb_flag & ((uint32_t)MAP_HUGE_MASK << MAP_HUGE_SHIFT) : 0;
	s->has_mode = e->has_mode;
	s->mode = e->mode;
	return s->name ? map_set(&all->inodes, 0, s->inode_id, s) : -ENOMEM;
}

static int memfd_load(struct model *m, struct load_images *in)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct memfds *all = memfds_of(m);
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	int r;

	if (!all)
		return report_fail(in->report, -ENOMEM, "cannot hold the images");
	r = image_reader_open(in->dir, IMAGE_MEMFD_INODE, IMAGE_ONE, &err, &reader);
	if (r == -ENOENT)
		return 0;
	while (r >= 0 && (r = image_read(reader, &in->arena, &msg)) > 0)
		r = inode_decode(reader, m, all, (const MemfdInodeEntry *)msg);
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}

static int memfd_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const MemfdFileEntry *me = in->fe->memfd;
	const struct memfds *all = memfds_of(m);

	if (!me || !all)
		return me ? -ENOMEM : -EUCLEAN;
	f->flags = me->flags;
	f->pos = me->pos;
	f->fown = fown_decode(me->fown);
	memfd_of(f)->inode = map_find(&all->inodes, 0, me->inode_id);
	return memfd_of(f)->inode ? 0 : -EUCLEAN;
}

/* Mappings of it know the segment too. */
static int memfd_plan(struct model *m, struct report *rep)
{
	vec_for_each(mm, &m->mms)
		vec_for_each(v, &(*mm)->vmas)
			if ((*v)->file && (*v)->file->kind == file_kinds[FILE_KIND_memfd])
				(*v)->shmem = memfd_of((*v)->file)->inode;
	return 0;
}

/*
 * The description that made the memfd is the first one for reading and writing, and that of
 * mappings that need both; all others are opened anew.
 */
static int memfd_open(struct env *env, const struct file *f, struct shmem *s)
{
	bool original = s->type == SHMEM_MEMFD && (f->flags & (O_ACCMODE | O_PATH)) == O_RDWR;

	if (!original || (f->in_slots && s->is_given))
		return env_reopen(env, s->made_fd, f->flags & OPEN_FLAGS);
	s->is_given |= f->in_slots;
	return fd_dup_above(s->made_fd, env->floor);
}

static int memfd_create_file(struct env *env, struct file *f, int *ret_fd)
{
	struct shmem *s = memfd_of(f)->inode;
	scoped(fd_close) int fd = memfd_open(env, f, s);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot open %s", s->name);
	r = f->in_slots && !(f->flags & O_PATH) ? env_apply_common(env, f, fd, true) : 0;
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

static int memfd_finish(struct env *env)
{
	vec_for_each(s, &env->model->shmems) {
		int r = shmem_seal_late(env, *s);

		if (r < 0)
			return r;
	}
	return 0;
}

const struct file_kind file_kind_memfd = {
	.name = "memfd",
	.about = "memory with descriptors (memfd)",
	.tag = FD_TYPES__MEMFD,
	.size = sizeof(struct memfd),
	.takes_opath = true,
	.match = memfd_match,
	.collect = memfd_collect,
	.resolve = memfd_resolve,
	.encode = memfd_encode,
	.write = memfd_write,
	.load = memfd_load,
	.decode = memfd_decode,
	.plan = memfd_plan,
	.create = memfd_create_file,
	.finish = memfd_finish,
	.extra_done = memfds_done,
};
