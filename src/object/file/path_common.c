/* What both sides of files with a path use: images, and ways through directories. See
 * path_common.h. */
#include "object/file/path_common.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/file/file_common.h"
#include "schema/regfile.pb-c.h"

/* Flags of an open file that open(2) takes again. The others it obeys once, or only fcntl(2) can
 * set them, or they are the kernel's own. O_LARGEFILE comes by itself. */
#define FLAGS_KEPT                                                                                 \
	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW |        \
	 O_NOATIME | O_PATH)
#define FLAGS_OF_PLACES (O_PATH | O_DIRECTORY | O_NOFOLLOW)

/* ---- images ---- */

int path_file_encode(const struct path_file *pf, struct arena *arena, struct RegFileEntry **ret)
{
	size_t words = ROUND_UP(pf->build_id.len, sizeof(uint32_t)) / sizeof(uint32_t);
	RegFileEntry *re = ARENA_NEW(arena, RegFileEntry);

	if (!re)
		return -ENOMEM;
	reg_file_entry__init(re);
	re->id = pf->file.id;
	re->flags = pf->file.flags;
	re->pos = pf->file.pos;
	re->fown = fown_encode(&pf->file.fown, arena);
	re->name = arena_str(arena, pf->name);
	re->has_mnt_id = pf->has_mnt_id;
	re->mnt_id = pf->file.mnt_id;
	re->has_mode = pf->file.mode != 0;
	re->mode = pf->file.mode;
	re->has_size = pf->has_size;
	re->size = pf->size;
	re->has_ext = re->ext = pf->is_external;
	if (words) {
		re->n_build_id = words;
		re->build_id = ARENA_ARRAY(arena, uint32_t, words);
		if (re->build_id)
			memcpy(re->build_id, pf->build_id.bytes, pf->build_id.len);
	}
	if (!re->fown || !re->name || (words && !re->build_id))
		return -ENOMEM;
	*ret = re;
	return 0;
}

int path_file_decode(struct path_file *pf, const struct RegFileEntry *re)
{
	size_t id_len = re->n_build_id * sizeof(uint32_t);

	if (!re->name[0] || id_len > sizeof(pf->build_id.bytes))
		return -EUCLEAN;
	pf->is_external = re->has_ext && re->ext;
	/* Images of old versions have paths without the leading slash. */
	pf->name = str_format("%s%s", pf->is_external || re->name[0] == '/' ? "" : "/", re->name);
	if (!pf->name)
		return -ENOMEM;
	pf->file.flags = re->flags;
	pf->file.pos = re->pos;
	pf->file.fown = fown_decode(re->fown);
	pf->file.mnt_id = re->has_mnt_id ? re->mnt_id : -1;
	pf->file.mode = re->has_mode ? re->mode : 0;
	pf->has_size = re->has_size;
	pf->size = re->size;
	pf->build_id.len = id_len;
	if (id_len)
		memcpy(pf->build_id.bytes, re->build_id, id_len);
	return 0;
}

void path_file_done(struct path_file *pf)
{
	mem_free(pf->name);
}

/* ---- directories ---- */

bool path_flags_unnamed(uint32_t flags)
{
	return flags & (O_TMPFILE & ~O_DIRECTORY);
}

uint32_t path_open_flags(uint32_t flags)
{
	if (path_flags_unnamed(flags)) /* it is there by now: as a ghost, or linked somewhere */
		flags &= ~(uint32_t)O_TMPFILE;
	return flags & (flags & O_PATH ? FLAGS_OF_PLACES : FLAGS_KEPT);
}

int path_open_beneath(int root, const char *name, uint32_t flags)
{
	const struct open_how how = { .flags = flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NOCTTY),
				      .resolve = RESOLVE_IN_ROOT };
	const char *path = name[strspn(name, "/")] ? name + strspn(name, "/") : ".";
	int fd = sys_openat2(root, path, &how, sizeof(how));

	return fd == -ENOSYS ? sys_openat(root, path, (int)how.flags, 0) : fd;
}

int path_open_parent(int root, const char *name, const char **ret_base, int *ret_fd)
{
	const char *slash = strrchr(name, '/');
	size_t above = slash ? (size_t)(slash - name) : 0;
	scoped(mem_free) char *dir = mem_dup(name, above + 1);
	int fd;

	if (!dir)
		return -ENOMEM;
	if (!slash || !slash[1])
		return -EISDIR;
	dir[above] = '\0';
	fd = path_open_beneath(root, dir, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	*ret_base = slash + 1;
	*ret_fd = fd;
	return 0;
}

int path_reopen(int fd, uint32_t flags)
{
	char self[32];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return sys_openat(AT_FDCWD, self,
			  (int)(path_open_flags(flags & ~(uint32_t)O_NOFOLLOW) | O_CLOEXEC |
				(flags & O_PATH ? 0 : O_NOCTTY)),
			  0);
}
