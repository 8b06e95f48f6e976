/*
 * The broker: makes every open file that no task must make itself, before the tree is born. In the
 * plain case the broker is the restoring process, and the tasks inherit what it made.
 */
#include "base/fd.h"
#include "report/log.h"
#include "restore/restore_int.h"

/* How messages name a file: by the first slot that holds it. */
static void file_name_for_report(const struct file *f, char *buf, size_t len)
{
	if (f->task && f->fd >= 0)
		(void)snprintf(buf, len, "task %d: fd %d (%s)", f->task->pid, f->fd, f->kind->name);
	else
		(void)snprintf(buf, len, "file %u (%s)", f->id, f->kind->name);
}

int file_make(struct env *env, struct file *f)
{
	char name[96];
	int fd = -EBADF, rc;

	if (f->made_fd >= 0) /* deposited by the maker of its other end */
		return 0;
	file_name_for_report(f, name, sizeof(name));
	REPORT_FRAME(env->report, "%s", name);
	rc = f->kind->create(env, f, &fd);
	if (rc < 0)
		return rc;
	rc = env_keep_fd_take(env, f, fd);
	if (rc < 0)
		return rc;
	log_debug("file id=%u kind=%s fd=%d", f->id, f->kind->name, f->made_fd);
	return 0;
}

static int link_files(struct restore *r)
{
	bool occurs[FILE_KIND_MAX] = { 0 };

	vec_for_each(f, &r->model.files)
		occurs[file_kind_index((*f)->kind)] = true;
	for (unsigned i = 0; i < FILE_KIND_MAX; i++) {
		int rc;

		if (!occurs[i] || !file_kinds[i]->link)
			continue;
		REPORT_FRAME(r->report, "%s", file_kinds[i]->name);
		rc = file_kinds[i]->link(&r->env);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int restore_create_files(struct restore *r)
{
	vec_for_each(f, &r->model.files) {
		int rc;

		if ((*f)->maker || (*f)->is_name_only)
			continue;
		rc = file_make(&r->env, *f);
		if (rc < 0)
			return rc;
	}
	return link_files(r);
}

int restore_finish_files(struct restore *r)
{
	for (unsigned i = 0; i < FILE_KIND_MAX; i++) {
		int rc;

		if (!file_kinds[i]->finish)
			continue;
		REPORT_FRAME(r->report, "%s", file_kinds[i]->name);
		rc = file_kinds[i]->finish(&r->env);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void restore_drop_files(struct restore *r)
{
	vec_for_each(f, &r->model.files)
		fd_close(fd_take(&(*f)->made_fd));
	vec_for_each(s, &r->model.shmems)
		fd_close(fd_take(&(*s)->made_fd));
}
