/* From options to requests. See request.h. */
#include "request/request.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"

static int dir_open(const char *path, struct report *rep, int *ret_fd)
{
	scoped(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r < 0)
		return report_refuse(rep, r, CODE_IMAGES_DIR, "cannot open directory %s: %s", path,
				     strerrordesc_np(-r) ?: "unknown error");
	/* Whoever closed the standard descriptors shall not write into our directory. */
	*ret_fd = fd < 3 ? fd_dup_above(fd, 3) : fd_take(&fd);
	return *ret_fd < 0 ? report_fail(rep, *ret_fd, "cannot keep directory %s", path) : 0;
}

int places_open(const struct options *o, struct report *rep, struct places *ret)
{
	struct places p = {
		.images = o->images_dir ?: ".",
		.images_fd = -EBADF,
		.work = o->work_dir ?: o->images_dir ?: ".",
		.work_fd = -EBADF,
	};
	int r = dir_open(p.images, rep, &p.images_fd);

	if (r == 0)
		r = dir_open(p.work, rep, &p.work_fd);
	if (r < 0) {
		places_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void places_done(struct places *p)
{
	fd_close(p->images_fd);
	fd_close(p->work_fd);
	p->images_fd = p->work_fd = -EBADF;
}

static struct allow allow_of(const struct options *o)
{
	return (struct allow){
		.shell_job = o->shell_job,
		.link_remap = o->link_remap,
		.evasive_devices = o->evasive_devices,
		.file_locks = o->file_locks,
		.ext_unix_sk = o->ext_unix_sk,
		.tcp_established = o->tcp_established,
		.tcp_close = o->tcp_close,
		.skip_in_flight = o->skip_in_flight,
		.force_irmap = o->force_irmap,
		.weak_sysctls = o->weak_sysctls,
		.uprobes = o->allow_uprobes,
		.unprivileged = o->unprivileged,
		.skip_file_rwx_check = o->skip_file_rwx_check,
		.ghost_limit = o->ghost_limit,
		.file_validation = o->file_validation,
		.network_lock = o->network_lock,
		.irmap_scan_paths = &o->irmap_scan_paths,
		.externals = &o->externals,
		.inherits = &o->inherits,
	};
}

static struct hooks hooks_of(const struct options *o, const struct places *places)
{
	return (struct hooks){
		.scripts = o->scripts.at,
		.n_scripts = o->scripts.n,
		.images_fd = places->images_fd,
		.work_fd = places->work_fd,
		.pidfile = o->pidfile,
		.status_fd = o->status_fd,
	};
}

int request_dump(const struct options *o, const struct places *places, struct report *rep,
		 struct dump_request *ret)
{
	if (o->pid == 0)
		return report_refuse(rep, -EINVAL, CODE_USAGE,
				     "option --tree is needed: which process?");
	*ret = (struct dump_request){
		.pid = o->pid,
		.places = *places,
		.allow = allow_of(o),
		.leave = o->leave,
		.timeout = (usec_t)o->timeout * 1000000,
		.freeze_cgroup = o->freeze_cgroup,
		.cpu_cap = o->cpu_cap,
		.json = o->json,
		.verbose = o->verbosity > LOG_LEVEL_DEFAULT,
		.hooks = hooks_of(o, places),
	};
	/* The pid file of a dump belongs to somebody else: it names the tree. */
	ret->hooks.pidfile = NULL;
	return 0;
}

static int inherits_check(const struct options *o, struct report *rep)
{
	int ret = 0;

	vec_for_each(i, &o->inherits)
		if (fcntl(i->fd, F_GETFD) < 0)
			ret = report_refuse(rep, -EINVAL, CODE_OPTION_VALUE,
					    "option --inherit-fd: descriptor %d is not open",
					    i->fd);
	return ret;
}

int request_restore(const struct options *o, const struct places *places, char *const *args,
		    struct report *rep, struct restore_request *ret)
{
	if (o->sibling && !o->detach)
		return report_refuse(rep, -EINVAL, CODE_OPTION_CONFLICT,
				     "option --restore-sibling needs --restore-detached");
	if (o->exec_cmd && o->detach)
		return report_refuse(
			rep, -EINVAL, CODE_OPTION_CONFLICT,
			"options --exec-cmd and --restore-detached exclude each other");
	if (o->exec_cmd && !args[0])
		return report_refuse(rep, -EINVAL, CODE_USAGE,
				     "option --exec-cmd needs a command behind --");
	*ret = (struct restore_request){
		.places = *places,
		.allow = allow_of(o),
		.leave = o->leave,
		.after = o->exec_cmd ? AFTER_EXEC
			 : o->detach ? AFTER_DETACH
				     : AFTER_WAIT,
		.sibling = o->sibling,
		.dry_run = o->dry_run,
		.print_plan = o->dry_run && !o->quiet,
		.exec_argv = o->exec_cmd ? args : NULL,
		.cpu_cap = o->cpu_cap,
		.timeout = (usec_t)o->timeout * 1000000,
		.json = o->json,
		.verbose = o->verbosity > LOG_LEVEL_DEFAULT,
		.hooks = hooks_of(o, places),
	};
	return inherits_check(o, rep);
}

int request_check(const struct options *o, struct report *rep, struct check_request *ret)
{
	*ret = (struct check_request){
		.features = &o->features,
		.extra = o->extra || o->all,
		.experimental = o->experimental || o->all,
		.list = o->list,
		.json = o->json,
		.verbose = o->verbosity > LOG_LEVEL_DEFAULT,
	};
	return 0;
}
