/* See frozen.h. */
#include "unit/inject/frozen.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "unit/check.h"

#include "base/fd.h"
#include "kernel/proc/task.h"
#include "kernel/ptrace.h"

#define TIMEOUT (10 * USEC_PER_SEC)

static int thread_look(struct frozen *f, struct frozen_thread *th)
{
	int r = proc_tid_open(&f->proc, th->tid, &th->proc);

	if (r == 0)
		r = proc_status_read(&th->proc, &th->status);
	if (r == 0)
		r = context_save(th->tid, &f->mem, &th->context);
	return r;
}

int frozen_stop(pid_t pid, struct frozen *ret)
{
	scoped(proc_numbers_done) struct proc_numbers tids = { 0 };
	struct frozen f = { .pid = pid };
	int r = proc_pid_open(pid, &f.proc);

	if (r < 0)
		return r;
	f.mem = mem_remote_of(&f.proc);
	r = proc_tasks_read(&f.proc, &tids);
	if (r < 0)
		return r;
	f.threads = NEW_ARRAY(struct frozen_thread, tids.n);
	f.n = (unsigned)tids.n;
	for (unsigned i = 0; i < f.n && r == 0; i++) {
		f.threads[i].tid = tids.at[i];
		r = ptrace_seize(tids.at[i], PTRACE_O_TRACESYSGOOD);
		if (r == 0)
			r = ptrace_interrupt(tids.at[i]);
	}
	for (unsigned i = 0; i < f.n && r == 0; i++) {
		struct ptrace_stop s;

		r = ptrace_catch(f.threads[i].tid, TIMEOUT, &s);
		if (r == 0 && !ptrace_stop_is_alive(&s))
			r = -ESRCH;
		if (r == 0)
			r = thread_look(&f, &f.threads[i]);
	}
	*ret = f;
	return r;
}

void frozen_release(struct frozen *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct frozen_thread *th = &f->threads[i];
		int r = ptrace_detach(th->tid, 0);

		assert_true(r == 0 || r == -ESRCH);
		/* Killed: its remains are its tracer's, and the leader's wait for all others'. */
		if (r == -ESRCH && th->tid != f->pid)
			(void)waitpid(th->tid, NULL, __WALL);
		proc_pid_done(&th->proc);
		proc_status_done(&th->status);
		context_free(th->context);
	}
	mem_free(f->threads);
	mem_remote_done(&f->mem);
	proc_pid_done(&f->proc);
	*f = (struct frozen){ 0 };
}

int frozen_infect(struct frozen *f, struct foothold_cache *cache, struct batch *b,
		  struct program **programs)
{
	struct infect_thread *threads = NEW_ARRAY(struct infect_thread, f->n);
	struct infect in = {
		.proc = &f->proc,
		.cache = cache,
		.threads = threads,
		.n = f->n,
		.timeout = TIMEOUT,
	};
	int r;

	for (unsigned i = 0; i < f->n; i++)
		threads[i] = (struct infect_thread){
			.tid = f->threads[i].tid,
			.status = &f->threads[i].status,
			.context = f->threads[i].context,
			.program = programs[i],
		};
	r = infect_run(&in, b);
	mem_free(threads);
	return r;
}

struct target target_start(const char *jobs)
{
	int fd = memfd_create("board", MFD_CLOEXEC);
	struct target t;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(struct target_board)), 0);
	t.board =
		mmap(NULL, sizeof(struct target_board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(t.board, MAP_FAILED);
	t.pid = fork();
	if (t.pid == 0) {
		if (fd_place(fd, TARGET_BOARD, false) < 0)
			_exit(3);
		execl(TARGET_PROGRAM, "target", jobs, NULL);
		_exit(4);
	}
	assert_true(t.pid > 0);
	close(fd);
	for (int i = 0; t.board->ready < strlen(jobs) + 1 && i < 5000; i++)
		usleep(1000);
	assert_int_equal(t.board->ready, strlen(jobs) + 1);
	return t;
}

bool target_is_well(struct target *t)
{
	uint64_t before[TARGET_THREADS];
	unsigned moved = 0;
	int status;

	memcpy(before, t->board->rounds, sizeof(before));
	for (int i = 0; i < 5000 && moved < t->board->n; i++) {
		if (waitpid(t->pid, &status, WNOHANG) != 0) {
			fprintf(stderr, "target: ended with status 0x%x\n", status);
			return false;
		}
		usleep(1000);
		moved = 0;
		for (unsigned k = 0; k < t->board->n; k++)
			moved += t->board->rounds[k] != before[k];
	}
	for (unsigned k = 0; k < t->board->n; k++)
		if (t->board->rounds[k] == before[k])
			fprintf(stderr, "target: thread %u (%c) stands still\n", k,
				t->board->job[k]);
	if (t->board->failures > 0)
		fprintf(stderr, "target: %u failures, first: %s\n", t->board->failures,
			t->board->what);
	return moved == t->board->n && t->board->failures == 0;
}

void target_check(struct target *t)
{
	assert_true(target_is_well(t));
}

void target_stop(struct target *t)
{
	kill(t->pid, SIGKILL);
	while (waitpid(t->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	munmap(t->board, sizeof(*t->board));
}

unsigned target_thread(const struct target *t, char job)
{
	/* Threads are created in the order of their jobs. */
	for (unsigned i = 0; i < t->board->n; i++)
		if (t->board->job[i] == job)
			return i + 1;
	assert_true(false);
	return 0;
}
