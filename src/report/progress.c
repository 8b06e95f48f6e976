/* The bar. See progress.h. */
#include "report/progress.h"

#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "report/stats.h"
#include "report/units.h"

#define PATIENCE  500000 /* us of work before the first drawing */
#define INTERVAL  100000 /* us between two */
#define BAR_MAX   40
#define ROOM_TEXT 60 /* columns for what stands around the bar */

struct progress {
	int fd;
	const char *verb;
	usec_t start;
	_Atomic uint64_t expected, done;
	_Atomic usec_t drawn; /* when the line was drawn last; 0 for never */
};

struct progress *progress_new(int fd, const char *verb)
{
	struct progress *p;

	if (!isatty(fd))
		return NULL;
	p = NEW(struct progress);
	if (!p)
		return NULL;
	p->fd = fd;
	p->verb = verb;
	p->start = usec_now();
	return p;
}

void progress_free(struct progress *p)
{
	static const char clear[] = "\r\033[K";

	if (p && p->drawn != 0)
		(void)!fd_write_all(p->fd, clear, sizeof(clear) - 1); /* only decoration */
	mem_free(p);
}

static int bar_width(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		size.ws_col = 80;
	return MAX(0, MIN(size.ws_col - ROOM_TEXT, BAR_MAX));
}

static void bar_add(struct str *s, int width, unsigned percent)
{
	int full = width * (int)percent / 100;

	if (width < 8)
		return;
	str_addf(s, "[");
	for (int i = 0; i < width; i++)
		str_addf(s, "%c", i < full ? '=' : i == full ? '>' : ' ');
	str_addf(s, "] ");
}

static void progress_draw(const struct progress *p, usec_t now)
{
	scoped(str_done) struct str s = { 0 };
	uint64_t done = p->done, expected = MAX((uint64_t)p->expected, done);
	unsigned percent = expected > 0 ? (unsigned)((double)done * 100 / (double)expected) : 0;

	str_addf(&s, "\r%s ", p->verb);
	bar_add(&s, bar_width(p->fd), percent);
	str_addf(&s, "%3u%%  ", percent);
	units_add_bytes(&s, done);
	str_addf(&s, " of ");
	units_add_bytes(&s, expected);
	str_addf(&s, "  ");
	units_add_bytes(&s, (uint64_t)((double)done * 1e6 / (double)(now - p->start)));
	str_addf(&s, "/s\033[K");
	(void)!fd_write_all(p->fd, str_get(&s), s.len); /* only decoration */
}

void progress_expect(struct progress *p, uint64_t bytes)
{
	if (p)
		p->expected += bytes;
}

void progress_add(void *progress, uint64_t bytes)
{
	struct progress *p = progress;
	usec_t now, drawn;

	if (!p)
		return;
	p->done += bytes;
	now = usec_now();
	drawn = p->drawn;
	if (now - p->start < PATIENCE || now - drawn < INTERVAL)
		return;
	/* Who moves the time on draws; the others go on with their work. */
	if (atomic_compare_exchange_strong(&p->drawn, &drawn, now))
		progress_draw(p, now);
}
