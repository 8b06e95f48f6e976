/* The least that must work: a process waits, is gone, and goes on. */
#include "../harness.h"

#include <pthread.h>

CR_TEST(basic, goes_on)
{
	volatile int stack = 42;
	static int data = 43;
	int *heap = malloc(sizeof(*heap));
	pid_t pid = getpid();

	*heap = 44;
	cr_point();
	ASSERT_EQ(stack, 42);
	ASSERT_EQ(data, 43);
	ASSERT_EQ(*heap, 44);
	ASSERT_EQ(getpid(), pid);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stage;

static void *follower(void *arg)
{
	pthread_mutex_lock(&lock);
	while (stage == 0)
		pthread_cond_wait(&changed, &lock);
	stage += (int)(intptr_t)arg;
	pthread_mutex_unlock(&lock);
	return NULL;
}

CR_TEST(basic, threads_wait_on)
{
	pthread_t threads[8];

	for (intptr_t i = 0; i < 8; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, follower, (void *)i), 0);
	cr_point();
	pthread_mutex_lock(&lock);
	stage = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	ASSERT_EQ(stage, 1 + 28);
}
