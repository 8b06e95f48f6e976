/*
 * stasis restore, and what the foreground does: it stays the parent of the restored root until that
 * ends. Under our own name its exit status becomes ours; criu exits with 0 however the root ended.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "report/progress.h"
#include "restore/restore.h"

static int root_wait(struct cli *c, pid_t root)
{
	int status;

	while (waitpid(root, &status, 0) < 0)
		if (errno != EINTR)
			return report_fail(&c->report, -errno,
					   "cannot wait for the restored root %d", root);
	if (c->line.who == CRIU)
		return 0;
	c->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

static int restored(struct cli *c, struct restore_request *rq, pid_t root)
{
	int r;

	c->result = json_pack("{si}", "root_pid", root);
	if (rq->dry_run)
		return 0;
	r = hooks_ready(&rq->hooks, &c->report);
	if (r < 0)
		return r;
	cli_say_done(c);
	if (rq->after == AFTER_EXEC) {
		(void)execvp(rq->exec_argv[0], rq->exec_argv);
		return report_fail(&c->report, -errno, "the tree is restored, but cannot run %s",
				   rq->exec_argv[0]);
	}
	return rq->after == AFTER_WAIT ? root_wait(c, root) : 0;
}

int cmd_restore(struct cli *c)
{
	bool takes_words = c->line.options.exec_cmd;
	struct restore_request rq;
	pid_t root = 0;
	int r = cli_check_args(c, takes_words ? SIZE_MAX : 0);

	if (r == 0 && !c->line.options.dry_run)
		r = cli_check_privilege(c);
	if (r == 0)
		r = request_restore(&c->line.options, &c->places, c->line.args, &c->report, &rq);
	if (r < 0)
		return r;
	if (cli_is_talking(c))
		c->stats.progress = progress_new(STDERR_FILENO, "restoring");
	c->verb = rq.dry_run ? NULL : "restored";
	r = restore_run(&rq, &c->report, &c->stats, stdout, &root);
	progress_free(c->stats.progress);
	c->stats.progress = NULL;
	return r < 0 ? r : restored(c, &rq, root);
}
