/* Every line that we keep, damage, and a child whose state we know. */
#include "unit/check.h"

#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/str.h"
#include "child.h"
#include "kernel/proc/status.h"

static const char whole[] = "Name:\tca\\nt\n"
			    "Umask:\t0027\n"
			    "State:\tT (stopped)\n"
			    "Tgid:\t13217\n"
			    "Ngid:\t0\n"
			    "Pid:\t13218\n"
			    "PPid:\t13205\n"
			    "TracerPid:\t99\n"
			    "Uid:\t1\t2\t3\t4294967295\n"
			    "Gid:\t5\t6\t7\t8\n"
			    "FDSize:\t256\n"
			    "Groups:\t4 24 4294967294 \n"
			    "NStgid:\t13217\t1\n"
			    "NSpid:\t13218\t2\n"
			    "NSpgid:\t13205\t0\n"
			    "NSsid:\t11653\t0\n"
			    "Kthread:\t0\n"
			    "VmLck:\t       8 kB\n"
			    "RssShmem:\t      12 kB\n"
			    "CoreDumping:\t0\n"
			    "THP_enabled:\t0\n"
			    "Threads:\t2\n"
			    "SigQ:\t0/96365\n"
			    "SigPnd:\t0000000000000001\n"
			    "ShdPnd:\t0000000000000002\n"
			    "SigBlk:\t8000000000000003\n"
			    "SigIgn:\t0000000000000004\n"
			    "SigCgt:\t0000000000000005\n"
			    "CapInh:\t0000000000000006\n"
			    "CapPrm:\t000001ffffffffff\n"
			    "CapEff:\t0000000000000008\n"
			    "CapBnd:\t0000000000000009\n"
			    "CapAmb:\t000000000000000a\n"
			    "NoNewPrivs:\t1\n"
			    "Seccomp:\t2\n"
			    "Seccomp_filters:\t3\n"
			    "Some_news:\twhatever\n"
			    "no colon at all\n"
			    "Cpus_allowed_list:\t0-1\n";

static void fields(void **state)
{
	scoped(proc_status_done) struct proc_status st = { 0 };

	assert_int_equal(proc_status_parse(whole, strlen(whole), &st), 0);
	assert_string_equal(st.name, "ca\\nt");
	assert_int_equal(st.umask, 027);
	assert_int_equal(st.state, 'T');
	assert_int_equal(st.tgid, 13217);
	assert_int_equal(st.pid, 13218);
	assert_int_equal(st.tracer, 99);
	assert_int_equal(st.uid[3], 4294967295);
	assert_int_equal(st.gid[2], 7);
	assert_int_equal(st.n_groups, 3);
	assert_int_equal(st.groups[2], 4294967294);
	assert_int_equal(st.ns_pid.n, 2);
	assert_int_equal(st.ns_pid.id[1], 2);
	assert_int_equal(st.ns_sid.id[0], 11653);
	assert_int_equal(st.vm_locked, 8192);
	assert_int_equal(st.rss_shmem, 12288);
	assert_false(st.thp_enabled);
	assert_int_equal(st.threads, 2);
	assert_true(st.sig_blocked == 0x8000000000000003);
	assert_int_equal(st.sig_shared_pending, 2);
	assert_int_equal(st.caps.permitted, 0x1ffffffffff);
	assert_int_equal(st.caps.ambient, 10);
	assert_true(st.no_new_privs);
	assert_int_equal(st.seccomp, 2);
	assert_int_equal(st.seccomp_filters, 3);
	assert_true(st.has_umask && st.has_seccomp_filters && st.has_thp_enabled);
}

/* The text with one line replaced ("" takes it out). */
static int parse_with(const char *key, const char *line, struct proc_status *ret)
{
	scoped(str_done) struct str text = { 0 };
	const char *at = strstr(whole, key);
	const char *behind = strchr(at, '\n') + 1;

	(void)str_add(&text, whole, (size_t)(at - whole));
	(void)str_addf(&text, "%s%s", line, behind);
	return proc_status_parse(text.p, text.len, ret);
}

static void damage_is_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "State", "" },
		{ "SigBlk", "" },
		{ "State", "State:\t\n" },
		{ "Umask", "Umask:\t0092\n" },
		{ "Pid:\t", "Pid:\tx\n" },
		{ "Uid", "Uid:\t1\t2\t3\n" },
		{ "Uid", "Uid:\t1\t2\t3\t4294967296\n" },
		{ "Groups", "Groups:\t1 x\n" },
		{ "Groups", "Groups:\t1\nGroups:\t2\n" },
		{ "NSpid", "NSpid:\t\n" },
		{ "NSpid", "NSpid:\t1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 "
			   "1 1 1 1\n" },
		{ "NoNewPrivs", "NoNewPrivs:\t2\n" },
		{ "SigBlk", "SigBlk:\t10000000000000000\n" },
		{ "VmLck", "VmLck:\t18446744073709551615 kB\n" },
	};
	struct proc_status st;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_with(bad[i][0], bad[i][1], &st), -EINVAL);
	assert_int_equal(proc_status_parse("", 0, &st), -EINVAL);
	for (size_t len = 0; len < sizeof(whole); len++)
		if (proc_status_parse(whole, len, &st) == 0)
			proc_status_done(&st);
}

static void old_kernels_say_less(void **state)
{
	scoped(proc_status_done) struct proc_status st = { 0 };

	assert_int_equal(parse_with("Umask", "", &st), 0);
	assert_false(st.has_umask);
	proc_status_done(&st);
	assert_int_equal(parse_with("NSpid", "", &st), 0);
	assert_int_equal(st.ns_pid.n, 0);
	proc_status_done(&st);
	assert_int_equal(parse_with("Groups", "Groups:\t \n", &st), 0);
	assert_int_equal(st.n_groups, 0);
}

static void be_known(void *arg)
{
	gid_t groups[3] = { 7, 8, 9 };
	sigset_t set;

	(void)umask(0123);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)signal(SIGTERM, SIG_IGN);
	if (geteuid() == 0)
		(void)setgroups(3, groups);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)raise(SIGUSR2);
}

static void a_child(void **state)
{
	scoped(child_end) pid_t pid = child_start(be_known, NULL);
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_status_done) struct proc_status st = { 0 };

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_int_equal(proc_status_read(&p, &st), 0);
	assert_int_equal(st.umask, 0123);
	assert_int_equal(st.state, 'S');
	assert_int_equal(st.pid, pid);
	assert_int_equal(st.ppid, getpid());
	assert_int_equal(st.threads, 1);
	assert_int_equal(st.sig_blocked, 1 << (SIGUSR2 - 1));
	assert_int_equal(st.sig_pending, 1 << (SIGUSR2 - 1));
	assert_true(st.sig_ignored & 1 << (SIGTERM - 1));
	assert_true(st.no_new_privs);
	assert_int_equal(st.ns_pid.id[0], pid);
	assert_int_equal(st.uid[0], getuid());
	if (geteuid() == 0) {
		assert_int_equal(st.n_groups, 3);
		assert_int_equal(st.groups[2], 9);
	}
}

/* More groups than the first buffer holds. */
static void many_groups(void *arg)
{
	static gid_t groups[20000];

	for (gid_t i = 0; i < 20000; i++)
		groups[i] = 100000 + i;
	(void)setgroups(20000, groups);
}

static void a_long_one(void **state)
{
	scoped(proc_status_done) struct proc_status st = { 0 };
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;

	if (geteuid() != 0)
		skip();
	scoped(child_end) pid_t pid = child_start(many_groups, NULL);

	assert_true(child_reaches(pid, 'S'));
	assert_int_equal(proc_pid_open(pid, &p), 0);
	assert_int_equal(proc_status_read(&p, &st), 0);
	assert_int_equal(st.n_groups, 20000);
	assert_int_equal(st.groups[19999], 119999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(old_kernels_say_less),
		cmocka_unit_test(a_child),
		cmocka_unit_test(a_long_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
