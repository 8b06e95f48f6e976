/* The list of a dump's files with their sums. See manifest.h; the format is in schema/stasis.proto.
 */
#include "image/manifest.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "base/str.h"
#include "image/reader.h"
#include "image/writer.h"
#include "schema/stasis.pb-c.h"

static XXH128_hash_t name_key(const char *name)
{
	return XXH3_128bits(name, strlen(name));
}

static struct manifest_file *find(const struct manifest *m, const char *name)
{
	XXH128_hash_t key = name_key(name);
	struct manifest_file *f = map_find(&m->by_name, key.high64, key.low64);

	/* Two names with one key do not happen by chance, but a manifest may be made by anybody. */
	return f && strcmp(f->name, name) == 0 ? f : NULL;
}

const struct manifest_file *manifest_find(const struct manifest *m, const char *name)
{
	return find(m, name);
}

static void file_free(struct manifest_file *f)
{
	if (!f)
		return;
	mem_free(f->name);
	vec_done(&f->sums);
	mem_free(f);
}
SCOPED(struct manifest_file *, file_free);

static int file_add(struct manifest *m, const char *name, struct manifest_file **ret_file)
{
	scoped(file_free) struct manifest_file *f = NEW(struct manifest_file);
	XXH128_hash_t key = name_key(name);
	int r;

	if (!f)
		return -ENOMEM;
	f->name = str_format("%s", name);
	if (!f->name)
		return -ENOMEM;
	r = vec_reserve(m, 1);
	if (r < 0)
		return r;
	r = map_set(&m->by_name, key.high64, key.low64, f);
	if (r < 0)
		return r;
	m->at[m->n++] = *ret_file = f;
	f = NULL;
	return 0;
}

int manifest_set_take(struct manifest *m, const char *name, uint64_t size, struct sums sums)
{
	struct manifest_file *f = find(m, name);
	int r = f ? 0 : file_add(m, name, &f);

	if (r < 0) {
		vec_done(&sums);
		return r;
	}
	vec_done(&f->sums);
	f->size = size;
	f->sums = sums;
	return 0;
}

static int head_load(struct image_reader *in, struct arena *a, char **ret_run_id)
{
	const ManifestHead *head;
	ProtobufCMessage *msg;
	int r = image_read(in, a, &msg);

	if (r < 0)
		return r;
	if (r == 0)
		return image_reader_fail(in, -EUCLEAN, "has no records");
	head = (const ManifestHead *)msg;
	if (head->kind != MANIFEST_SUM__XXH3_64 || head->block_size != SUM_BLOCK)
		return image_reader_fail(in, -ENOTSUP, "sums of kind %d over %" PRIu32 " bytes",
					 head->kind, head->block_size);

	*ret_run_id = str_format("%s", head->run_id ?: "");
	return *ret_run_id ? 0 : -ENOMEM;
}

int manifest_load(struct manifest *m, struct image_reader *in, char **ret_run_id)
{
	scoped(arena_done) struct arena a = { 0 };
	ProtobufCMessage *msg;
	int r = head_load(in, &a, ret_run_id);

	if (r < 0)
		return r;
	while ((r = image_read(in, &a, &msg)) > 0) {
		const ManifestEntry *e = (const ManifestEntry *)msg;
		struct sums sums = { 0 };

		if (e->n_sums != sum_block_count(e->size))
			return image_reader_fail(in, -EUCLEAN,
						 "%zu sums for the %" PRIu64 " bytes of %s",
						 e->n_sums, e->size, e->name);
		if (e->n_sums) {
			sums.at = mem_dup(e->sums, e->n_sums * sizeof(*e->sums));
			if (!sums.at)
				return -ENOMEM;
		}
		sums.n = sums.room = e->n_sums;
		r = manifest_set_take(m, e->name, e->size, sums);
		if (r < 0)
			return r;
		arena_done(&a);
	}
	return r;
}

int manifest_save(const struct manifest *m, struct image_writer *out, const char *run_id)
{
	ManifestHead head = MANIFEST_HEAD__INIT;
	int r;

	head.kind = MANIFEST_SUM__XXH3_64;
	head.block_size = SUM_BLOCK;
	head.run_id = (char *)run_id; /* packing does not write to it */
	r = image_write(out, &head.base);

	vec_for_each(f, m) {
		ManifestEntry e = MANIFEST_ENTRY__INIT;

		if (r < 0)
			break;
		e.name = (*f)->name;
		e.size = (*f)->size;
		e.n_sums = (*f)->sums.n;
		e.sums = (*f)->sums.at;
		r = image_write(out, &e.base);
	}
	return r;
}

void manifest_done(struct manifest *m)
{
	vec_for_each(f, m) {
		file_free(*f);
	}
	vec_done(m);
	map_done(&m->by_name);
	m->by_name = (struct map){ 0 };
}
