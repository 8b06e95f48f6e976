/* Sets of signals. */
#include "trip.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void set_survives(void **state)
{
	struct signalfd_siginfo si;
	sigset_t set;
	struct trip t;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGRTMAX);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	TRIP(&t, fd);
	assert_int_equal(read(fd, &si, sizeof(si)), -1);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(read(fd, &si, sizeof(si)), sizeof(si));
	assert_int_equal(si.ssi_signo, SIGUSR1);
	assert_int_equal(kill(getpid(), SIGRTMAX), 0);
	assert_int_equal(read(fd, &si, sizeof(si)), sizeof(si));
	assert_int_equal(si.ssi_signo, SIGRTMAX);
	trip_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(set_survives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
