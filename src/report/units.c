/* Quantities in words. See units.h. */
#include "report/units.h"

#include <inttypes.h>

void units_add_bytes(struct str *s, uint64_t bytes)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		str_addf(s, "%" PRIu64 " B", bytes);
		return;
	}
	for (; value >= 1023.5 && i + 1 < ARRAY_SIZE(names); i++)
		value /= 1024;
	str_addf(s, value < 9.95 ? "%.1f %s" : "%.0f %s", value, names[i]);
}

void units_add_time(struct str *s, usec_t time)
{
	if (time < 1000)
		str_addf(s, "%" PRIu64 " us", time);
	else if (time < 99500)
		str_addf(s, "%.0f ms", (double)time / 1e3);
	else if (time < 9950000)
		str_addf(s, "%.2f s", (double)time / 1e6);
	else if (time < 60000000)
		str_addf(s, "%.1f s", (double)time / 1e6);
	else
		str_addf(s, "%" PRIu64 " min %" PRIu64 " s", time / 60000000, time / 1000000 % 60);
}

void units_add_count(struct str *s, uint64_t n, const char *noun)
{
	str_addf(s, "%" PRIu64 " %s%s", n, noun, n == 1 ? "" : "s");
}
