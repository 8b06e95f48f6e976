/* Descriptor tables, each once however many tasks share it; then every file's references are
 * resolved. */
#include "dump/dump_int.h"
#include "kernel/proc/fdinfo.h"

static int fdtable_collect(struct dump *d, struct fdtable *table)
{
	scoped(proc_numbers_done) struct proc_numbers fds = { 0 };
	struct task *t = table->owner;
	int r = proc_fds_read(&live_of(t)->proc, &fds), trouble = 0;

	REPORT_FRAME(d->report, "task %d", t->host_pid);
	if (r < 0)
		return report_fail(d->report, r, "cannot list its descriptors");
	vec_for_each(fd, &fds) {
		bool cloexec = false;
		struct file *f;

		r = collect_slot_file(&d->collect, t, *fd, &f, &cloexec);
		if (r < 0) {
			trouble = r; /* all that cannot be dumped is reported together */
			continue;
		}
		r = fdtable_add(table, *fd, cloexec, f);
		if (r < 0)
			return report_fail(d->report, r, "cannot note descriptor %d", *fd);
	}
	return trouble;
}

static int fs_collect(struct dump *d, struct fs *fs)
{
	struct task *t = fs->owner;
	int r;

	REPORT_FRAME(d->report, "task %d", t->host_pid);
	fs->umask = live_thread_of(task_leader(t))->status.umask;
	r = collect_path_file(&d->collect, t, FILE_USER_CWD, NULL, &fs->cwd);
	if (r == 0)
		r = collect_path_file(&d->collect, t, FILE_USER_ROOT, NULL, &fs->root);
	return r;
}

int dump_collect_files(struct dump *d)
{
	int r = 0, one;

	vec_for_each(table, &d->model.fdtables) {
		one = fdtable_collect(d, *table);
		r = one < 0 ? one : r;
	}
	vec_for_each(fs, &d->model.fss) {
		one = fs_collect(d, *fs);
		r = one < 0 ? one : r;
	}
	/* By index: resolving may meet further files. */
	for (size_t i = 0; r == 0 && i < d->model.files.n; i++) {
		struct file *f = d->model.files.at[i];

		if (!f->kind->resolve || f->is_refused)
			continue;
		REPORT_FRAME(d->report, "task %d: fd %d (%s)", f->task ? f->task->host_pid : 0,
			     f->fd, f->kind->name);
		r = f->kind->resolve(&d->collect, f);
	}
	d->stats->files = d->model.files.n;
	return r;
}

int dump_lock(struct dump *d)
{
	bool occurs[FILE_KIND_MAX] = { 0 };
	int r = 0;

	vec_for_each(f, &d->model.files)
		occurs[file_kind_index((*f)->kind)] = true;
	for (unsigned i = 0; i < FILE_KIND_MAX && r == 0; i++)
		if (occurs[i] && file_kinds[i]->lock)
			r = file_kinds[i]->lock(&d->collect);
	return r;
}
