/*
 * Runs a fuzz target on its seeds and on mutations of them, the same ones each time. For builds
 * without libFuzzer: it finds less, but it is a test that everybody runs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "fuzz/fuzz.h"

#define INPUT_MAX (1 << 16)
#define MUTATIONS 300 /* of each seed */

static uint64_t state = 1;

static uint64_t random_next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Changes a few bytes, or moves, drops or doubles a range. */
static size_t mutate(uint8_t *buf, size_t len)
{
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x20, '\n' };
	size_t at = random_next() % len, n = 1 + random_next() % 16, to;

	n = MIN(n, len - at);
	switch (random_next() % 6) {
	case 0:
		buf[at] ^= 1u << random_next() % 8;
		return len;
	case 1:
		buf[at] = edges[random_next() % sizeof(edges)];
		return len;
	case 2:
		memset(buf + at, edges[random_next() % sizeof(edges)], n);
		return len;
	case 3:
		memmove(buf + at, buf + at + n, len - at - n);
		return MAX(len - n, (size_t)1);
	case 4:
		if (len + n > INPUT_MAX)
			return at + 1;
		memmove(buf + at + n, buf + at, len - at);
		return len + n;
	default:
		to = random_next() % (len - n + 1);
		memmove(buf + to, buf + at, n);
		return len;
	}
}

static int write_seed(const char *dir, unsigned n, const uint8_t *buf, size_t len)
{
	char path[512];
	int fd, r;

	(void)snprintf(path, sizeof(path), "%s/seed-%03u", dir, n);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, buf, len);
	fd_close(fd);
	return r;
}

int main(int argc, char **argv)
{
	static uint8_t seed[INPUT_MAX], input[INPUT_MAX];
	const char *dir = argc == 3 && !strcmp(argv[1], "--write-seeds") ? argv[2] : NULL;
	unsigned n = 0;
	size_t len;

	if (argc != 1 && !dir) {
		fprintf(stderr, "usage: %s [--write-seeds DIR]\n", argv[0]);
		return 2;
	}
	for (; (len = fuzz_seed(n, seed, sizeof(seed))) > 0; n++) {
		if (dir) {
			int r = write_seed(dir, n, seed, len);

			if (r == 0)
				continue;
			fprintf(stderr, "cannot write a seed into %s: %s\n", dir, strerror(-r));
			return 1;
		}
		LLVMFuzzerTestOneInput(seed, len);
		for (unsigned i = 0; i < MUTATIONS; i++) {
			size_t now = len;

			memcpy(input, seed, len);
			for (unsigned j = 0; j <= i % 4; j++)
				now = mutate(input, now);
			LLVMFuzzerTestOneInput(input, now);
		}
	}
	printf("%u seeds\n", n);
	return n ? 0 : 1;
}
