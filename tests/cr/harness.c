/*
 * The harness of tests/cr. See harness.h.
 *
 *	test-cr-...			all tests in all flavours; last line "N passed, N failed, N
 *skipped" test-cr-... --list		their names test-cr-... kind/name[/flavour]	one
 *
 * The test says that it is ready by making the file `ready` in its directory, and goes on when it
 *gets SIGUSR1, which arrives after the restore at the same pid. We are the subreaper, so that a
 *restored root becomes our child.
 */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define STEP_TIMEOUT 30 /* seconds for any one wait */

static struct cr_test *tests;
static const char *stasis;

void cr_register(struct cr_test *t)
{
	struct cr_test **at = &tests;

	while (*at)
		at = &(*at)->next;
	*at = t;
}

/* ---- in the test
 * --------------------------------------------------------------------------------------------- */

_Noreturn void cr_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	_exit(1);
}

void cr_point(void)
{
	const char *ready = getenv("CR_READY");
	sigset_t go;
	int fd, sig;

	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	fd = open(ready, O_CREAT | O_EXCL | O_WRONLY, 0600);
	ASSERT(fd >= 0);
	close(fd);
	ASSERT_EQ(sigwait(&go, &sig), 0);
	errno = 0;
}

static _Noreturn void test_child(const struct cr_test *t, const char *dir)
{
	char path[4200];
	sigset_t go;
	int fd;

	if (setsid() < 0 || chdir(dir) < 0)
		_exit(2);
	snprintf(path, sizeof(path), "%s/ready", dir);
	setenv("CR_READY", path, 1);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/output", dir);
	fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	close(fd);
	close_range(3, ~0U, 0);
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	t->run();
	_exit(0);
}

/* ---- in the harness
 * ------------------------------------------------------------------------------------------ */

struct run {
	const struct cr_test *test;
	const char *flavour;
	bool live;
	char dir[64], images[80];
	pid_t pid;
};

static void pause_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	nanosleep(&ts, NULL);
}

static bool file_exists(const char *dir, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Waits until the test has made `ready` or ended. */
static bool wait_ready(const struct run *r)
{
	for (int i = 0; i < STEP_TIMEOUT * 200; i++) {
		if (file_exists(r->dir, "ready"))
			return true;
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid)
			return false;
		pause_ms(5);
	}
	return false;
}

/* Runs stasis with options; output goes to `log` in the run's directory. Gives its exit status. */
static int run_stasis(const struct run *r, const char *command, const char *options)
{
	char line[1024], log[128], *args[64], pid[16], *save = NULL;
	int n = 0, status;
	pid_t child, ended;

	snprintf(log, sizeof(log), "%s/%s.log", r->dir, command);
	snprintf(pid, sizeof(pid), "%d", r->pid);
	snprintf(line, sizeof(line), "%s", options ? options : "");
	args[n++] = (char *)stasis;
	args[n++] = (char *)command;
	args[n++] = (char *)"-D";
	args[n++] = (char *)r->images;
	if (strcmp(command, "dump") == 0) {
		args[n++] = (char *)"-t";
		args[n++] = pid;
		if (r->live)
			args[n++] = (char *)"--leave-running";
	} else {
		args[n++] = (char *)"-d";
	}
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		args[n++] = word;
	args[n] = NULL;
	child = fork();
	if (child == 0) {
		int fd = open(log, O_CREAT | O_WRONLY | O_TRUNC, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		alarm(60);
		execv(stasis, args);
		_exit(127);
	}
	/* Its victims become ours: their pids must be free again for the restore. */
	do {
		ended = child < 0 ? -1 : waitpid(-1, &status, 0);
	} while (ended > 0 && ended != child);
	if (ended < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool log_has(const struct run *r, const char *command, const char *text)
{
	char path[160], buf[16384];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.log", r->dir, command);
	fd = open(path, O_RDONLY);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strstr(buf, text);
}

static void print_file(const char *dir, const char *name)
{
	char path[200], buf[8192];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	close(fd);
}

/* Waits for the end of the test's process; false when it does not end or did not exit with 0. */
static bool wait_end(const struct run *r)
{
	int status;

	for (int i = 0; i < STEP_TIMEOUT * 200; i++) {
		if (waitpid(r->pid, &status, WNOHANG) == r->pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		pause_ms(5);
	}
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	printf("the test did not end\n");
	return false;
}

static bool checkpoint(const struct run *r)
{
	const struct cr_test *t = r->test;
	int status = run_stasis(r, "dump", t->dump_options);

	if (t->refused) {
		if (status == 0 || !log_has(r, "dump", t->refused)) {
			printf("the dump was not refused with %s (status %d)\n", t->refused,
			       status);
			return false;
		}
		return true;
	}
	if (status != 0) {
		printf("dump: exit status %d\n", status);
		return false;
	}
	if (r->live)
		return true;
	/* Killed by stasis, and ours to reap: all of them, or their pids are taken. */
	while (waitpid(t->outsiders ? r->pid : -1, NULL, WNOHANG) >= 0)
		pause_ms(1);
	status = run_stasis(r, "restore", t->restore_options);
	if (status != 0)
		printf("restore: exit status %d\n", status);
	return status == 0;
}

static bool run_flavour(struct run *r)
{
	bool ok;

	snprintf(r->dir, sizeof(r->dir), "/tmp/cr-XXXXXX");
	if (!mkdtemp(r->dir))
		return false;
	chmod(r->dir, 0755);
	snprintf(r->images, sizeof(r->images), "%s/images", r->dir);
	mkdir(r->images, 0700);
	r->pid = fork();
	if (r->pid == 0)
		test_child(r->test, r->dir);
	if (!wait_ready(r)) {
		printf("the test ended or hung before its cr_point()\n");
		ok = false;
	} else {
		ok = checkpoint(r);
		if (!ok)
			kill(r->pid, SIGKILL);
		kill(r->pid, SIGUSR1);
		ok = wait_end(r) && ok;
	}
	while (waitpid(-1, NULL, WNOHANG) > 0) /* orphans of the test */
		continue;
	return ok;
}

static void remove_dir(const char *dir)
{
	char command[128];
	pid_t child = fork();

	if (child == 0) {
		snprintf(command, sizeof(command), "%s", dir);
		execlp("rm", "rm", "-rf", "--", command, (char *)NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
}

static bool run_one(const struct cr_test *t, bool live, const char *self)
{
	struct run r = { .test = t, .live = live, .flavour = live ? "live" : "killed" };
	bool ok = run_flavour(&r);

	printf("%s %s/%s/%s\n", ok ? "ok    " : "FAILED", t->kind, t->name, r.flavour);
	if (ok) {
		remove_dir(r.dir);
	} else {
		print_file(r.dir, "output");
		print_file(r.dir, "dump.log");
		print_file(r.dir, "restore.log");
		printf("kept: %s; again: STASIS=%s %s %s/%s/%s\n", r.dir, stasis, self, t->kind,
		       t->name, r.flavour);
	}
	fflush(stdout);
	return ok;
}

static bool is_wanted(const struct cr_test *t, const char *flavour, int argc, char **argv)
{
	char name[256];

	if (argc < 2)
		return true;
	for (int i = 1; i < argc; i++) {
		snprintf(name, sizeof(name), "%s/%s/%s", t->kind, t->name, flavour);
		if (strncmp(name, argv[i], strlen(argv[i])) == 0)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0, skipped = 0;

	stasis = getenv("STASIS");
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (struct cr_test *t = tests; t; t = t->next)
			printf("%s/%s\n", t->kind, t->name);
		return 0;
	}
	if (!stasis || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		printf("STASIS must name the binary\n");
		return 1;
	}
	for (struct cr_test *t = tests; t; t = t->next) {
		const char *reason = t->skip ? t->skip() : NULL;

		for (int live = 0; live < 2; live++) {
			if (!is_wanted(t, live ? "live" : "killed", argc, argv) ||
			    (!live && t->live_only))
				continue;
			if (reason) {
				printf("skip   %s/%s: %s\n", t->kind, t->name, reason);
				skipped++;
			} else if (run_one(t, live, argv[0])) {
				passed++;
			} else {
				failed++;
			}
		}
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed ? 1 : passed ? 0 : 77;
}
