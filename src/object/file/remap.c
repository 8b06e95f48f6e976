/* The table of remapped files. See remap.h. */
#include "object/file/remap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "image/dir.h"
#include "image/reader.h"
#include "image/writer.h"
#include "object/file/ghost.h"
#include "object/file/path_proc.h"
#include "object/file/scaffold.h"
#include "schema/remap-file-path.pb-c.h"

/* Images of old versions have no type: ids of ghosts are marked then. */
#define OLD_GHOST_BIT (UINT32_C(1) << 31)

struct remaps *remaps_of(struct model *m)
{
	void **extra = file_kind_extra(m, FILE_KIND_reg);

	if (!extra)
		return NULL;
	if (!*extra)
		*extra = NEW(struct remaps);
	return *extra;
}

void remaps_free(struct remaps *rs)
{
	if (!rs)
		return;
	map_for_each(e, &rs->ghosts)
		ghost_free(e->value);
	map_done(&rs->ghosts);
	map_done(&rs->links);
	map_done(&rs->index);
	vec_done(&rs->entries);
	if (rs->has_root)
		fd_close(rs->root);
	vec_done(&rs->stand_ins);
	scaffold_free(rs->scaffold);
	mem_free(rs);
}

int remap_add(struct remaps *rs, const struct path_file *pf, uint32_t remap_id)
{
	return vec_push(&rs->entries, (struct remap_entry){ .orig_id = pf->file.id,
							    .remap_id = remap_id,
							    .type = pf->remap });
}

/* ---- remap-fpath.img ---- */

static RemapType remap_type_encode(enum remap type)
{
	switch (type) {
	case REMAP_GHOST:
		return REMAP_TYPE__GHOST;
	case REMAP_PROCFS:
		return REMAP_TYPE__PROCFS;
	case REMAP_LINKED:
	case REMAP_NONE:
		break;
	}
	return REMAP_TYPE__LINKED;
}

/* Directories behind what may lie in them, the deepest first: CRIU takes ghosts away in this order.
 */
static int entry_order(const void *a, const void *b, void *model)
{
	const struct remap_entry *ea = a, *eb = b;
	const struct path_file *fa = path_file_find(model, ea->orig_id);
	const struct path_file *fb = path_file_find(model, eb->orig_id);
	bool da = S_ISDIR(fa->file.mode), db = S_ISDIR(fb->file.mode);
	size_t la = da ? strlen(fa->name) : 0, lb = db ? strlen(fb->name) : 0;

	if (da != db)
		return da ? 1 : -1;
	if (la != lb)
		return la > lb ? -1 : 1;
	return ea->orig_id < eb->orig_id ? -1 : ea->orig_id > eb->orig_id;
}

int remaps_write(struct remaps *rs, struct dump_images *out)
{
	scoped(image_writer_free) struct image_writer *w = NULL;
	struct image_error err = { 0 };
	int r;

	if (!rs->entries.n)
		return 0;
	qsort_r(rs->entries.at, rs->entries.n, sizeof(*rs->entries.at), entry_order, out->model);
	r = image_writer_create(out->dir, IMAGE_REMAP_FPATH, IMAGE_ONE, &err, &w);
	vec_for_each(e, &rs->entries) {
		RemapFilePathEntry msg = REMAP_FILE_PATH_ENTRY__INIT;

		msg.orig_id = e->orig_id;
		msg.remap_id = e->remap_id;
		msg.has_remap_type = true;
		msg.remap_type = remap_type_encode(e->type);
		if (r == 0)
			r = image_write(w, &msg.base);
	}
	if (r == 0)
		r = image_writer_finish(w);
	return r < 0 ? images_write_failed(out->report, r, &err) : 0;
}

static int entry_load(struct remaps *rs, struct load_images *in, const RemapFilePathEntry *msg)
{
	struct remap_entry e = { .orig_id = msg->orig_id, .remap_id = msg->remap_id };
	struct ghost *g;
	int r;

	if (!msg->has_remap_type) {
		e.type = msg->remap_id & OLD_GHOST_BIT ? REMAP_GHOST : REMAP_LINKED;
		e.remap_id &= ~OLD_GHOST_BIT;
	} else if (msg->remap_type == REMAP_TYPE__GHOST) {
		e.type = REMAP_GHOST;
	} else if (msg->remap_type == REMAP_TYPE__PROCFS) {
		e.type = REMAP_PROCFS;
	} else if (msg->remap_type == REMAP_TYPE__LINKED) {
		e.type = REMAP_LINKED;
	} else {
		return report_refuse(in->report, -ENOTSUP, CODE_IMAGE_VERSION,
				     "remap-fpath.img: file %u is remapped in the unknown way %d",
				     e.orig_id, (int)msg->remap_type);
	}
	if (e.type == REMAP_GHOST && !map_find(&rs->ghosts, 0, e.remap_id)) {
		r = ghost_load(in, e.remap_id, &g);
		if (r < 0)
			return r;
		if (map_set(&rs->ghosts, 0, e.remap_id, g) < 0) {
			ghost_free(g);
			return report_fail(in->report, -ENOMEM, "cannot hold the images");
		}
	}
	r = vec_push(&rs->entries, e);
	return r < 0 ? report_fail(in->report, r, "cannot hold the images") : 0;
}

static int entries_load(struct remaps *rs, struct load_images *in)
{
	scoped(image_reader_free) struct image_reader *reader = NULL;
	struct image_error err = { 0 };
	ProtobufCMessage *msg;
	int r = image_reader_open(in->dir, IMAGE_REMAP_FPATH, IMAGE_ONE, &err, &reader);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return images_load_failed(in->report, r, &err);
	while ((r = image_read(reader, &in->arena, &msg)) > 0) {
		r = entry_load(rs, in, (const RemapFilePathEntry *)msg);
		if (r < 0)
			return r;
	}
	return r < 0 ? images_load_failed(in->report, r, &err) : 0;
}

static int entry_index(struct remaps *rs, struct report *rep, struct remap_entry *e)
{
	int r = 0;

	if (map_find(&rs->index, REMAPS_BY_FILE, e->orig_id))
		return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
				     "remap-fpath.img: file %u is there twice", e->orig_id);
	if (e->type == REMAP_LINKED)
		r = map_set(&rs->index, REMAPS_BY_LINK, e->remap_id, e);
	if (e->type == REMAP_PROCFS)
		r = map_set(&rs->index, REMAPS_BY_DEAD_PID, e->remap_id, e);
	if (r == 0)
		r = map_set(&rs->index, REMAPS_BY_FILE, e->orig_id, e);
	return r < 0 ? report_fail(rep, r, "cannot hold the images") : 0;
}

int remaps_load(struct model *m, struct load_images *in)
{
	struct remaps *rs = remaps_of(m);
	int r = rs ? entries_load(rs, in)
		   : report_fail(in->report, -ENOMEM, "cannot hold the images");

	if (r < 0)
		return r;
	vec_for_each(e, &rs->entries) { /* they stay where they are from now on */
		r = entry_index(rs, in->report, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- tying entries to files ---- */

/* Files of a dead task: the table has each pid once, with the first of its files. */
static const struct remap_entry *entry_of_procfs(const struct remaps *rs,
						 const struct path_file *pf)
{
	size_t len;
	pid_t pid = proc_name_pid(pf->name, &len);

	return pid ? map_find(&rs->index, REMAPS_BY_DEAD_PID, (uint64_t)pid) : NULL;
}

int remap_decode(struct model *m, struct path_file *pf)
{
	struct remaps *rs = remaps_of(m);
	const struct remap_entry *e;

	if (!rs)
		return -ENOMEM;
	if (pf->is_external)
		return 0;
	pf->is_link = map_find(&rs->index, REMAPS_BY_LINK, pf->file.id);
	e = map_find(&rs->index, REMAPS_BY_FILE, pf->file.id);
	if (!e)
		e = entry_of_procfs(rs, pf);
	/* A task of the tree that has the pid is as good as the dead one. */
	if (!e || (e->type == REMAP_PROCFS && model_task(m, (pid_t)e->remap_id)))
		return 0;
	pf->remap = e->type;
	if (e->type == REMAP_GHOST) {
		pf->ghost = map_find(&rs->ghosts, 0, e->remap_id);
		if (path_flags_unnamed(pf->file.flags) && S_ISREG(pf->ghost->mode))
			pf->ghost->is_unnamed = true;
	}
	if (e->type == REMAP_PROCFS)
		pf->dead_pid = (pid_t)e->remap_id;
	return 0;
}

static int entry_tie(struct model *m, struct remaps *rs, struct report *rep,
		     const struct remap_entry *e)
{
	struct path_file *pf = path_file_find(m, e->orig_id);

	if (!pf)
		return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
				     "remap-fpath.img: file %u is not in files.img", e->orig_id);
	if (e->type == REMAP_GHOST || e->type == REMAP_LINKED)
		rs->pending++;
	if (e->type != REMAP_LINKED)
		return 0;
	pf->link = path_file_find(m, e->remap_id);
	if (!pf->link || pf->link->remap != REMAP_NONE)
		return report_refuse(rep, -EUCLEAN, CODE_IMAGE_DAMAGED,
				     "remap-fpath.img: file %u is remapped to %u, which is not in "
				     "files.img",
				     e->orig_id, e->remap_id);
	pf->link->is_handle = true;
	return 0;
}

int remaps_tie(struct model *m, struct report *rep)
{
	struct remaps *rs = remaps_of(m);
	int r = rs ? 0 : report_fail(rep, -ENOMEM, "cannot plan open files");

	if (r < 0)
		return r;
	vec_for_each(e, &rs->entries) {
		int one = entry_tie(m, rs, rep, e);

		r = one < 0 ? one : r;
	}
	return r;
}
