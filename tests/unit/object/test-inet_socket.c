/* Inet sockets: what arrives in the model and comes back, and images that cannot be. */
#include "trip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/fdinfo.pb-c.h"
#include "schema/sk-inet.pb-c.h"
#include "schema/sk-opts.pb-c.h"

static int int_option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void listener_listens(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), tos = 8, port;
	socklen_t len = sizeof(a);
	struct trip t;

	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 3), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	port = a.sin_port;
	TRIP(&t, fd);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(a.sin_port, port);
	assert_int_equal(int_option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	assert_int_equal(int_option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
	assert_int_equal(int_option(fd, IPPROTO_IP, IP_TOS), 8);
	trip_end(&t);
}

static void unbound_stays_so(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);
	struct trip t;

	TRIP(&t, fd);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(a.sin6_port, 0);
	trip_end(&t);
}

static int decode(InetSkEntry *ie)
{
	const struct file_kind *k = file_kinds[FILE_KIND_inet_socket];
	struct policy policy = { 0 };
	struct load_images in = { .policy = &policy };
	FileEntry fe = FILE_ENTRY__INIT;
	const struct file_record rec = { .fe = &fe };
	struct file *f = file_new(k);
	struct model m;
	int r;

	model_init(&m);
	m.extras = NEW_ARRAY(void *, FILE_KIND_MAX);
	fe.isk = ie;
	assert_int_equal(k->load(&m, &in), 0);
	r = k->decode(&m, f, &rec);
	mem_free(f);
	kinds_release(&m);
	model_done(&m);
	return r;
}

static void bad_ones_are_damage(void **state)
{
	uint32_t addr[4] = { 0 };
	SkOptsEntry opts = SK_OPTS_ENTRY__INIT;
	InetSkEntry good = INET_SK_ENTRY__INIT, ie;

	good.family = AF_INET;
	good.type = SOCK_STREAM;
	good.proto = IPPROTO_TCP;
	good.state = TCP_CLOSE;
	good.opts = &opts;
	good.src_addr = good.dst_addr = addr;
	good.n_src_addr = good.n_dst_addr = 1;
	assert_int_equal(decode(&good), 0);
	ie = good, ie.family = AF_UNIX;
	assert_int_equal(decode(&ie), -EUCLEAN);
	ie = good, ie.family = AF_INET6; /* too few words */
	assert_int_equal(decode(&ie), -EUCLEAN);
	ie = good, ie.n_dst_addr = 0;
	assert_int_equal(decode(&ie), -EUCLEAN);
	ie = good, ie.src_port = 65536;
	assert_int_equal(decode(&ie), -EUCLEAN);
	ie = good, ie.type = SOCK_SEQPACKET;
	assert_int_equal(decode(&ie), -EUCLEAN);
	ie = good, ie.has_shutdown = true, ie.shutdown = 9;
	assert_int_equal(decode(&ie), -EUCLEAN);
	ie = good, ie.ifname = (char *)"a-name-that-is-too-long";
	assert_int_equal(decode(&ie), -EUCLEAN);
	ie = good, ie.opts = NULL;
	assert_int_equal(decode(&ie), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listener_listens),
		cmocka_unit_test(unbound_stays_so),
		cmocka_unit_test(bad_ones_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
