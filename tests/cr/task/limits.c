/* Limits, scheduling and switches. */
#include "../harness.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

CR_TEST(rlimits, survive)
{
	struct rlimit before[16], after[16], l = { 1000, 5000 };

	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = 1 << 20;
	l.rlim_max = RLIM_INFINITY;
	ASSERT_EQ(setrlimit(RLIMIT_CORE, &l), 0);
	l.rlim_cur = l.rlim_max = 64;
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &l), 0);
	for (int i = 0; i < 16; i++)
		ASSERT_EQ(getrlimit(i, &before[i]), 0);
	cr_point();
	for (int i = 0; i < 16; i++)
		ASSERT_EQ(getrlimit(i, &after[i]), 0);
	ASSERT_EQ(memcmp(before, after, sizeof(before)), 0);
}

static int hold[2];

static void *scheduled(void *arg)
{
	struct sched_param param = { .sched_priority = 7 };
	char c;

	ASSERT_EQ(syscall(SYS_sched_setscheduler, 0, SCHED_RR | SCHED_RESET_ON_FORK, &param), 0);
	ASSERT_EQ(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3), 0);
	(void)!read(hold[0], &c, 1);
	ASSERT_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_RR | SCHED_RESET_ON_FORK);
	ASSERT_EQ(syscall(SYS_sched_getparam, 0, &param), 0);
	ASSERT_EQ(param.sched_priority, 7);
	ASSERT_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 3);
	return arg;
}

CR_TEST(sched, differs_in_threads)
{
	struct sched_param none = { 0 };
	pthread_t t;

	ASSERT_EQ(pipe(hold), 0);
	ASSERT_EQ(pthread_create(&t, NULL, scheduled, NULL), 0);
	ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	ASSERT_EQ(sched_setscheduler(0, SCHED_BATCH, &none), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(getpriority(PRIO_PROCESS, 0), 5);
	ASSERT_EQ(sched_getscheduler(0), SCHED_BATCH);
	ASSERT_EQ(write(hold[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
}

static int read_number(const char *path)
{
	char buf[32] = "";
	int fd = open(path, O_RDONLY);

	ASSERT(fd >= 0);
	ASSERT(read(fd, buf, sizeof(buf) - 1) > 0);
	close(fd);
	return atoi(buf);
}

CR_TEST(oom_score_adj, survives)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	ASSERT_EQ(write(fd, "321", 3), 3);
	close(fd);
	cr_point();
	ASSERT_EQ(read_number("/proc/self/oom_score_adj"), 321);
}

static const char *skip_without_audit(void)
{
	return access("/proc/self/loginuid", F_OK) == 0 ? NULL : "this kernel has no auditing";
}

CR_TEST(loginuid, survives, .skip = skip_without_audit)
{
	int fd = open("/proc/self/loginuid", O_WRONLY);
	int want;

	(void)!write(fd, "12345", 5); /* where we may: it can be set once only */
	close(fd);
	want = read_number("/proc/self/loginuid");
	cr_point();
	ASSERT_EQ(read_number("/proc/self/loginuid"), want);
}

CR_TEST(subreaper, adopts_on)
{
	int is = 0, between[2];
	pid_t grandchild, got;

	ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ASSERT_EQ(pipe(between), 0);
	cr_point();
	ASSERT_EQ(prctl(PR_GET_CHILD_SUBREAPER, &is), 0);
	ASSERT_EQ(is, 1);
	if (fork() == 0) {
		grandchild = fork();
		if (grandchild == 0)
			_exit(usleep(50000));
		_exit(write(between[1], &grandchild, sizeof(grandchild)) < 0);
	}
	ASSERT_EQ(read(between[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	do {
		got = wait(NULL);
		ASSERT(got > 0);
	} while (got != grandchild);
}

CR_TEST(subreaper, others_do_not)
{
	int is = 1;

	cr_point();
	ASSERT_EQ(prctl(PR_GET_CHILD_SUBREAPER, &is), 0);
	ASSERT_EQ(is, 0);
}

CR_TEST(pdeath_sig, arrives)
{
	int ready[2], end[2], sig = 0;
	char c;

	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(end), 0);
	ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	if (fork() == 0) {
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigprocmask(SIG_BLOCK, &set, NULL);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGUSR2);
			(void)!write(ready[1], "x", 1);
			sigwait(&set, &sig);
			_exit(sig == SIGUSR2 ? 33 : 1);
		}
		_exit(read(end[0], &c, 1) != 1);
	}
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	cr_point();
	ASSERT_EQ(write(end[1], "x", 1), 1);
	for (int i = 0; i < 2; i++) {
		int status;

		ASSERT(wait(&status) > 0);
		if (WEXITSTATUS(status) == 33)
			return;
	}
	ASSERT(!"the signal did not arrive");
}

CR_TEST(pdeath_sig, none_is_left)
{
	int sig = 77;

	cr_point();
	ASSERT_EQ(prctl(PR_GET_PDEATHSIG, &sig), 0);
	ASSERT_EQ(sig, 0);
}

CR_TEST(membarrier, registrations_survive)
{
	long ok = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);

	ASSERT_EQ(ok, 0);
	ASSERT_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0), -1);
	cr_point();
	ASSERT_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), 0);
	ASSERT_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0), -1);
}

CR_TEST(prctl, switches_survive)
{
	int tsc = 0;

	ASSERT_EQ(prctl(PR_SET_TIMERSLACK, 123456), 0);
	ASSERT_EQ(prctl(PR_SET_TSC, PR_TSC_SIGSEGV), 0);
	ASSERT_EQ(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0), 0);
	cr_point();
	ASSERT_EQ(prctl(PR_GET_TIMERSLACK), 123456);
	ASSERT_EQ(prctl(PR_GET_TSC, &tsc), 0);
	ASSERT_EQ(tsc, PR_TSC_SIGSEGV);
	ASSERT_EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
}

static volatile char dispatch_selector;

CR_TEST(syscall_dispatch, is_refused, .refused = "E-SYSCALL-DISPATCH", .live_only = true)
{
	ASSERT_EQ(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &dispatch_selector),
		  0);
	cr_point();
}
