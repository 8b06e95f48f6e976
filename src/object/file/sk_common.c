/* Socket options. See sk_common.h. */
#include "object/file/sk_common.h"

#include <limits.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "kernel/fs.h"
#include "kernel/sys.h"
#include "schema/sk-opts.pb-c.h"

#ifndef SO_BUF_LOCK /* Linux 5.14 */
#define SO_BUF_LOCK 72
#endif

#define FILTER_MAX 4096 /* BPF_MAXINSNS */

static_assert(sizeof(struct sock_filter) == sizeof(uint64_t), "images have one instruction a word");
static_assert(sizeof(protobuf_c_boolean) == sizeof(uint32_t), "both kinds of fields are ints");

/* An option whose value is one int, and the optional field that has it. */
struct int_opt {
	const char *text;
	int level, name;
	size_t has, value; /* offsets in SkOptsEntry */
	bool is_bool;
};

#define INT_OPT(level_, name_, field, is_bool_)                                                    \
	{                                                                                          \
		.text = #name_, .level = level_, .name = name_,                                    \
		.has = offsetof(SkOptsEntry, has_##field), .value = offsetof(SkOptsEntry, field),  \
		.is_bool = is_bool_,                                                               \
	}

static const struct int_opt reuse_opts[] = {
	INT_OPT(SOL_SOCKET, SO_REUSEADDR, reuseaddr, true),
	INT_OPT(SOL_SOCKET, SO_REUSEPORT, so_reuseport, true),
};

static const struct int_opt int_opts[] = {
	INT_OPT(SOL_SOCKET, SO_PRIORITY, so_priority, false),
	INT_OPT(SOL_SOCKET, SO_RCVLOWAT, so_rcvlowat, false),
	INT_OPT(SOL_SOCKET, SO_MARK, so_mark, false),
	INT_OPT(SOL_SOCKET, SO_PASSCRED, so_passcred, true),
	INT_OPT(SOL_SOCKET, SO_PASSSEC, so_passsec, true),
	INT_OPT(SOL_SOCKET, SO_DONTROUTE, so_dontroute, true),
	INT_OPT(SOL_SOCKET, SO_NO_CHECK, so_no_check, true),
	INT_OPT(SOL_SOCKET, SO_BROADCAST, so_broadcast, true),
	INT_OPT(SOL_SOCKET, SO_OOBINLINE, so_oobinline, false),
	INT_OPT(SOL_SOCKET, SO_KEEPALIVE, so_keepalive, true),
};

static const struct int_opt tcp_opts[] = {
	INT_OPT(IPPROTO_TCP, TCP_KEEPCNT, tcp_keepcnt, false),
	INT_OPT(IPPROTO_TCP, TCP_KEEPIDLE, tcp_keepidle, false),
	INT_OPT(IPPROTO_TCP, TCP_KEEPINTVL, tcp_keepintvl, false),
};

static int *field_at(SkOptsEntry *o, size_t offset)
{
	return (int *)((char *)o + offset);
}

static int field_of(const SkOptsEntry *o, size_t offset)
{
	return *(const int *)((const char *)o + offset);
}

bool sk_is_of(const struct fd_view *v, int family)
{
	int domain;

	return S_ISSOCK(v->st->st_mode) && v->fs_magic == FS_MAGIC_SOCK &&
	       sk_get_int(v->fd, SOL_SOCKET, SO_DOMAIN, &domain) == 0 && domain == family;
}

int sk_get_int(int fd, int level, int name, int *ret)
{
	socklen_t len = sizeof(*ret);
	int value = 0, r = sys_getsockopt(fd, level, name, &value, &len);

	if (r == 0)
		*ret = value;
	return r;
}

int sk_set_int(int fd, int level, int name, int value)
{
	return sys_setsockopt(fd, level, name, &value, sizeof(value));
}

static bool sk_is_tcp(int fd)
{
	int proto;

	return sk_get_int(fd, SOL_SOCKET, SO_PROTOCOL, &proto) == 0 && proto == IPPROTO_TCP;
}

/* ---- reading ---- */

/* The family or the kernel does not have this option. */
static bool is_unknown(int err)
{
	return err == -EOPNOTSUPP || err == -ENOPROTOOPT || err == -EINVAL;
}

static int ints_read(struct report *rep, int fd, const struct int_opt *opts, size_t n,
		     SkOptsEntry *o)
{
	for (size_t i = 0; i < n; i++) {
		int value = 0, r = sk_get_int(fd, opts[i].level, opts[i].name, &value);

		if (is_unknown(r))
			continue;
		if (r < 0)
			return report_fail(rep, r, "cannot read %s", opts[i].text);
		/* Only privileged ones may set it, if to nothing. */
		if (opts[i].name == SO_MARK && opts[i].level == SOL_SOCKET && !value)
			continue;
		*field_at(o, opts[i].has) = true;
		*field_at(o, opts[i].value) = opts[i].is_bool ? value != 0 : value;
	}
	return 0;
}

static int buffers_read(int fd, SkOptsEntry *o)
{
	int value = 0, r = sk_get_int(fd, SOL_SOCKET, SO_SNDBUF, &value);

	if (r == 0) {
		o->so_sndbuf = (uint32_t)value;
		r = sk_get_int(fd, SOL_SOCKET, SO_RCVBUF, &value);
	}
	if (r < 0)
		return r;
	o->so_rcvbuf = (uint32_t)value;
	r = sk_get_int(fd, SOL_SOCKET, SO_BUF_LOCK, &value);
	if (is_unknown(r))
		return 0;
	if (r == 0) {
		o->has_so_buf_lock = true;
		o->so_buf_lock = (uint32_t)value;
	}
	return r;
}

static int times_read(int fd, SkOptsEntry *o)
{
	struct timeval tv = { 0 };
	socklen_t len = sizeof(tv);
	int r = sys_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len);

	o->so_snd_tmo_sec = (uint64_t)tv.tv_sec;
	o->so_snd_tmo_usec = (uint64_t)tv.tv_usec;
	len = sizeof(tv);
	if (r == 0)
		r = sys_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len);
	o->so_rcv_tmo_sec = (uint64_t)tv.tv_sec;
	o->so_rcv_tmo_usec = (uint64_t)tv.tv_usec;
	return r;
}

static int linger_read(int fd, SkOptsEntry *o)
{
	struct linger linger = { 0 };
	socklen_t len = sizeof(linger);
	int r = sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len);

	if (r == 0 && linger.l_onoff) {
		o->has_so_linger = true;
		o->so_linger = (uint32_t)linger.l_linger;
	}
	return is_unknown(r) ? 0 : r;
}

static int device_read(int fd, struct arena *arena, SkOptsEntry *o)
{
	char name[IF_NAMESIZE + 1] = "";
	socklen_t len = IF_NAMESIZE;
	int r = sys_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len);

	if (r < 0 || !len || !name[0])
		return is_unknown(r) ? 0 : r;
	o->so_bound_dev = arena_str(arena, name);
	return o->so_bound_dev ? 0 : -ENOMEM;
}

/* The length here is a number of instructions. Extended (eBPF) programs answer -EACCES. */
static int filter_read(int fd, struct arena *arena, SkOptsEntry *o)
{
	socklen_t n = 0;
	int r = sys_getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n);

	if (r < 0 || !n)
		return is_unknown(r) ? 0 : r;
	o->so_filter = ARENA_ARRAY(arena, uint64_t, n);
	if (!o->so_filter)
		return -ENOMEM;
	o->n_so_filter = n;
	return sys_getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, o->so_filter, &n);
}

int sk_opts_read(struct report *rep, int fd, struct arena *arena, struct SkOptsEntry **ret)
{
	SkOptsEntry *o = ARENA_NEW(arena, SkOptsEntry);
	int r;

	if (!o)
		return report_fail(rep, -ENOMEM, "cannot note socket options");
	sk_opts_entry__init(o);
	r = buffers_read(fd, o);
	if (r == 0)
		r = times_read(fd, o);
	if (r == 0)
		r = linger_read(fd, o);
	if (r == 0)
		r = device_read(fd, arena, o);
	if (r < 0)
		return report_fail(rep, r, "cannot read socket options");
	r = filter_read(fd, arena, o);
	if (r == -EACCES)
		return report_refuse(rep, -ENOTSUP, CODE_SOCKET_KIND,
				     "the socket has an eBPF filter, which cannot be read");
	if (r < 0)
		return report_fail(rep, r, "cannot read the socket filter");
	r = ints_read(rep, fd, reuse_opts, ARRAY_SIZE(reuse_opts), o);
	if (r == 0)
		r = ints_read(rep, fd, int_opts, ARRAY_SIZE(int_opts), o);
	if (r == 0 && sk_is_tcp(fd))
		r = ints_read(rep, fd, tcp_opts, ARRAY_SIZE(tcp_opts), o);
	if (r == 0)
		*ret = o;
	return r;
}

/* ---- setting ---- */

int sk_opts_check(const struct SkOptsEntry *o)
{
	if (!o || o->so_sndbuf > INT_MAX || o->so_rcvbuf > INT_MAX || o->n_so_filter > FILTER_MAX)
		return -EUCLEAN;
	if (o->so_snd_tmo_usec >= 1000000 || o->so_rcv_tmo_usec >= 1000000 ||
	    o->so_snd_tmo_sec > LONG_MAX || o->so_rcv_tmo_sec > LONG_MAX)
		return -EUCLEAN;
	if (o->so_bound_dev && strlen(o->so_bound_dev) >= IF_NAMESIZE)
		return -EUCLEAN;
	return 0;
}

static int ints_apply(struct env *env, int fd, const struct int_opt *opts, size_t n,
		      const SkOptsEntry *o)
{
	for (size_t i = 0; i < n; i++) {
		int want = field_of(o, opts[i].value), now = 0, r;

		if (!field_of(o, opts[i].has))
			continue;
		r = sk_get_int(fd, opts[i].level, opts[i].name, &now);
		if (is_unknown(r) && !want)
			continue;
		if (r == 0 && (opts[i].is_bool ? !now == !want : now == want))
			continue;
		r = sk_set_int(fd, opts[i].level, opts[i].name, want);
		if (r < 0)
			return report_fail(env->report, r, "cannot set %s to %d", opts[i].text,
					   want);
	}
	return 0;
}

/* The kernel doubles what it is given. Without CAP_NET_ADMIN the limits of the host hold. */
static int buffer_apply(int fd, int get, int set, int force, uint32_t want)
{
	int now = 0, r = sk_get_int(fd, SOL_SOCKET, get, &now);

	if (r < 0 || (uint32_t)now == want)
		return r;
	r = sk_set_int(fd, SOL_SOCKET, force, (int)(want / 2));
	return r == -EPERM ? sk_set_int(fd, SOL_SOCKET, set, (int)(want / 2)) : r;
}

static int buffers_apply(int fd, const SkOptsEntry *o)
{
	int locks = 0, r = buffer_apply(fd, SO_SNDBUF, SO_SNDBUF, SO_SNDBUFFORCE, o->so_sndbuf);

	if (r == 0)
		r = buffer_apply(fd, SO_RCVBUF, SO_RCVBUF, SO_RCVBUFFORCE, o->so_rcvbuf);
	if (r < 0 || !o->has_so_buf_lock)
		return r;
	r = sk_get_int(fd, SOL_SOCKET, SO_BUF_LOCK, &locks);
	if (is_unknown(r))
		return 0;
	if (r == 0 && (uint32_t)locks != o->so_buf_lock)
		r = sk_set_int(fd, SOL_SOCKET, SO_BUF_LOCK, (int)o->so_buf_lock);
	return r;
}

static int time_apply(int fd, int name, uint64_t sec, uint64_t usec)
{
	const struct timeval tv = { .tv_sec = (time_t)sec, .tv_usec = (suseconds_t)usec };

	return sec || usec ? sys_setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)) : 0;
}

static int linger_apply(int fd, const SkOptsEntry *o)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = (int)o->so_linger };

	return o->has_so_linger ? sys_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger))
				: 0;
}

static int filter_apply(int fd, const SkOptsEntry *o)
{
	const struct sock_fprog prog = { .len = (unsigned short)o->n_so_filter,
					 .filter = (struct sock_filter *)o->so_filter };

	return o->n_so_filter
		       ? sys_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog))
		       : 0;
}

int sk_opts_apply_reuse(struct env *env, int fd, const struct SkOptsEntry *o)
{
	int r = ints_apply(env, fd, reuse_opts, ARRAY_SIZE(reuse_opts), o);

	if (r < 0 || !o->so_bound_dev || !o->so_bound_dev[0])
		return r;
	r = sys_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o->so_bound_dev,
			   (socklen_t)strlen(o->so_bound_dev) + 1);
	return r < 0 ? report_fail(env->report, r, "cannot bind a socket to device %s",
				   o->so_bound_dev)
		     : 0;
}

int sk_opts_apply(struct env *env, int fd, const struct SkOptsEntry *o)
{
	int r = sk_opts_apply_reuse(env, fd, o);

	if (r == 0)
		r = ints_apply(env, fd, int_opts, ARRAY_SIZE(int_opts), o);
	if (r == 0 && sk_is_tcp(fd))
		r = ints_apply(env, fd, tcp_opts, ARRAY_SIZE(tcp_opts), o);
	if (r < 0)
		return r;
	r = buffers_apply(fd, o);
	if (r < 0)
		return report_fail(env->report, r,
				   "cannot set the buffers of a socket to %u and %u", o->so_sndbuf,
				   o->so_rcvbuf);
	r = time_apply(fd, SO_SNDTIMEO, o->so_snd_tmo_sec, o->so_snd_tmo_usec);
	if (r == 0)
		r = time_apply(fd, SO_RCVTIMEO, o->so_rcv_tmo_sec, o->so_rcv_tmo_usec);
	if (r == 0)
		r = linger_apply(fd, o);
	if (r < 0)
		return report_fail(env->report, r, "cannot set the time-outs of a socket");
	r = filter_apply(fd, o);
	return r < 0 ? report_fail(env->report, r, "cannot attach the filter of a socket") : 0;
}

int sk_buffer_raise(int fd, bool receive, size_t bytes)
{
	int name = receive ? SO_RCVBUF : SO_SNDBUF, now = 0;
	int r = sk_get_int(fd, SOL_SOCKET, name, &now);
	size_t want;

	if (r < 0)
		return r;
	want = MIN((size_t)now + bytes, (size_t)INT_MAX / 2);
	return sk_set_int(fd, SOL_SOCKET, receive ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, (int)want);
}
