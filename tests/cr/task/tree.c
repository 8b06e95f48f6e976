/* Trees: children, sessions, groups, orphans, the dead and the stopped. */
#include "../harness.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static _Noreturn void idle(void)
{
	for (;;)
		pause();
}

/* A pipe on which a child says that it stands where it should. */
static void say_ready(int fd)
{
	ASSERT_EQ(write(fd, "r", 1), 1);
}

static void wait_ready_from(int fd)
{
	char c;

	ASSERT_EQ(read(fd, &c, 1), 1);
}

CR_TEST(tree, children_and_exit_status)
{
	pid_t children[20];
	int status;

	for (int i = 0; i < 20; i++) {
		children[i] = fork();
		if (children[i] == 0)
			idle();
	}
	cr_point();
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(kill(children[i], SIGTERM), 0);
		ASSERT_EQ(waitpid(children[i], &status, 0), children[i]);
		ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	}
	ASSERT_EQ(waitpid(-1, &status, 0), -1);
	ASSERT_EQ(errno, ECHILD);
}

CR_TEST(tree, the_dead_keep_their_status)
{
	pid_t exits = fork(), killed;
	siginfo_t info;
	int status;

	if (exits == 0)
		_exit(42);
	killed = fork();
	if (killed == 0) {
		raise(SIGKILL);
		idle();
	}
	ASSERT_EQ(waitid(P_PID, (id_t)exits, &info, WEXITED | WNOWAIT), 0);
	ASSERT_EQ(waitid(P_PID, (id_t)killed, &info, WEXITED | WNOWAIT), 0);
	cr_point();
	ASSERT_EQ(waitpid(exits, &status, 0), exits);
	ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	ASSERT_EQ(waitpid(killed, &status, 0), killed);
	ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

CR_TEST(tree, stopped_child_stays_stopped)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		idle();
	ASSERT_EQ(kill(child, SIGSTOP), 0);
	ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
	cr_point();
	ASSERT_EQ(waitpid(child, &status, WNOHANG | WCONTINUED), 0);
	ASSERT_EQ(kill(child, SIGCONT), 0);
	ASSERT_EQ(waitpid(child, &status, WCONTINUED), child);
	ASSERT(WIFCONTINUED(status));
	ASSERT_EQ(kill(child, SIGKILL), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
}

/* A session leader among the children, with a group of two in it. */
CR_TEST(tree, sessions_and_groups)
{
	pid_t ids[2], leader;
	int up[2], status;

	ASSERT_EQ(pipe(up), 0);
	leader = fork();
	if (leader == 0) {
		ASSERT(setsid() == getpid());
		ids[0] = fork();
		if (ids[0] == 0)
			idle();
		ASSERT_EQ(setpgid(ids[0], ids[0]), 0);
		ids[1] = fork();
		if (ids[1] == 0)
			idle();
		ASSERT_EQ(setpgid(ids[1], ids[0]), 0);
		ASSERT_EQ(write(up[1], ids, sizeof(ids)), sizeof(ids));
		idle();
	}
	ASSERT_EQ(read(up[0], ids, sizeof(ids)), sizeof(ids));
	cr_point();
	ASSERT_EQ(getsid(leader), leader);
	ASSERT_EQ(getpgid(leader), leader);
	ASSERT_EQ(getsid(ids[0]), leader);
	ASSERT_EQ(getsid(ids[1]), leader);
	ASSERT_EQ(getpgid(ids[0]), ids[0]);
	ASSERT_EQ(getpgid(ids[1]), ids[0]);
	ASSERT_EQ(kill(-ids[0], SIGKILL), 0);
	ASSERT_EQ(kill(leader, SIGKILL), 0);
	ASSERT_EQ(waitpid(leader, &status, 0), leader);
}

/* A daemon's double fork under a subreaper: its session leader is gone. */
CR_TEST(tree, orphan_of_a_dead_session_leader)
{
	pid_t between, orphan;
	int up[2], status;

	ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	ASSERT_EQ(pipe(up), 0);
	between = fork();
	if (between == 0) {
		setsid();
		orphan = fork();
		if (orphan == 0)
			idle();
		ASSERT_EQ(write(up[1], &orphan, sizeof(orphan)), sizeof(orphan));
		_exit(0);
	}
	ASSERT_EQ(read(up[0], &orphan, sizeof(orphan)), sizeof(orphan));
	ASSERT_EQ(waitpid(between, &status, 0), between);
	cr_point();
	ASSERT_EQ(getsid(orphan), between);
	ASSERT_EQ(getpgid(orphan), between);
	ASSERT_EQ(kill(orphan, SIGKILL), 0);
	ASSERT_EQ(waitpid(orphan, &status, 0), orphan);
}

/* The leader of a process group is gone, two members are left. */
CR_TEST(tree, group_without_leader)
{
	pid_t leader = fork(), members[2];
	int status;

	if (leader == 0)
		idle();
	ASSERT_EQ(setpgid(leader, leader), 0);
	for (int i = 0; i < 2; i++) {
		members[i] = fork();
		if (members[i] == 0)
			idle();
		ASSERT_EQ(setpgid(members[i], leader), 0);
	}
	ASSERT_EQ(kill(leader, SIGKILL), 0);
	ASSERT_EQ(waitpid(leader, &status, 0), leader);
	cr_point();
	ASSERT_EQ(getpgid(members[0]), leader);
	ASSERT_EQ(getpgid(members[1]), leader);
	ASSERT_EQ(kill(-leader, SIGKILL), 0);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(waitpid(members[i], &status, 0), members[i]);
}

CR_TEST(tree, deep_chain)
{
	int up[2], down[2], status;
	pid_t child;

	ASSERT_EQ(pipe(up), 0);
	ASSERT_EQ(pipe(down), 0);
	child = fork();
	if (child == 0) {
		for (int depth = 0; depth < 30; depth++) {
			pid_t next = fork();

			if (next > 0) {
				ASSERT_EQ(waitpid(next, &status, 0), next);
				_exit(WEXITSTATUS(status) + 1);
			}
		}
		say_ready(up[1]);
		wait_ready_from(down[0]);
		_exit(3);
	}
	wait_ready_from(up[0]);
	cr_point();
	say_ready(down[1]);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(WEXITSTATUS(status), 33);
}

/* Tasks without CLONE_THREAD that share descriptors and working directory. */
static int sharer(void *arg)
{
	(void)arg;
	idle();
}

CR_TEST(tree, shared_descriptors_and_directory)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t child = clone(sharer, stack + sizeof(stack), CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
	char path[64], link[64];
	int fd, status;
	ssize_t n;

	ASSERT(child > 0);
	cr_point();
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ASSERT(fd >= 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", child, fd);
	n = readlink(path, link, sizeof(link) - 1);
	ASSERT(n > 0);
	link[n] = '\0';
	ASSERT_STR(link, "/dev/zero");
	ASSERT_EQ(chdir("/usr"), 0);
	snprintf(path, sizeof(path), "/proc/%d/cwd", child);
	n = readlink(path, link, sizeof(link) - 1);
	ASSERT(n > 0);
	link[n] = '\0';
	ASSERT_STR(link, "/usr");
	ASSERT_EQ(kill(child, SIGKILL), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
}

CR_TEST(tree, shared_memory_is_refused, .refused = "E-SHARED-MM")
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t child = clone(sharer, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	int status;

	ASSERT(child > 0);
	cr_point();
	ASSERT_EQ(kill(child, SIGKILL), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
}
