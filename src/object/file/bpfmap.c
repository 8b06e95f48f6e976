/*
 * BPF maps (bpf(2)): what they were made with, their contents, and whether they are frozen. One map
 * may be open several times; it is made once.
 *
 * Covered: hashes, arrays, LRU hashes and prefix tries. Not covered: types whose contents cannot be
 * read without changing them (queues), have a value for each CPU, or are other BPF objects; type
 * information (BTF); maps that are mapped into memory or pinned.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/fd.h"
#include "image/reader.h"
#include "image/writer.h"
#include "kernel/proc/fdinfo.h"
#include "kernel/scan.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/file_common.h"
#include "schema/bpfmap-data.pb-c.h"
#include "schema/fdinfo.pb-c.h"

/* Flags that decide what the descriptor may do, and are not the map's. */
#define ACCESS_FLAGS (BPF_F_RDONLY | BPF_F_WRONLY)

/* Keys, then values, as they are in the image. */
struct map_data {
	uint32_t count;
	uint32_t keys_bytes, values_bytes;
	uint8_t *keys, *values;
};

/* A map, however many have it open. */
struct bpf_map {
	uint32_t id;
	uint32_t type, key_size, value_size, max_entries, flags, ifindex;
	uint64_t extra, memlock;
	bool is_frozen;
	char name[BPF_OBJ_NAME_LEN];
	const struct file *file;     /* one that has it open */
	const struct map_data *data; /* restore; NULL: empty */
	uint32_t new_id;             /* restore: once it is made, else 0 */
};

struct bpf_file {
	struct file file;
	struct bpf_map *map;
};

/* The kind's extra. */
struct bpf_maps {
	struct map by_id; /* (0, id) -> struct bpf_map, owned */
	struct map data;  /* restore: (0, id) -> struct map_data */
};

static struct bpf_file *bpf_file_of(struct file *f)
{
	return container_of(f, struct bpf_file, file);
}

static struct bpf_maps *bpf_maps_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_bpfmap);

	if (extra && !*extra)
		*extra = NEW(struct bpf_maps);
	return extra ? *extra : NULL;
}

static void bpf_maps_done(void *extra)
{
	struct bpf_maps *all = extra;

	map_for_each(e, &all->by_id)
		mem_free(e->value);
	map_done(&all->by_id);
	map_done(&all->data);
	mem_free(all);
}

/* The map with an id; *ret_fresh when it was not known. NULL when out of memory. */
static struct bpf_map *bpf_map_take(struct bpf_maps *all, uint32_t id, bool *ret_fresh)
{
	struct bpf_map *map = map_find(&all->by_id, 0, id);

	*ret_fresh = !map;
	if (map)
		return map;
	map = NEW(struct bpf_map);
	if (map && map_set(&all->by_id, 0, id, map) < 0) {
		mem_free(map);
		return NULL;
	}
	if (map)
		map->id = id;
	return map;
}

static bool type_is_known(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LPM_TRIE;
}

/* ---- bpf(2) ---- */

static int map_info(int fd, struct bpf_map_info *ret)
{
	union bpf_attr attr = {
		.info = { .bpf_fd = (uint32_t)fd, .info_len = sizeof(*ret), .info = (uintptr_t)ret }
	};

	memset(ret, 0, sizeof(*ret));
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

/* Another descriptor of a map. access: ACCESS_FLAGS. */
static int map_open(uint32_t id, uint32_t access)
{
	union bpf_attr attr = { .map_id = id, .open_flags = access };

	return sys_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));
}

static int map_element(int cmd, int fd, const void *key, void *value)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd,
				.key = (uintptr_t)key,
				.value = (uintptr_t)value };

	return sys_bpf(cmd, &attr, sizeof(attr));
}

/* ---- dump ---- */

static bool bpfmap_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:bpf-map") == 0;
}

static int bpfmap_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct scan s = scan_over(value, strlen(value));
	bool fresh;
	uint64_t n;

	if (strcmp(key, "map_id") == 0) {
		struct bpf_maps *all = bpf_maps_of(c->model);

		if (!scan_u64(&s, 10, &n) || n == 0 || n > UINT32_MAX)
			return -EINVAL;
		bpf_file_of(f)->map = all ? bpf_map_take(all, (uint32_t)n, &fresh) : NULL;
		return bpf_file_of(f)->map ? 0 : -ENOMEM;
	}
	return 0;
}

/* Lines that come before map_id and after it alike. */
static int bpfmap_line(void *ctx, const char *key, const char *value)
{
	struct scan s = scan_over(value, strlen(value));
	struct bpf_map *map = ctx;
	uint64_t n;

	if (strcmp(key, "memlock") == 0)
		return scan_u64(&s, 10, &map->memlock) ? 0 : -EINVAL;
	if (strcmp(key, "frozen") == 0) {
		if (!scan_u64(&s, 10, &n))
			return -EINVAL;
		map->is_frozen = n != 0;
	}
	return 0;
}

static int bpfmap_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct bpf_map *map = bpf_file_of(f)->map;
	struct bpf_map_info info;
	struct proc_fdinfo fdinfo;
	int r;

	if (f->fd < 0 || !map)
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_KIND,
				     "a BPF map is mapped into memory");
	if (map->file)
		return 0;
	r = map_info(v->fd, &info);
	if (r == 0)
		r = proc_fdinfo_read(&live_of(f->task)->proc, f->fd, &c->text, bpfmap_line, map,
				     &fdinfo);
	if (r < 0)
		return report_fail(c->report, r, "cannot ask about a BPF map");
	if (!type_is_known(info.type))
		return report_refuse(c->report, -ENOTSUP, CODE_FILE_KIND,
				     "a BPF map of type %u, whose contents cannot be read",
				     info.type);
	map->file = f;
	map->type = info.type;
	map->key_size = info.key_size;
	map->value_size = info.value_size;
	map->max_entries = info.max_entries;
	map->flags = info.map_flags;
	map->ifindex = info.ifindex;
	map->extra = info.map_extra;
	memcpy(map->name, info.name, sizeof(map->name) - 1);
	return 0;
}

static int bpfmap_encode(const struct file *f, struct file_record *out)
{
	const struct bpf_map *map = container_of(f, const struct bpf_file, file)->map;
	BpfmapFileEntry *be = ARENA_NEW(out->arena, BpfmapFileEntry);

	if (!be)
		return -ENOMEM;
	bpfmap_file_entry__init(be);
	be->id = f->id;
	be->flags = f->flags;
	be->pos = f->pos;
	be->fown = fown_encode(&f->fown, out->arena);
	be->map_type = map->type;
	be->key_size = map->key_size;
	be->value_size = map->value_size;
	be->map_id = map->id;
	be->max_entries = map->max_entries;
	be->map_flags = map->flags;
	be->memlock = map->memlock;
	be->frozen = map->is_frozen;
	be->map_name = (char *)map->name;
	be->ifindex = map->ifindex;
	be->has_map_extra = true;
	be->map_extra = map->extra;
	out->fe->bpf = be;
	return be->fown ? 0 : -ENOMEM;
}

/* How many elements there are; walks with two keys in turn. */
static int map_count(int fd, const struct bpf_map *map, uint32_t *ret)
{
	scoped(mem_free) uint8_t *keys = mem_alloc(2, map->key_size);
	const uint8_t *last = NULL;
	uint32_t n = 0;

	if (!keys)
		return -ENOMEM;
	while (n < map->max_entries) {
		uint8_t *key = keys + (n & 1 ? map->key_size : 0);
		int r = map_element(BPF_MAP_GET_NEXT_KEY, fd, last, key);

		if (r == -ENOENT)
			break;
		if (r < 0)
			return r;
		last = key;
		n++;
	}
	*ret = n;
	return 0;
}

static int map_read(int fd, const struct bpf_map *map, struct map_data *data)
{
	const uint8_t *last = NULL;

	for (uint32_t i = 0; i < data->count; i++) {
		uint8_t *key = data->keys + (size_t)i * map->key_size;
		int r = map_element(BPF_MAP_GET_NEXT_KEY, fd, last, key);

		if (r == 0)
			r = map_element(BPF_MAP_LOOKUP_ELEM, fd, key,
					data->values + (size_t)i * map->value_size);
		if (r < 0)
			return r; /* a program outside of the tree takes elements away */
		last = key;
	}
	return 0;
}

static int map_read_all(const struct bpf_map *map, struct arena *arena, struct map_data *ret)
{
	/* The tree's own descriptor may not be one for reading. */
	scoped(fd_close) int fd = map_open(map->id, 0);
	struct map_data data = { 0 };
	uint64_t keys, values;
	int r = fd == -EPERM ? file_borrow_fd(map->file, &fd) : fd;

	if (r >= 0)
		r = map_count(fd, map, &data.count);
	if (r < 0)
		return r;
	keys = (uint64_t)data.count * map->key_size;
	values = (uint64_t)data.count * map->value_size;
	if (keys > INT_MAX || values > INT_MAX) /* the image has 32 bits for it */
		return -EFBIG;
	data.keys_bytes = (uint32_t)keys;
	data.values_bytes = (uint32_t)values;
	data.keys = arena_alloc(arena, keys + 1, 1);
	data.values = arena_alloc(arena, values + 1, 1);
	if (arena->failed)
		return -ENOMEM;
	r = map_read(fd, map, &data);
	if (r == 0)
		*ret = data;
	return r;
}

static int map_write(struct collect *c, struct image_writer *out, struct image_error *err,
		     const struct bpf_map *map)
{
	scoped(arena_done) struct arena arena = { 0 };
	BpfmapDataEntry e = BPFMAP_DATA_ENTRY__INIT;
	struct map_data data;
	int r = map_read_all(map, &arena, &data);

	if (r < 0)
		return report_fail(c->report, r, "cannot read BPF map %u", map->id);
	e.map_id = map->id;
	e.keys_bytes = data.keys_bytes;
	e.values_bytes = data.values_bytes;
	e.count = data.count;
	r = image_write(out, &e.base);
	if (r == 0)
		r = image_write_raw(out, data.keys, data.keys_bytes);
	if (r == 0)
		r = image_write_raw(out, data.values, data.values_bytes);
	return r < 0 ? images_write_failed(c->report, r, err) : 0;
}

static int bpfmap_write(struct collect *c, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct bpf_maps *all = bpf_maps_of(c->model);
	struct image_error err = { 0 };
	int r;

	if (!all)
		return report_fail(c->report, -ENOMEM, "cannot note the BPF maps");
	r = image_writer_create(out->dir, IMAGE_BPFMAP_DATA, IMAGE_ONE, &err, &w);
	if (r < 0)
		return images_write_failed(c->report, r, &err);
	map_for_each(e, &all->by_id) {
		r = map_write(c, w, &err, e->value);
		if (r < 0)
			return r;
	}
	r = image_writer_finish(w);
	return r < 0 ? images_write_failed(c->report, r, &err) : 0;
}

/* ---- restore ---- */

static int map_data_decode(struct image_reader *in, struct arena *arena, struct bpf_maps *all,
			   const BpfmapDataEntry *e)
{
	struct map_data *data = ARENA_NEW(arena, struct map_data);
	int r;

	if ((uint64_t)e->keys_bytes + e->values_bytes > image_left(in))
		return image_reader_fail(in, -EUCLEAN, "BPF map %u has more than follows",
					 e->map_id);
	if (map_find(&all->data, 0, e->map_id))
		return image_reader_fail(in, -EUCLEAN, "BPF map %u is there twice", e->map_id);
	if (!data)
		return -ENOMEM;
	data->count = e->count;
	data->keys_bytes = e->keys_bytes;
	data->values_bytes = e->values_bytes;
	data->keys = arena_alloc(arena, (size_t)e->keys_bytes + 1, 1);
	data->values = arena_alloc(arena, (size_t)e->values_bytes + 1, 1);
	if (arena->failed)
		return -ENOMEM;
	r = image_read_raw(in, data->keys, e->keys_bytes);
	if (r == 0)
		r = image_read_raw(in, data->values, e->values_bytes);
	return r == 0 ? map_set(&all->data, 0, e->map_id, data) : r;
}

static int bpfmap_load(struct model *m, struct load_images *in)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct bpf_maps *all = bpf_maps_of(m);
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	int r;

	if (!all)
		return report_fail(in->report, -ENOMEM, "cannot hold the images");
	r = image_reader_open(in->dir, IMAGE_BPFMAP_DATA, IMAGE_ONE, &err, &reader);
	if (r == -ENOENT)
		return 0;
	while (r >= 0 && (r = image_read(reader, &in->arena, &msg)) > 0)
		r = map_data_decode(reader, &in->arena, all, (const BpfmapDataEntry *)msg);
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}

/* The contents must be as many bytes as elements of that size have. */
static bool map_data_fits(const struct bpf_maps *all, const BpfmapFileEntry *be)
{
	const struct map_data *data = map_find(&all->data, 0, be->map_id);

	return !data || ((uint64_t)data->count * be->key_size == data->keys_bytes &&
			 (uint64_t)data->count * be->value_size == data->values_bytes);
}

static int map_decode(struct bpf_map *map, const struct bpf_maps *all, const BpfmapFileEntry *be)
{
	if (!type_is_known(be->map_type) || strlen(be->map_name) >= sizeof(map->name) ||
	    !map_data_fits(all, be))
		return -EUCLEAN;
	map->type = be->map_type;
	map->key_size = be->key_size;
	map->value_size = be->value_size;
	map->max_entries = be->max_entries;
	map->flags = be->map_flags & ~(uint32_t)ACCESS_FLAGS;
	map->ifindex = be->ifindex;
	map->extra = be->has_map_extra ? be->map_extra : 0;
	map->is_frozen = be->frozen;
	memcpy(map->name, be->map_name, strlen(be->map_name));
	map->data = map_find(&all->data, 0, map->id);
	return 0;
}

static int bpfmap_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const BpfmapFileEntry *be = in->fe->bpf;
	struct bpf_maps *all = bpf_maps_of(m);
	struct bpf_map *map;
	bool fresh;

	if (!be || !all)
		return be ? -ENOMEM : -EUCLEAN;
	f->flags = be->flags;
	f->pos = be->pos;
	f->fown = fown_decode(be->fown);
	map = bpf_map_take(all, be->map_id, &fresh);
	bpf_file_of(f)->map = map;
	if (!map)
		return -ENOMEM;
	return fresh ? map_decode(map, all, be) : 0;
}

static int map_create(const struct bpf_map *map)
{
	union bpf_attr attr = {
		.map_type = map->type,
		.key_size = map->key_size,
		.value_size = map->value_size,
		.max_entries = map->max_entries,
		.map_flags = map->flags,
		.map_ifindex = map->ifindex,
		.map_extra = map->extra,
	};

	memcpy(attr.map_name, map->name, sizeof(attr.map_name));
	return sys_bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int map_fill(int fd, const struct bpf_map *map)
{
	for (uint32_t i = 0; map->data && i < map->data->count; i++) {
		int r = map_element(BPF_MAP_UPDATE_ELEM, fd,
				    map->data->keys + (size_t)i * map->key_size,
				    map->data->values + (size_t)i * map->value_size);

		if (r < 0)
			return r;
	}
	if (map->is_frozen) {
		union bpf_attr attr = { .map_fd = (uint32_t)fd };

		return sys_bpf(BPF_MAP_FREEZE, &attr, sizeof(attr));
	}
	return 0;
}

/* Makes the map with a descriptor that may do everything. */
static int map_make(struct env *env, struct bpf_map *map, int *ret_fd)
{
	scoped(fd_close) int fd = map_create(map);
	struct bpf_map_info info;
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make BPF map %s", map->name);
	r = map_fill(fd, map);
	if (r == 0)
		r = map_info(fd, &info);
	if (r < 0)
		return report_fail(env->report, r, "cannot fill BPF map %s", map->name);
	map->new_id = info.id;
	*ret_fd = fd_take(&fd);
	return 0;
}

static uint32_t access_of(uint32_t flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return BPF_F_RDONLY;
	case O_WRONLY:
		return BPF_F_WRONLY;
	default:
		return 0;
	}
}

static int bpfmap_create(struct env *env, struct file *f, int *ret_fd)
{
	struct bpf_map *map = bpf_file_of(f)->map;
	scoped(fd_close) int fd = -EBADF;
	bool made = false;
	int r = 0;

	if (!map->new_id) {
		r = map_make(env, map, &fd);
		made = true;
	}
	if (r == 0 && (!made || access_of(f->flags))) {
		int again = map_open(map->new_id, access_of(f->flags));

		if (again < 0)
			return report_fail(env->report, again, "cannot open BPF map %s", map->name);
		fd_close(fd);
		fd = again;
	}
	if (r == 0)
		r = env_apply_common(env, f, fd, false);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

const struct file_kind file_kind_bpfmap = {
	.name = "bpfmap",
	.about = "BPF maps with their contents",
	.tag = FD_TYPES__BPFMAP,
	.size = sizeof(struct bpf_file),
	.match = bpfmap_match,
	.fdinfo = bpfmap_fdinfo,
	.collect = bpfmap_collect,
	.encode = bpfmap_encode,
	.write = bpfmap_write,
	.load = bpfmap_load,
	.decode = bpfmap_decode,
	.create = bpfmap_create,
	.extra_done = bpf_maps_done,
};
