/*
 * timerfd_create(2): clock, time left, interval, and the expirations nobody has read yet. Timers
 * are armed by the last steps of the task's program, so that building the tree takes no time of
 * theirs.
 *
 * The time that is left is what counts, for timers set to an absolute time too: the clocks of the
 * tree stand still while it does not live.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "base/fd.h"
#include "inject/batch.h"
#include "kernel/proc/fdinfo.h"
#include "kernel/sys.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/file_common.h"
#include "schema/fdinfo.pb-c.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif
#define TFD_SETTIME_ALL (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)
#define NSEC_PER_SEC    1000000000

struct timerfd {
	struct file file;
	int clock;
	uint64_t ticks; /* expirations not read yet */
	unsigned settime_flags;
	struct itimerspec left;
};

static struct timerfd *timerfd_of(struct file *f)
{
	return container_of(f, struct timerfd, file);
}

static bool time_is_zero(const struct timespec *ts)
{
	return ts->tv_sec == 0 && ts->tv_nsec == 0;
}

/* Periodic, expired, and not looked at since: the kernel goes on counting when somebody looks. */
static bool timer_is_lagging(const struct timerfd *t)
{
	return time_is_zero(&t->left.it_value) && !time_is_zero(&t->left.it_interval) && t->ticks;
}

/* ---- dump ---- */

static bool timerfd_match(const struct fd_view *v)
{
	return strcmp(v->link, "anon_inode:[timerfd]") == 0;
}

/* "(12, 345)" */
static bool scan_time(struct scan *s, struct timespec *ret)
{
	uint64_t sec, nsec;

	if (!scan_char(s, '(') || !scan_u64(s, 10, &sec) || !scan_text(s, ", ") ||
	    !scan_u64(s, 10, &nsec) || !scan_char(s, ')') || nsec >= NSEC_PER_SEC)
		return false;
	*ret = (struct timespec){ .tv_sec = (time_t)sec, .tv_nsec = (long)nsec };
	return true;
}

static int timerfd_fdinfo(struct collect *c, struct file *f, const char *key, const char *value)
{
	struct scan s = scan_over(value, strlen(value));
	struct timerfd *t = timerfd_of(f);
	bool ok = true;

	if (strcmp(key, "clockid") == 0)
		ok = scan_int(&s, &t->clock);
	else if (strcmp(key, "ticks") == 0)
		ok = scan_u64(&s, 10, &t->ticks);
	else if (strcmp(key, "settime") == 0)
		ok = scan_text(&s, "flags: ") && scan_u32(&s, 8, &t->settime_flags);
	else if (strcmp(key, "it_value") == 0)
		ok = scan_time(&s, &t->left.it_value);
	else if (strcmp(key, "it_interval") == 0)
		ok = scan_time(&s, &t->left.it_interval);
	return ok ? 0 : -EINVAL;
}

static int timerfd_line(void *ctx, const char *key, const char *value)
{
	return timerfd_fdinfo(NULL, ctx, key, value);
}

static int timerfd_collect(struct collect *c, struct file *f, const struct fd_view *v)
{
	struct timerfd *t = timerfd_of(f);
	struct proc_fdinfo info;
	struct itimerspec now;
	int r = 0;

	/* timerfd_gettime() makes the kernel count what has expired and start the next period; a
	 * short period may run out again before we read it. */
	for (int i = 0; i < 8 && f->fd >= 0 && timer_is_lagging(t) && r == 0; i++) {
		r = sys_timerfd_gettime(v->fd, &now);
		if (r == 0)
			r = proc_fdinfo_read(&live_of(f->task)->proc, f->fd, &c->text, timerfd_line,
					     f, &info);
	}
	return r < 0 ? report_fail(c->report, r, "cannot read the timer") : 0;
}

static int timerfd_encode(const struct file *f, struct file_record *out)
{
	const struct timerfd *t = container_of(f, const struct timerfd, file);
	TimerfdEntry *te = ARENA_NEW(out->arena, TimerfdEntry);

	if (!te)
		return -ENOMEM;
	timerfd_entry__init(te);
	te->id = f->id;
	te->flags = f->flags;
	te->fown = fown_encode(&f->fown, out->arena);
	te->clockid = (uint32_t)t->clock;
	te->ticks = t->ticks;
	te->settime_flags = t->settime_flags;
	te->vsec = (uint64_t)t->left.it_value.tv_sec;
	te->vnsec = (uint64_t)t->left.it_value.tv_nsec;
	te->isec = (uint64_t)t->left.it_interval.tv_sec;
	te->insec = (uint64_t)t->left.it_interval.tv_nsec;
	out->fe->tfd = te;
	return te->fown ? 0 : -ENOMEM;
}

/* ---- restore ---- */

static bool time_decode(uint64_t sec, uint64_t nsec, struct timespec *ret)
{
	if (sec > INT64_MAX / NSEC_PER_SEC || nsec >= NSEC_PER_SEC)
		return false;
	*ret = (struct timespec){ .tv_sec = (time_t)sec, .tv_nsec = (long)nsec };
	return true;
}

static int timerfd_decode(struct model *m, struct file *f, const struct file_record *in)
{
	const TimerfdEntry *te = in->fe->tfd;
	struct timerfd *t = timerfd_of(f);

	if (!te || te->clockid > INT32_MAX || (te->settime_flags & ~(unsigned)TFD_SETTIME_ALL) ||
	    !time_decode(te->vsec, te->vnsec, &t->left.it_value) ||
	    !time_decode(te->isec, te->insec, &t->left.it_interval))
		return -EUCLEAN;
	f->flags = te->flags;
	f->fown = fown_decode(te->fown);
	t->clock = (int)te->clockid;
	t->ticks = te->ticks;
	t->settime_flags = te->settime_flags;
	return 0;
}

/* The clock that runs behind one that also wakes the machine up. */
static clockid_t clock_plain(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
		return CLOCK_REALTIME;
	case CLOCK_BOOTTIME_ALARM:
		return CLOCK_BOOTTIME;
	default:
		return clock;
	}
}

static int time_make_absolute(int clock, struct timespec *ts)
{
	struct timespec now;
	int r = sys_clock_gettime(clock_plain(clock), &now);

	if (r < 0)
		return r;
	ts->tv_sec += now.tv_sec;
	ts->tv_nsec += now.tv_nsec;
	if (ts->tv_nsec >= NSEC_PER_SEC) {
		ts->tv_nsec -= NSEC_PER_SEC;
		ts->tv_sec++;
	}
	return 0;
}

/* What to set it to, now. */
static int timer_when(struct env *env, const struct timerfd *t, struct itimerspec *ret)
{
	struct itimerspec when = t->left;
	int r = 0;

	if (timer_is_lagging(t)) /* nobody knows how far the period is */
		when.it_value = when.it_interval;
	if ((t->settime_flags & TFD_TIMER_ABSTIME) && !time_is_zero(&when.it_value))
		r = time_make_absolute(t->clock, &when.it_value);
	if (r < 0)
		return report_fail(env->report, r, "cannot read clock %d", t->clock);
	*ret = when;
	return 0;
}

static bool timer_is_set(const struct timerfd *t)
{
	return !time_is_zero(&t->left.it_value) || !time_is_zero(&t->left.it_interval) ||
	       t->settime_flags;
}

/* One that no table holds (it is in flight) has nobody to arm it later. */
static int timer_arm(struct env *env, struct timerfd *t, int fd)
{
	struct itimerspec when;
	int r = timer_when(env, t, &when);

	if (r < 0)
		return r;
	if (timer_is_set(t))
		r = sys_timerfd_settime(fd, (int)t->settime_flags, &when, NULL);
	return r < 0 ? report_fail(env->report, r, "cannot arm it") : 0;
}

static int timerfd_make(struct env *env, struct file *f, int *ret_fd)
{
	struct timerfd *t = timerfd_of(f);
	scoped(fd_close) int fd = sys_timerfd_create(t->clock, TFD_CLOEXEC);
	int r;

	if (fd < 0)
		return report_fail(env->report, fd, "cannot make a timer of clock %d", t->clock);
	/* Setting the time clears it again; here it shows whether the kernel can do it at all. */
	r = f->in_slots ? 0 : timer_arm(env, t, fd);
	if (r < 0)
		return r;
	r = t->ticks ? sys_ioctl_ptr(fd, TFD_IOC_SET_TICKS, &t->ticks) : 0;
	if (r < 0)
		return report_fail(env->report, r, "cannot set %" PRIu64 " expirations", t->ticks);
	r = env_apply_common(env, f, fd, false);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&fd);
	return 0;
}

static int timerfd_last(struct env *env, struct file *f, int fd, struct program *p)
{
	struct timerfd *t = timerfd_of(f);
	struct itimerspec when;
	int r = timer_when(env, t, &when);

	if (r < 0)
		return r;
	if (timer_is_set(t)) {
		program_must(p, SYS_timerfd_settime,
			     ARGS(fd, t->settime_flags, arg_at(program_put(p, &when, sizeof(when))),
				  0));
		program_note(p, "arming timer fd %d", fd);
	}
	if (t->ticks) {
		program_must(p, SYS_ioctl,
			     ARGS(fd, TFD_IOC_SET_TICKS,
				  arg_at(program_put(p, &t->ticks, sizeof(t->ticks)))));
		program_note(p, "setting expirations of timer fd %d", fd);
	}
	return 0;
}

const struct file_kind file_kind_timerfd = {
	.name = "timerfd",
	.about = "timers read as a file (timerfd)",
	.tag = FD_TYPES__TIMERFD,
	.size = sizeof(struct timerfd),
	.match = timerfd_match,
	.fdinfo = timerfd_fdinfo,
	.collect = timerfd_collect,
	.encode = timerfd_encode,
	.decode = timerfd_decode,
	.create = timerfd_make,
	.last = timerfd_last,
};
