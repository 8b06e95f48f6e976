/* Seccomp: modes, chains of filters, and what threads have in common. */
#include "../harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Makes system call nr fail with err, for the calling thread, or with TSYNC for all. */
static int forbid(int nr, int err, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static int result_of(int nr)
{
	errno = 0;
	return syscall(nr, 0, 0, 0) < 0 ? errno : 0;
}

CR_TEST(seccomp, chain_of_filters_survives)
{
	ASSERT_EQ(forbid(SYS_getppid, 71, 0), 0);
	ASSERT_EQ(forbid(SYS_getpgid, 72, SECCOMP_FILTER_FLAG_LOG), 0);
	ASSERT_EQ(forbid(SYS_getppid, 73, 0), 0);
	cr_point();
	/* The one that was added first wins among equals: the highest errno does not, the newest
	 * runs first but all are asked. */
	ASSERT(result_of(SYS_getppid) == 71 || result_of(SYS_getppid) == 73);
	ASSERT_EQ(result_of(SYS_getpgid), 72);
	ASSERT_EQ(prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
}

/* A filter that forbids what the restore itself does at the end. */
CR_TEST(seccomp, filter_does_not_judge_the_restore)
{
	static const int nrs[] = { SYS_capset,    SYS_prctl,   SYS_munmap,         SYS_futex,
				   SYS_setresuid, SYS_seccomp, SYS_rt_sigaction,   SYS_mmap,
				   SYS_brk,       SYS_getpid,  SYS_set_tid_address };
	pid_t pid = getpid();

	for (size_t i = 0; i < sizeof(nrs) / sizeof(*nrs); i++)
		if (nrs[i] != SYS_seccomp)
			ASSERT_EQ(forbid(nrs[i], 88, 0), 0);
	ASSERT_EQ(forbid(SYS_seccomp, 88, 0), 0);
	cr_point();
	ASSERT_EQ(result_of(SYS_getpid), 88);
	ASSERT(pid > 0);
}

CR_TEST(seccomp, user_without_right_keeps_filters)
{
	ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ASSERT_EQ(forbid(SYS_getppid, 71, 0), 0);
	ASSERT_EQ(chmod(".", 0777), 0); /* cr_point() makes a file here */
	ASSERT_EQ(setresuid(2001, 2001, 2001), 0);
	cr_point();
	ASSERT_EQ(result_of(SYS_getppid), 71);
	ASSERT_EQ(forbid(SYS_getpgid, 72, 0), 0);
	ASSERT_EQ(result_of(SYS_getpgid), 72);
}

static int hold[2];
static int seen[2];

static void *waiter(void *arg)
{
	char c;

	if (arg)
		ASSERT_EQ(forbid(SYS_getpgid, 73, 0), 0);
	(void)!read(hold[0], &c, 1);
	seen[0] = result_of(SYS_getppid);
	seen[1] = result_of(SYS_getpgid);
	return NULL;
}

CR_TEST(seccomp, threads_synchronise_later)
{
	pthread_t t;

	ASSERT_EQ(forbid(SYS_getppid, 71, 0), 0);
	ASSERT_EQ(pipe(hold), 0);
	ASSERT_EQ(pthread_create(&t, NULL, waiter, NULL), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(forbid(SYS_getpgid, 74, SECCOMP_FILTER_FLAG_TSYNC), 0);
	ASSERT_EQ(write(hold[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
	ASSERT_EQ(seen[0], 71);
	ASSERT_EQ(seen[1], 74);
}

CR_TEST(seccomp, threads_may_differ)
{
	pthread_t t;

	ASSERT_EQ(forbid(SYS_getppid, 71, 0), 0);
	ASSERT_EQ(pipe(hold), 0);
	ASSERT_EQ(pthread_create(&t, NULL, waiter, (void *)1), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(write(hold[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
	ASSERT_EQ(seen[0], 71);
	ASSERT_EQ(seen[1], 73);
	ASSERT_EQ(result_of(SYS_getppid), 71);
	ASSERT_EQ(result_of(SYS_getpgid), 0);
}

/* The thread has all that we have and more: it may bring us along, before and after. */
static void *synchroniser(void *arg)
{
	char c;

	ASSERT_EQ(forbid(SYS_getpgid, 73, 0), 0);
	(void)!read(hold[0], &c, 1);
	ASSERT_EQ(forbid(SYS_getsid, 75, SECCOMP_FILTER_FLAG_TSYNC), 0);
	return arg;
}

CR_TEST(seccomp, threads_have_a_common_part)
{
	pthread_t t;

	ASSERT_EQ(forbid(SYS_getppid, 71, 0), 0);
	ASSERT_EQ(forbid(SYS_getuid, 72, 0), 0);
	ASSERT_EQ(pipe(hold), 0);
	ASSERT_EQ(pthread_create(&t, NULL, synchroniser, NULL), 0);
	usleep(50000);
	cr_point();
	ASSERT_EQ(result_of(SYS_getpgid), 0);
	ASSERT_EQ(write(hold[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
	ASSERT_EQ(result_of(SYS_getppid), 71);
	ASSERT_EQ(result_of(SYS_getuid), 72);
	ASSERT_EQ(result_of(SYS_getpgid), 73);
	ASSERT_EQ(result_of(SYS_getsid), 75);
}

CR_TEST(seccomp, strict_mode_survives)
{
	int go[2], back[2], status;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	ASSERT_EQ(pipe(back), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		(void)!write(back[1], "1", 1);
		(void)!read(go[0], &c, 1);
		(void)!write(back[1], "2", 1);
		(void)!read(go[0], &c, 1);
		syscall(SYS_getpid); /* kills it */
		(void)!write(back[1], "3", 1);
	}
	close(back[1]);
	ASSERT_EQ(read(back[0], &c, 1), 1);
	cr_point();
	ASSERT_EQ(write(go[1], "x", 1), 1);
	ASSERT_EQ(read(back[0], &c, 1), 1);
	ASSERT_EQ(c, '2');
	ASSERT_EQ(write(go[1], "x", 1), 1);
	ASSERT_EQ(read(back[0], &c, 1), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
