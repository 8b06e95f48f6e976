/*
 * ghost-file-ID.img: attributes, then the content: of small files raw to the end, of others in
 * pieces with holes between. See ghost.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/usec.h"
#include "image/dir.h"
#include "image/reader.h"
#include "image/writer.h"
#include "kernel/fs.h"
#include "kernel/sys.h"
#include "object/file/ghost.h"
#include "schema/ghost-file.pb-c.h"

/* From this size on the content is written in pieces: what CRIU does. */
#define CHUNKS_FROM (3 * 4096)
#define COPY_BYTES  (1UL << 20)
#define NSEC_MAX    1000000000L

void ghost_free(struct ghost *g)
{
	if (!g)
		return;
	fd_close(g->fd);
	mem_free(g->target);
	mem_free(g->name);
	mem_free(g);
}

/* ---- dump ---- */

static char *link_target(int fd, uint64_t size)
{
	size_t room = size + 1;
	char *target = mem_alloc(1, room);
	ssize_t n = target ? sys_readlinkat(fd, "", target, room) : -ENOMEM;

	if (n < 0 || (size_t)n >= room) {
		mem_free(target);
		return NULL;
	}
	target[n] = '\0';
	return target;
}

struct ghost *ghost_new(const struct stat *st, int fd)
{
	struct ghost *g = NEW(struct ghost);

	if (!g)
		return NULL;
	g->fd = -EBADF;
	g->dev = fs_dev_from_stat(st->st_dev);
	g->ino = st->st_ino;
	g->uid = st->st_uid;
	g->gid = st->st_gid;
	g->mode = st->st_mode;
	g->rdev = st->st_rdev;
	g->has_times = true;
	g->atime = st->st_atim;
	g->mtime = st->st_mtim;
	if (S_ISREG(st->st_mode)) {
		g->size = (uint64_t)st->st_size;
		g->chunks = g->size >= CHUNKS_FROM;
	}
	if (S_ISLNK(st->st_mode)) {
		g->target = link_target(fd, (uint64_t)st->st_size);
		if (!g->target) {
			ghost_free(g);
			return NULL;
		}
	}
	return g;
}

/* *ret_read tells when it was reading that failed; -ESTALE: somebody outside of the tree cut the
 * file. */
static int range_write(int fd, struct image_writer *out, uint64_t off, uint64_t len, int *ret_read)
{
	scoped(mem_free) char *buf = mem_alloc(1, MIN(len, COPY_BYTES));
	int r = buf || !len ? 0 : -ENOMEM;

	while (r == 0 && len > 0) {
		ssize_t n = sys_pread(fd, buf, MIN(len, COPY_BYTES), (int64_t)off);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return *ret_read = n < 0 ? (int)n : -ESTALE;
		r = image_write_raw(out, buf, (size_t)n);
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return r;
}

/* The next piece of data at or behind *off: 1, or 0 when there is none. A file system that knows of
 * no holes has one piece. */
static int piece_next(int fd, uint64_t size, uint64_t *off, uint64_t *ret_len)
{
	int64_t from = *off < size ? sys_lseek(fd, (int64_t)*off, SEEK_DATA) : -ENXIO, to;

	if (from == -ENXIO)
		return 0;
	if (from == -EINVAL || from == -EOPNOTSUPP) {
		*ret_len = size - *off;
		return 1;
	}
	if (from < 0)
		return (int)from;
	to = sys_lseek(fd, from, SEEK_HOLE);
	if (to < 0)
		return (int)to;
	if ((uint64_t)from >= size)
		return 0;
	*off = (uint64_t)from;
	*ret_len = MIN((uint64_t)to, size) - (uint64_t)from;
	return 1;
}

static int content_write(const struct ghost *g, int fd, struct image_writer *out, int *ret_read)
{
	uint64_t off = 0, len = 0;
	int r;

	if (!g->chunks)
		return range_write(fd, out, 0, g->size, ret_read);
	while ((r = piece_next(fd, g->size, &off, &len)) > 0) {
		GhostChunkEntry piece = GHOST_CHUNK_ENTRY__INIT;

		piece.off = off;
		piece.len = len;
		r = image_write(out, &piece.base);
		if (r == 0)
			r = range_write(fd, out, off, len, ret_read);
		if (r < 0)
			return r;
		off += len;
	}
	return *ret_read = r;
}

/* A descriptor of our own to read from, with a position of our own. */
static int content_open(const struct ghost *g, int *ret_fd)
{
	scoped(fd_close) int fd = -EBADF;
	int own, r = file_borrow_fd(g->first, &fd);

	if (r < 0)
		return r;
	own = path_reopen(fd, O_RDONLY | O_NOATIME);
	if (own < 0)
		return own;
	*ret_fd = own;
	return 0;
}

static void times_encode(const struct timespec *ts, Timeval *tv)
{
	timeval__init(tv);
	tv->tv_sec = (uint64_t)ts->tv_sec;
	tv->tv_usec = (uint64_t)ts->tv_nsec / 1000;
}

static int attributes_write(const struct ghost *g, struct image_writer *out)
{
	GhostFileEntry e = GHOST_FILE_ENTRY__INIT;
	Timeval atim, mtim;

	times_encode(&g->atime, &atim);
	times_encode(&g->mtime, &mtim);
	e.uid = g->uid;
	e.gid = g->gid;
	e.mode = g->mode;
	e.has_dev = e.has_ino = true;
	e.dev = (uint32_t)g->dev;
	e.ino = g->ino;
	e.atim = &atim;
	e.mtim = &mtim;
	if (S_ISCHR(g->mode) || S_ISBLK(g->mode)) {
		e.has_rdev = true;
		e.rdev = (uint32_t)g->rdev;
	}
	if (g->chunks) {
		e.has_chunks = e.chunks = true;
		e.has_size = true;
		e.size = g->size;
	}
	e.symlnk_target = g->target;
	return image_write(out, &e.base);
}

int ghost_write(struct ghost *g, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	scoped(fd_close) int fd = -EBADF;
	struct image_error err = { 0 };
	int r, read = 0;

	if (S_ISREG(g->mode)) {
		r = content_open(g, &fd);
		if (r < 0)
			return report_fail(out->report, r,
					   "cannot open the deleted file for reading");
	}
	r = image_writer_create(out->dir, IMAGE_GHOST_FILE, g->id, &err, &w);
	if (r == 0)
		r = attributes_write(g, w);
	if (r == 0 && S_ISREG(g->mode))
		r = content_write(g, fd, w, &read);
	if (r == 0)
		r = image_writer_finish(w);
	if (read < 0)
		return report_fail(out->report, read, "cannot read the deleted file");
	return r < 0 ? images_write_failed(out->report, r, &err) : 0;
}

/* ---- restore ---- */

static bool mode_is_possible(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return (mode & ~(uint32_t)(S_IFMT | 07777)) == 0;
	default:
		return false;
	}
}

static int times_decode(const Timeval *tv, struct timespec *ret)
{
	if (!tv || tv->tv_usec >= USEC_PER_SEC)
		return -EUCLEAN;
	ret->tv_sec = (time_t)tv->tv_sec;
	ret->tv_nsec = (long)tv->tv_usec * 1000;
	return 0;
}

static int attributes_decode(struct ghost *g, const GhostFileEntry *e)
{
	if (!mode_is_possible(e->mode) || (S_ISLNK(e->mode) && !e->symlnk_target) ||
	    ((S_ISCHR(e->mode) || S_ISBLK(e->mode)) && !e->has_rdev) ||
	    (e->has_chunks && e->chunks && (!e->has_size || e->size > INT64_MAX)))
		return -EUCLEAN;
	g->uid = e->uid;
	g->gid = e->gid;
	g->mode = e->mode;
	g->dev = e->dev;
	g->ino = e->ino;
	g->rdev = e->rdev;
	g->chunks = e->has_chunks && e->chunks;
	g->size = e->size;
	g->has_times = e->atim && e->mtim;
	if (g->has_times &&
	    (times_decode(e->atim, &g->atime) < 0 || times_decode(e->mtim, &g->mtime) < 0))
		return -EUCLEAN;
	if (e->symlnk_target) {
		g->target = mem_dup(e->symlnk_target, strlen(e->symlnk_target) + 1);
		if (!g->target)
			return -ENOMEM;
	}
	return 0;
}

/* Opens the image and reads its head. err must live as long as the reader. */
static int image_begin(struct load_images *in, uint32_t id, struct arena *a,
		       struct image_error *err, struct image_reader **ret_reader,
		       GhostFileEntry **ret_head)
{
	ProtobufCMessage *msg;
	int r = image_reader_open(in->dir, IMAGE_GHOST_FILE, id, err, ret_reader);

	if (r < 0)
		return r;
	r = image_read(*ret_reader, a, &msg);
	if (r == 0)
		r = image_reader_fail(*ret_reader, -EUCLEAN, "it has no record");
	if (r < 0)
		return r;
	*ret_head = (GhostFileEntry *)msg;
	return 0;
}

int ghost_load(struct load_images *in, uint32_t id, struct ghost **ret)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	scoped(arena_done) struct arena arena = { 0 };
	scoped(ghost_free) struct ghost *g = NEW(struct ghost);
	struct image_error err = { 0 };
	GhostFileEntry *head = NULL;
	int r;

	if (!g)
		return report_fail(in->report, -ENOMEM, "cannot hold the images");
	g->id = id;
	g->fd = -EBADF;
	r = image_begin(in, id, &arena, &err, &reader, &head);
	if (r == 0)
		r = attributes_decode(g, head);
	if (r == -EUCLEAN && !err.what[0])
		r = image_reader_fail(reader, r, "a deleted file of mode %#o cannot be as it says",
				      head->mode);
	if (r < 0)
		return images_load_failed(in->report, r, &err);
	if (S_ISREG(g->mode) && !g->chunks)
		g->size = image_left(reader);
	*ret = ptr_take(&g);
	return 0;
}

static int range_fill(struct image_reader *reader, int fd, uint64_t off, uint64_t len,
		      int *ret_write)
{
	scoped(mem_free) char *buf = mem_alloc(1, MIN(len, COPY_BYTES));
	int r = buf || !len ? 0 : -ENOMEM;

	while (r == 0 && len > 0) {
		size_t n = MIN(len, COPY_BYTES);

		r = image_read_raw(reader, buf, n);
		if (r < 0)
			return r;
		r = fd_pwrite_all(fd, buf, n, off);
		*ret_write = r;
		off += n;
		len -= n;
	}
	return r;
}

static int pieces_fill(const struct ghost *g, struct image_reader *reader, int fd, int *ret_write)
{
	ProtobufCMessage *msg;
	int r;

	for (;;) {
		scoped(arena_done) struct arena arena = { 0 };
		const GhostChunkEntry *piece;

		r = image_read(reader, &arena, &msg);
		if (r <= 0)
			return r;
		piece = (const GhostChunkEntry *)msg;
		if (piece->off > g->size || piece->len > g->size - piece->off)
			return image_reader_fail(reader, -EUCLEAN,
						 "%" PRIu64 " bytes at %" PRIu64
						 " of a file of %" PRIu64,
						 piece->len, piece->off, g->size);
		r = range_fill(reader, fd, piece->off, piece->len, ret_write);
		if (r < 0)
			return r;
	}
}

int ghost_fill(const struct ghost *g, struct load_images *in, int fd)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	scoped(arena_done) struct arena arena = { 0 };
	struct image_error err = { 0 };
	GhostFileEntry *head;
	int wrote = 0;
	int r = image_begin(in, g->id, &arena, &err, &reader, &head);

	if (r == 0)
		r = g->chunks ? pieces_fill(g, reader, fd, &wrote)
			      : range_fill(reader, fd, 0, g->size, &wrote);
	if (wrote < 0)
		return report_fail(in->report, wrote, "cannot write its content");
	if (r < 0)
		return images_load_failed(in->report, r, &err);
	r = sys_ftruncate(fd, (int64_t)g->size); /* a hole at the end */
	return r < 0 ? report_fail(in->report, r, "cannot give it its size") : 0;
}
