/*
 * A whole directory of images, as one input: files packed one after the other. Everything that
 * restore does before it creates something runs on it: loading, checking this host, planning, and
 * printing the plan with its programs. Page contents are a hole of fixed size, and there is no
 * manifest, so that damage reaches the decoders.
 *
 * Seeds are dumps of processes started here; without the right to dump there are none.
 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "dump/dump.h"
#include "report/report.h"
#include "restore/restore.h"

#define NAME_MAX_PACKED 60
#define CONTENTS        (4 << 20)

struct packed_head {
	char name[NAME_MAX_PACKED];
	uint32_t len;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int make_dir(char *path)
{
	int fd;

	must(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	return remove(path);
}

static void remove_dir(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* litter */
}

static bool is_contents(const char *name)
{
	return !strncmp(name, "pages-", 6);
}

static void put_file(int dir, const char *name, const uint8_t *data, size_t len)
{
	scoped(fd_close) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return; /* a name that is not one: nobody can have written it */
	must(fd_write_all(fd, data, len) == 0);
	if (is_contents(name))
		must(ftruncate(fd, CONTENTS) == 0);
}

static void unpack(int dir, const uint8_t *data, size_t size)
{
	struct packed_head h;

	while (size >= sizeof(h)) {
		memcpy(&h, data, sizeof(h));
		data += sizeof(h);
		size -= sizeof(h);
		h.name[NAME_MAX_PACKED - 1] = 0;
		h.len = MIN(h.len, (uint32_t)size);
		if (h.name[0] && !strchr(h.name, '/'))
			put_file(dir, h.name, data, h.len);
		data += h.len;
		size -= h.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/stasis-fuzz-XXXXXX";
	scoped(fd_close) int dir = make_dir(path);
	struct restore_request rq = {
		.places = { .images = "fuzz", .images_fd = dir, .work = "fuzz", .work_fd = dir },
		.dry_run = true,
		.print_plan = true,
		.verbose = size % 2,
	};
	struct stats st = { 0 };
	struct report rep;
	static FILE *nowhere;
	pid_t root;
	int r;

	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	must(nowhere);
	unpack(dir, data, size);
	report_init(&rep);
	r = restore_run(&rq, &rep, &st, nowhere, &root);
	/* Refusing is fine, but with a reason; nothing was created. */
	must(r == 0 || report_first(&rep));
	must(root == 0 && waitpid(-1, NULL, WNOHANG) == -1);
	report_done(&rep);
	remove_dir(path);
	return 0;
}

/* ---- seeds ---- */

static size_t pack_file(int dir, const char *name, uint8_t *buf, size_t room)
{
	struct packed_head h = { 0 };
	scoped(fd_close) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	must(fd >= 0 && room > sizeof(h) && strlen(name) < NAME_MAX_PACKED);
	memcpy(h.name, name, strlen(name));
	if (!is_contents(name))
		got = fd_read_some(fd, buf + sizeof(h), room - sizeof(h));
	must(got >= 0);
	h.len = (uint32_t)got;
	memcpy(buf, &h, sizeof(h));
	return sizeof(h) + (size_t)got;
}

static size_t pack(const char *path, int dir, uint8_t *buf, size_t room)
{
	DIR *d = opendir(path);
	struct dirent *e;
	size_t len = 0;

	must(d);
	while ((e = readdir(d)))
		if (e->d_type == DT_REG && strncmp(e->d_name, "stasis-manifest", 15) != 0 &&
		    strncmp(e->d_name, "stats-", 6) != 0 && len + 4096 < room)
			len += pack_file(dir, e->d_name, buf + len, room - len);
	(void)closedir(d);
	return len;
}

static pid_t start(const char *program)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		int fd = open("/dev/null", O_RDWR);

		(void)setsid();
		for (int i = 0; i < 3; i++)
			(void)dup2(fd, i);
		(void)close_range(3, ~0u, 0);
		(void)execl("/bin/sh", "sh", "-c", program, (char *)NULL);
		_exit(127);
	}
	usleep(300000); /* until it has begun: what it does just then is of no importance */
	return pid;
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t room)
{
	static const char *const programs[] = {
		"exec sleep 100",
		"exec 5>/dev/null 6</etc/passwd; sleep 100 | (setsid sleep 99 & cat)",
	};
	char path[] = "/dev/shm/stasis-fuzz-XXXXXX";
	scoped(fd_close) int dir = -EBADF;
	struct dump_request rq = { .leave = FINAL_DEFAULT };
	struct stats st = { 0 };
	struct report rep;
	size_t len = 0;

	if (n >= ARRAY_SIZE(programs) || geteuid() != 0)
		return 0;
	dir = make_dir(path);
	rq.pid = start(programs[n]);
	rq.places = (struct places){
		.images = "seed", .images_fd = dir, .work = "seed", .work_fd = dir
	};
	report_init(&rep);
	if (dump_run(&rq, &rep, &st) == 0)
		len = pack(path, dir, buf, room);
	else
		fprintf(stderr, "seed %u: %s\n", n,
			report_first(&rep) ? "cannot be dumped here" : "no dump, and no reason");
	report_done(&rep);
	(void)kill(rq.pid, SIGKILL);
	(void)waitpid(rq.pid, NULL, 0);
	remove_dir(path);
	return len;
}
