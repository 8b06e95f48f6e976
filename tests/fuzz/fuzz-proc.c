/*
 * Everything that parses kernel text (and a few small binary forms): the first byte says which
 * parser, the rest is its input, in a buffer of exactly its size. What a parser hands out is
 * touched, so that a span that points elsewhere shows.
 */
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "kernel/build_id.h"
#include "kernel/cgroup.h"
#include "kernel/proc/auxv.h"
#include "kernel/proc/cgroup.h"
#include "kernel/proc/fdinfo.h"
#include "kernel/proc/idmap.h"
#include "kernel/proc/limits.h"
#include "kernel/proc/locks.h"
#include "kernel/proc/maps.h"
#include "kernel/proc/mountinfo.h"
#include "kernel/proc/ns.h"
#include "kernel/proc/stat.h"
#include "kernel/proc/status.h"
#include "kernel/proc/syscall.h"
#include "kernel/proc/timens.h"
#include "kernel/proc/timers.h"
#include "kernel/proc/value.h"
#include "kernel/ptrace.h"

static volatile uint64_t sink;

static void touch(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		sink += (unsigned char)s.p[i];
}

static void try_stat(char *text, size_t len)
{
	struct proc_stat st;

	if (proc_stat_parse(text, len, &st) == 0)
		assert(memchr(st.comm, '\0', sizeof(st.comm)));
}

static void try_status(char *text, size_t len)
{
	struct proc_status st;

	if (proc_status_parse(text, len, &st) == 0) {
		for (size_t i = 0; i < st.n_groups; i++)
			sink += st.groups[i];
		assert(st.ns_pid.n <= PROC_PID_LEVELS);
		proc_status_done(&st);
	}
}

static void try_maps(char *text, size_t len)
{
	struct proc_maps_walk w = proc_maps_walk(text, len);
	struct proc_map m;
	uint64_t last = 0;

	while (proc_maps_next(&w, &m) == 1) {
		assert(last <= m.start && m.start < m.end);
		last = m.end;
		touch(m.name);
	}
}

static int touch_line(void *ctx, const char *key, const char *value)
{
	sink += strlen(key) + strlen(value);
	return 0;
}

static void try_fdinfo(char *text, size_t len)
{
	struct proc_fdinfo info;

	(void)!proc_fdinfo_parse(text, len, touch_line, NULL, &info);
}

static void try_numbers(char *text, size_t len)
{
	struct proc_numbers n = { 0 };

	(void)!proc_numbers_parse(text, len, &n);
	vec_for_each(one, &n)
		assert(*one >= 0);
	proc_numbers_done(&n);
}

static void try_limits(char *text, size_t len)
{
	struct proc_limits l;

	(void)!proc_limits_parse(text, len, &l);
}

static void try_timers(char *text, size_t len)
{
	struct scan s = scan_over(text, len);
	struct proc_timer t;

	while (proc_timers_next(&s, &t) == 1)
		sink += t.value;
}

static void try_auxv(char *text, size_t len)
{
	struct proc_auxv a;
	uint64_t v;

	if (proc_auxv_parse(text, len, &a) == 0)
		assert(a.n <= PROC_AUXV_MAX && proc_auxv_find(&a, 0, &v));
}

static void try_ns(char *text, size_t len)
{
	uint64_t ino;

	for (unsigned i = 0; i < PROC_NS_MAX; i++)
		(void)!proc_ns_parse(text, len, (enum proc_ns)i, &ino);
}

static void try_idmap(char *text, size_t len)
{
	struct proc_idmap m;
	uint32_t id;

	if (proc_idmap_parse(text, len, &m) == 0 && m.n > 0) {
		assert(m.n <= PROC_IDMAP_MAX);
		assert(proc_idmap_out(&m, m.range[0].inside, &id));
	}
}

static void try_locks(char *text, size_t len)
{
	struct scan s = scan_over(text, len);
	struct proc_lock l;

	while (proc_lock_next(&s, &l) == 1)
		sink += l.start;
}

static void try_cgroup(char *text, size_t len)
{
	struct scan s = scan_over(text, len);
	struct proc_cgroup c;

	while (proc_cgroup_next(&s, &c) == 1) {
		touch(c.controllers);
		touch(c.path);
	}
}

static void try_mountinfo(char *text, size_t len)
{
	struct cgroup_mounts mounts = { 0 };
	struct scan s = scan_over(text, len);
	struct proc_mount m;
	char path[64];

	while (proc_mount_next(&s, &m) == 1) {
		touch(m.root);
		touch(m.super_options);
		sink += proc_mount_option(m.options, "rw");
		if (span_unescape(m.mountpoint, path, sizeof(path)) >= 0)
			sink += strlen(path);
	}
	if (cgroup_mounts_parse(text, len, &mounts) == 0)
		sink += cgroup_mounts_find(&mounts, "freezer") != NULL;
	cgroup_mounts_done(&mounts);
}

static void try_small(char *text, size_t len)
{
	struct proc_syscall sc;
	struct proc_timens t;
	enum cgroup_freeze state;
	bool frozen;
	int64_t i;
	uint64_t u;

	(void)!proc_syscall_parse(text, len, &sc);
	(void)!proc_timens_parse(text, len, &t);
	(void)!proc_i64_parse(text, len, &i);
	(void)!proc_u64_parse(text, len, 16, &u);
	(void)!cgroup_freezer_state_parse(text, len, &state);
	(void)!cgroup_events_parse_frozen(text, len, &frozen);
}

static void try_build_id(char *text, size_t len)
{
	struct build_id id;

	if (build_id_parse(text, len, &id) == 0)
		assert(id.len > 0 && id.len <= BUILD_ID_MAX);
}

static void try_wait_status(char *text, size_t len)
{
	struct ptrace_stop stop;
	int status = 0;

	memcpy(&status, text, MIN(len, sizeof(status)));
	(void)!ptrace_stop_classify(status, &stop);
}

/* A parser, and where a seed for it comes from: our own /proc, or what we could not find there. */
static const struct {
	void (*try)(char *text, size_t len);
	const char *file, *text;
} targets[] = {
	{ try_stat, "/proc/self/stat", NULL },
	{ try_status, "/proc/self/status", NULL },
	{ try_maps, "/proc/self/maps", NULL },
	{ try_fdinfo, NULL,
	  "pos:\t0\nflags:\t02004002\nmnt_id:\t9\nino:\t7\neventfd-count: 3\n"
	  "tfd: 5 events: 19 data: 5 pos:0 ino:61 sdev:7\n"
	  "inotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0\n" },
	{ try_numbers, NULL, "1 22 333 \n4\n" },
	{ try_limits, "/proc/self/limits", NULL },
	{ try_timers, NULL,
	  "ID: 1\nsignal: 60/00007fff86e452a8\nnotify: signal/pid.2634\nClockID: -6\n"
	  "ID: 0\nsignal: 10/0\nnotify: thread/tid.2\nClockID: 1\n" },
	{ try_auxv, "/proc/self/auxv", NULL },
	{ try_ns, NULL, "net:[4026531840]" },
	{ try_idmap, NULL, "         0     100000      65536\n 65536 0 1\n" },
	{ try_locks, NULL,
	  "1: POSIX  ADVISORY  WRITE 359 00:13:11691 0 EOF\n"
	  "1: -> FLOCK  ADVISORY  READ 3 08:01:1 5 9\n"
	  "2: LEASE  BREAKER  READ 3 <none>:0 5 9\n" },
	{ try_cgroup, "/proc/self/cgroup", NULL },
	{ try_mountinfo, "/proc/self/mountinfo", NULL },
	{ try_small, NULL, "0 0x3 0x7f 0x400 0x0 0x5 0x6 0x7ffc 0x7f21\n" },
	{ try_small, NULL, "monotonic 0 5\nboottime -3 7\n" },
	{ try_small, NULL, "populated 1\nfrozen 0\n" },
	{ try_build_id, NULL, "\4\0\0\0\24\0\0\0\3\0\0\0GNU\0xxxxxxxxxxxxxxxxxxxx" },
	{ try_wait_status, NULL, "\x7f\x05\x80" },
	/* Further seeds for parsers above. */
	{ try_maps, "/proc/self/smaps", NULL },
	{ try_stat, NULL, "1 (a) S) S 1 2 3" },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size - 1, more;
	unsigned which;
	char *text;

	if (size == 0)
		return 0;
	which = data[0] % ARRAY_SIZE(targets);
	/* A byte behind the input only for the parser that cuts its text. */
	more = targets[which].try == try_fdinfo ? 1 : 0;
	text = malloc(MAX(len + more, (size_t)1));
	if (!text)
		return 0;
	memcpy(text, data + 1, len);
	targets[which].try(text, len);
	free(text);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t room)
{
	scoped(fd_close) int fd = -EBADF;
	ssize_t len;

	if (n >= ARRAY_SIZE(targets))
		return 0;
	buf[0] = (uint8_t)n;
	if (!targets[n].file) {
		/* Texts with zeros are bytes of a note: their length is fixed. */
		len = targets[n].try == try_build_id ? 36 : (ssize_t)strlen(targets[n].text);
		memcpy(buf + 1, targets[n].text, (size_t)len);
		return (size_t)len + 1;
	}
	fd = open(targets[n].file, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : fd_read_some(fd, buf + 1, MIN(room - 1, (size_t)8192));
	return len < 0 ? 1 : (size_t)len + 1;
}
