/* Credentials. */
#include "../harness.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The lines of status that tell credentials, of the calling thread. */
static void read_creds(char *out, size_t room)
{
	static const char *const keys[] = { "Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:" };
	char buf[8192] = "", *save = NULL;
	int fd = open("/proc/thread-self/status", O_RDONLY);

	ASSERT(fd >= 0);
	ASSERT(read(fd, buf, sizeof(buf) - 1) > 0);
	close(fd);
	out[0] = '\0';
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				snprintf(out + strlen(out), room - strlen(out), "%s\n", line);
	snprintf(out + strlen(out), room - strlen(out), "secbits %#x keepcaps %d\n",
		 prctl(PR_GET_SECUREBITS), prctl(PR_GET_KEEPCAPS));
}

static void capset_all(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	ASSERT_EQ(syscall(SYS_capset, &h, d), 0);
}

#define BIT(n) (1ULL << (n))

static void same_before_and_after(void)
{
	char before[4096], after[4096];

	read_creds(before, sizeof(before));
	cr_point();
	read_creds(after, sizeof(after));
	ASSERT_STR(after, before);
}

/* Whoever we are going to be: cr_point() makes a file here. */
static void open_directory(void)
{
	ASSERT_EQ(chmod(".", 0777), 0);
}

CR_TEST(creds, root_stays_root)
{
	same_before_and_after();
}

CR_TEST(creds, user_without_capabilities_stays)
{
	const gid_t groups[] = { 27495, 48244, 3 };

	open_directory();
	ASSERT_EQ(setgroups(3, groups), 0);
	ASSERT_EQ(setresgid(1001, 1002, 1003), 0);
	ASSERT_EQ(setresuid(2001, 2002, 2003), 0);
	same_before_and_after();
}

CR_TEST(creds, user_with_some_capabilities_stays)
{
	open_directory();
	ASSERT_EQ(prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE), 0);
	ASSERT_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
	ASSERT_EQ(setgroups(0, NULL), 0);
	ASSERT_EQ(setresuid(2001, 2001, 2001), 0);
	capset_all(BIT(CAP_CHOWN), BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_RAW),
		   BIT(CAP_KILL) | BIT(CAP_NET_RAW));
	ASSERT_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), 0);
	same_before_and_after();
}

CR_TEST(creds, securebits_and_file_system_ids_stay)
{
	open_directory();
	ASSERT_EQ(prctl(PR_SET_SECUREBITS,
			SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE),
		  0);
	syscall(SYS_setfsuid, 77);
	syscall(SYS_setfsgid, 78);
	same_before_and_after();
}

CR_TEST(creds, no_new_privs_stays)
{
	ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	same_before_and_after();
}

static int hold[2];
static char before_thread[4096], after_thread[4096];

static void *other(void *arg)
{
	char c;

	/* Only this thread, not as glibc would do it. */
	ASSERT_EQ(syscall(SYS_setresuid, 3001, 3001, 0), 0);
	read_creds(before_thread, sizeof(before_thread));
	(void)!read(hold[0], &c, 1);
	read_creds(after_thread, sizeof(after_thread));
	return arg;
}

CR_TEST(creds, threads_may_differ)
{
	char before[4096], after[4096];
	pthread_t t;

	ASSERT_EQ(pipe(hold), 0);
	ASSERT_EQ(pthread_create(&t, NULL, other, NULL), 0);
	usleep(50000);
	read_creds(before, sizeof(before));
	cr_point();
	read_creds(after, sizeof(after));
	ASSERT_STR(after, before);
	ASSERT_EQ(write(hold[1], "x", 1), 1);
	ASSERT_EQ(pthread_join(t, NULL), 0);
	ASSERT_STR(after_thread, before_thread);
}
