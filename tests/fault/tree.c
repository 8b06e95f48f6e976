/*
 * A tree of tasks that notices when it is disturbed: a leader of a session, its children and
 * grandchildren in other sessions and groups, an orphan that was adopted, a dead child, threads.
 * Each thread beats on a page shared through descriptor 3, and compares what it knows (ids, a page
 * of its own, the thread's variable) before each beat. It lives until it is killed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOTS  64
#define CANARY 4096

struct board {
	_Atomic uint32_t ready, failures;
	_Atomic uint64_t beats[SLOTS];
};

static struct board *board;
static _Thread_local unsigned slot_here;
static unsigned char canary[CANARY];

static void fail(void)
{
	atomic_fetch_add(&board->failures, 1);
}

static _Noreturn void beat(unsigned slot)
{
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid), sid = getsid(0), pgid = getpgid(0);

	slot_here = slot;
	atomic_fetch_add(&board->ready, 1);
	for (;;) {
		usleep(1000);
		if (getpid() != pid || syscall(SYS_gettid) != tid || getsid(0) != sid ||
		    getpgid(0) != pgid || slot_here != slot)
			fail();
		for (size_t i = 0; i < CANARY; i++)
			if (canary[i] != canary[0])
				fail();
		atomic_fetch_add(&board->beats[slot], 1);
	}
}

static void *beat_thread(void *arg)
{
	beat((unsigned)(uintptr_t)arg);
}

static void begin(unsigned slot)
{
	memset(canary, (int)slot + 1, sizeof(canary));
}

static void threads(unsigned from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, beat_thread, (void *)(uintptr_t)(from + i)) != 0)
			_exit(2);
	}
}

/* Slots 1..4: in a session of its own, with two threads and a child in another group. */
static _Noreturn void session(void)
{
	begin(1);
	setsid();
	if (fork() == 0) {
		begin(2);
		setpgid(0, 0);
		beat(2);
	}
	threads(3, 2);
	beat(1);
}

int main(void)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
	if (board == MAP_FAILED)
		return 2;
	begin(0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (fork() == 0)
		session();
	if (fork() == 0) {
		begin(5);
		setpgid(0, 0);
		beat(5);
	}
	if (fork() == 0)
		_exit(7);
	if (fork() == 0) {
		if (fork() == 0) {
			begin(6);
			beat(6);
		}
		_exit(0);
	}
	threads(7, 3);
	beat(0);
}
