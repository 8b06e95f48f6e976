/* Namespaces held open. */
#include "../harness.h"

#include <fcntl.h>
#include <sys/stat.h>

CR_TEST(nsf, same_namespace)
{
	int net = open("/proc/self/ns/net", O_RDONLY), mnt = open("/proc/self/ns/mnt", O_RDONLY);
	struct stat now, held;

	cr_point();
	ASSERT_EQ(stat("/proc/self/ns/net", &now), 0);
	ASSERT_EQ(fstat(net, &held), 0);
	ASSERT_EQ(now.st_ino, held.st_ino);
	ASSERT_EQ(stat("/proc/self/ns/mnt", &now), 0);
	ASSERT_EQ(fstat(mnt, &held), 0);
	ASSERT_EQ(now.st_ino, held.st_ino);
}
