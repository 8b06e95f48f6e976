/* Whether what lies at a path now is what was open there. See path_check.h. */
#include "object/file/path_check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "object/check.h"
#include "object/file/path_proc.h"

static const char *type_text(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "something unknown";
	}
}

static int type_compare(struct report *rep, const struct path_file *pf, const struct stat *st)
{
	if (pf->file.mode == 0 || ((st->st_mode ^ pf->file.mode) & S_IFMT) == 0)
		return 0;
	return report_refuse(rep, -ESTALE, CODE_FILE_CHANGED,
			     "%s is %s, at the time of the dump it was %s", pf->name,
			     type_text(st->st_mode), type_text(pf->file.mode));
}

static int size_compare(struct report *rep, const struct path_file *pf, const struct stat *st)
{
	if (!pf->has_size || (uint64_t)st->st_size == pf->size)
		return 0;
	return report_refuse(rep, -ESTALE, CODE_FILE_CHANGED,
			     "%s has %" PRIu64 " bytes, at the time of the dump it had %" PRIu64,
			     pf->name, (uint64_t)st->st_size, pf->size);
}

static int mode_compare(struct report *rep, const struct path_file *pf, const struct stat *st)
{
	const mode_t mask = 07777;

	if (pf->file.mode == 0 || ((st->st_mode ^ pf->file.mode) & mask) == 0)
		return 0;
	return report_refuse_with(rep, -ESTALE, CODE_FILE_CHANGED,
				  "give it its mode back with chmod, or use --skip-file-rwx-check",
				  "%s has mode %04o, at the time of the dump it had %04o", pf->name,
				  (unsigned)(st->st_mode & mask), (unsigned)(pf->file.mode & mask));
}

/* Ids are stored in words: the bytes behind the end are zero on both sides. */
static bool build_id_is_equal(const struct build_id *a, const struct build_id *b)
{
	size_t len = ROUND_UP(a->len, sizeof(uint32_t));

	return len == ROUND_UP(b->len, sizeof(uint32_t)) && memcmp(a->bytes, b->bytes, len) == 0;
}

static int build_id_compare(struct report *rep, const struct path_file *pf, int probe)
{
	scoped(fd_close) int fd = -EBADF;
	struct build_id now = { 0 };
	int r;

	if (!pf->build_id.len)
		return 0;
	fd = path_reopen(probe, O_RDONLY);
	r = fd < 0 ? fd : build_id_read(fd, &now);
	if (r == 0 && build_id_is_equal(&pf->build_id, &now))
		return 0;
	if (r < 0 && r != -ENOENT && r != -ENOEXEC && r != -EINVAL)
		return report_fail(rep, r, "cannot read the build-id of %s", pf->name);
	return report_refuse(rep, -ESTALE, CODE_FILE_CHANGED,
			     "%s has the size that it had at the time of the dump but is another "
			     "build: its build-id differs",
			     pf->name);
}

int path_compare(struct report *rep, const struct policy *policy, struct path_file *pf, int probe,
		 struct stat *ret_st)
{
	int one, r = sys_fstat(probe, ret_st);

	if (r < 0)
		return report_fail(rep, r, "cannot look at %s", pf->name);
	r = type_compare(rep, pf, ret_st);
	if (r < 0 || pf->is_proven)
		return r;
	r = size_compare(rep, pf, ret_st);
	if (r == 0 && policy->file_validation == VALIDATE_BUILD_ID)
		r = build_id_compare(rep, pf, probe);
	one = policy->skip_file_rwx_check ? 0 : mode_compare(rep, pf, ret_st);
	r = one < 0 ? one : r;
	pf->is_proven = r == 0;
	return r;
}

int path_file_inherited(const struct policy *policy, const struct path_file *pf)
{
	for (unsigned i = 0; i < policy->n_inherits; i++) {
		const char *key = policy->inherits[i].key;

		/* CRIU's paths in keys are without the leading slash. */
		if (strcmp(key, pf->name) == 0 ||
		    (!pf->is_external && strcmp(key, pf->name + 1) == 0))
			return policy->inherits[i].fd;
	}
	return -EBADF;
}

int path_external_refuse(struct report *rep, const struct path_file *pf)
{
	scoped(mem_free) char *remedy =
		str_format("give it with --inherit-fd 'fd[N]:%s'", pf->name);

	return report_refuse_with(rep, -ENOENT, CODE_EXTERNAL, remedy ? remedy : "",
				  "%s was declared external at the dump, and is not given now",
				  pf->name);
}

/* A pid that is needed for a moment only, but needed. */
static int dead_pid_check(struct check *k, const struct path_file *pf)
{
	int r = sys_kill(pf->dead_pid, 0);

	if (r == -ESRCH)
		return 0;
	return report_refuse(k->report, -EEXIST, CODE_PID_TAKEN,
			     "%s is of a task that ended, whose pid %d another process has now",
			     pf->name, pf->dead_pid);
}

static int name_check(struct check *k, struct path_file *pf)
{
	scoped(fd_close) int probe = path_open_beneath(k->root_fd, pf->name, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (probe == -ENOENT || probe == -ENOTDIR)
		return report_refuse_with(k->report, probe, CODE_FILE_MISSING,
					  pf->is_link ? "take the images of another dump: it was "
							"made by the dump and is lost"
						      : NULL,
					  "%s does not exist", pf->name);
	if (probe < 0)
		return report_fail(k->report, probe, "cannot open %s", pf->name);
	return path_compare(k->report, k->policy, pf, probe, &st);
}

int path_file_check(struct check *k, struct path_file *pf)
{
	size_t len;

	if (path_file_inherited(k->policy, pf) >= 0)
		return 0;
	if (pf->is_external)
		return path_external_refuse(k->report, pf);
	switch (pf->remap) {
	case REMAP_GHOST:  /* comes with the images */
	case REMAP_LINKED: /* the link is a file of its own here */
		return 0;
	case REMAP_PROCFS:
		return dead_pid_check(k, pf);
	case REMAP_NONE:
		break;
	}
	/* Not there before the task is. */
	if (model_task(k->model, proc_name_pid(pf->name, &len)))
		return 0;
	return name_check(k, pf);
}
